"""Try a kind of GPU: python -m stages.gan.probe cuda. Prints a line of JSON before and after each one.

A process of its own, because a driver may hang, a failing GPU spoils the process that used it, and a GPU that only
one process may use would be taken from the training.
"""

import json
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.common.failures import telling_line
from stages.common.runtime import make_deterministic
from stages.gan.layout import image_layout, laid_out, wave

NEEDED_BYTES = 2**29
"""Memory that must be free on a GPU of its own: the digits of MNIST alone are 150 MiB."""
ROUGHLY = 0.01
"""Devices may round differently; one that does not work gives something else altogether."""


def main(kind: str) -> None:
    """Try all GPUs of that kind, and print what came of it."""
    make_deterministic()
    try:
        devices = list(present(kind))
    except Exception as error:
        say(device=kind, problem=telling_line(error))
        return
    for device, model in devices:
        say(device=device, model=model)
        try:
            problem = tried(torch.device(device))
        except Exception as error:
            problem = telling_line(error)
        say(device=device, problem=problem)


def say(**values: str | None) -> None:
    """Print a line of JSON at once: this process may end any time."""
    print(json.dumps(values), flush=True)


def present(kind: str) -> Iterator[tuple[str, str]]:
    """Each GPU of that kind that torch knows of, with its model. Raises what torch raises."""
    if kind == "cuda":
        torch.cuda.init()
        for number in range(torch.cuda.device_count()):
            yield f"cuda:{number}", torch.cuda.get_device_name(number)
    elif torch.backends.mps.is_available():
        yield "mps", "mps"


def tried(device: torch.device) -> str | None:
    """What is wrong with the device, or None: a training's kinds of work give there what they give on the CPU."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.empty(NEEDED_BYTES, dtype=torch.uint8, device=device)
    here = [tensor.cpu() for tensor in work(device)]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    expected = work(torch.device("cpu"))
    if all(torch.allclose(a, b, rtol=ROUGHLY, atol=ROUGHLY) for a, b in zip(here, expected, strict=True)):
        return None
    return "its results are not those of the CPU"


def work(device: torch.device) -> list[Tensor]:
    """A product, a small generator's gradients, and a small discriminator's with a gradient penalty."""
    matrix = wave(torch.Size([64, 64]), 0).to(device)
    base = nn.Sequential(nn.Linear(8, 64), nn.Unflatten(1, (4, 4, 4)))
    G = placed(nn.Sequential(nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh()), device)
    D = placed(nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1)), device)
    z = wave(torch.Size([4, 8]), 1).to(device)
    images = G(laid_out(placed(base, device)(z)))
    g_loss = functional.softplus(-D(images)).mean()
    found = [matrix @ matrix, *torch.autograd.grad(g_loss, list(G.parameters()))]
    real = images.detach().requires_grad_()
    logits = D(real)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    d_loss = functional.softplus(-logits).mean() + slope.square().sum()
    return [tensor.detach() for tensor in (*found, *torch.autograd.grad(d_loss, list(D.parameters())))]


def placed(net: nn.Module, device: torch.device) -> nn.Module:
    """The net with fixed weights, on the device."""
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.copy_(wave(parameter.shape, number))
    return net.to(device).to(memory_format=image_layout(device))


if __name__ == "__main__":
    main(sys.argv[1])
