"""The training loop as tutorials write it: what this project's step is compared with.

Networks, loss, penalties, batch and learning rates are those of params.yaml. All else is as in PyTorch's DCGAN
tutorial: a DataLoader that transforms one uint8 image at a time, torch's own Adam, eager calls, one process with a
thread for each core, one forward pass of G for both players. The penalty is taken on the whole batch, at every step.
There is no average of G, no history and no checkpoint.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from stages.common.params import StageParams
from stages.gan import architectures
from stages.gan.losses import LOSSES
from stages.gan.penalties import PENALTIES, penalty_points, squared_gradient_norms
from stages.train_gan import Params
from tools.bench.task import Results, Task
from tools.bench.training import COUNT, levels_and_labels, read_settings


class Digits(Dataset[tuple[Tensor, int]]):
    """COUNT digits as torchvision's MNIST gives them: a picture at a time, transformed when it is read."""

    def __init__(self, levels: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.levels, self.labels, self.transform = levels, labels, transform

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index %= len(self.labels)
        return self.transform(Image.fromarray(self.levels[index].numpy())), int(self.labels[index])


def loader(batch_size: int) -> DataLoader[tuple[Tensor, int]]:
    """Shuffled batches of images in [-1, 1] [B, 1, 28, 28] with their labels int64 [B]."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    return DataLoader(Digits(*levels_and_labels(), transform), batch_size=batch_size, shuffle=True, drop_last=True)


def train(params: Params, options: StageParams, batches: Iterator[list[Tensor]]) -> Iterator[tuple[float, float]]:
    """Train G and D on these batches. Yields the losses of D and G after every step."""
    num_classes = 10 if params.conditional else 0
    arguments = architectures.net_arguments([1, 28, 28], num_classes, params.z_dim, options)
    G, D = architectures.build_players(params.network, arguments, params.seed)
    betas = (params.betas[0], params.betas[1])
    opt_g, opt_d = Adam(G.parameters(), params.lr_g, betas), Adam(D.parameters(), params.lr_d, betas)
    loss = LOSSES[params.loss]
    for number, (real_images, y) in enumerate(batches, start=1):
        # Update D.
        z = torch.randn(len(y), params.z_dim)
        fake_images = G(z, y)
        opt_d.zero_grad()
        real_images.requires_grad_()
        real_logits, fake_logits = D(real_images, y), D(fake_images.detach(), y)
        d_loss = loss.discriminator(real_logits, fake_logits).mean()
        penalty = penalties(params, D, real_images, fake_images.detach(), real_logits, y)
        (d_loss + penalty).backward()
        opt_d.step()
        if number % params.d_steps:
            continue
        # Update G.
        opt_g.zero_grad()
        with torch.no_grad():
            real_logits = D(real_images, y) if loss.paired else real_logits
        g_loss = loss.generator(D(fake_images, y), real_logits).mean()
        g_loss.backward()
        opt_g.step()
        yield d_loss.item(), g_loss.item()


def penalties(
    params: Params, D: nn.Module, real_images: Tensor, fake_images: Tensor, real_logits: Tensor, y: Tensor
) -> Tensor:
    """The weighted penalties on the whole batch."""
    total = torch.zeros(())
    for name, term in params.penalties.items():
        if not term.weight:
            continue
        penalty, logits, points = PENALTIES[name], real_logits, real_images
        if penalty.at != "real":
            points = penalty_points(penalty, real_images, fake_images, torch.rand(len(y), 1 + real_images[0].numel()))
            points = points.detach().requires_grad_()
            logits = D(points, y)
        total = total + term.weight * penalty.of(squared_gradient_norms(logits, points)).mean()
    return total


def endless(batches: DataLoader[tuple[Tensor, int]]) -> Iterator[list[Tensor]]:
    """Epoch after epoch."""
    while True:
        yield from batches


def measure_tutorial(task: Task) -> Results:
    """step_ms of the tutorial's loop, and startup_s before its first step; loading images is part of a step."""
    params, options = read_settings(task.changes)
    steps = train(params, options, endless(loader(params.batch_size)))
    startup_s = time.time() - task.started
    for _ in islice(steps, task.warm_up):
        pass
    begin = time.perf_counter()
    for _ in islice(steps, task.steps):
        pass
    return {"startup_s": startup_s, "step_ms": 1000 * (time.perf_counter() - begin) / task.steps}
