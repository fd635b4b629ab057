"""How images and kernels lie in memory: channels last, where the device computes with that as with the plain layout.

On the CPU and with CUDA it is faster. On Apple's GPUs gradients of BatchNorm were wrong with it until torch of 2026.
"""

from functools import cache

import torch
from torch import Tensor, nn

TRUSTED = ("cpu", "cuda", "meta")
TOLERANCE = 1e-3


def laid_out(images: Tensor) -> Tensor:
    """The images [B, C, H, W], or features of that shape, in the layout of their device."""
    return images.contiguous(memory_format=image_layout(images.device))


def image_layout(device: torch.device) -> torch.memory_format:
    """The layout of images and kernels on the device."""
    works = device.type in TRUSTED or _channels_last_works(device.type)
    return torch.channels_last if works else torch.contiguous_format


@cache
def _channels_last_works(kind: str) -> bool:
    """Whether gradients are the same in both layouts there, tried once in a process; False if it fails."""
    try:
        plain, last = (gradients(kind, layout) for layout in (torch.contiguous_format, torch.channels_last))
        return all(torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in zip(plain, last, strict=True))
    except (RuntimeError, AssertionError):  # how torch refuses what a device cannot do
        return False


def gradients(kind: str, layout: torch.memory_format) -> list[Tensor]:
    """Of a convolution and BatchNorm, at every weight and at the images, on the CPU."""
    with torch.enable_grad(), torch.autocast(kind, enabled=False):
        net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 3, 4, 2, 1))
        with torch.no_grad():
            for number, parameter in enumerate(net.parameters()):
                parameter.copy_(wave(parameter.shape, number))
        net = net.to(kind).to(memory_format=layout)
        images = wave(torch.Size([2, 3, 6, 6]), 99).to(kind).contiguous(memory_format=layout).requires_grad_()
        objective = (net(images) + 1).square().sum()
        return [gradient.cpu().contiguous() for gradient in torch.autograd.grad(objective, [images, *net.parameters()])]


def wave(shape: torch.Size, phase: float) -> Tensor:
    """Values in [-1, 1] without a draw, float32 on the CPU."""
    return (torch.arange(shape.numel(), dtype=torch.float32) * 0.7 + phase).sin().view(shape)
