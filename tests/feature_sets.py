"""Features to compare, the same compared by torch-fidelity, and a watch over the memory that tensors take."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import Dataset

from stages.common import blocks, draws

NUM_IMAGES = 400
NUM_FEATURES = 64


class Images(Dataset[Tensor]):
    """uint8 [N, 3, 16, 16]: noise around a common picture, which is brighter and smoother in the generated set."""

    def __init__(self, purpose: str, contrast: float, smoothing: int) -> None:
        noise = draws.normal(0, purpose, 0, (NUM_IMAGES, 3, 16, 16))
        noise = nn.functional.avg_pool2d(noise, smoothing, stride=1, padding=smoothing // 2)
        self.levels = (110 + contrast * 40 * noise).clamp(0, 255).to(torch.uint8)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: int) -> Tensor:
        return self.levels[index]


def pool(levels: Tensor) -> Tensor:
    """8 x 8 means of the pixels, float64 [B, 64]: float64, so that the agreement is not limited by the features."""
    return nn.functional.adaptive_avg_pool2d(levels.double() / 255, 8).mean(dim=1).flatten(1)


@pytest.fixture(scope="session")
def real_and_fake() -> tuple[Images, Images]:
    return Images("real", contrast=1.0, smoothing=1), Images("fake", contrast=1.1, smoothing=3)


@pytest.fixture(scope="session")
def features(real_and_fake: tuple[Images, Images]) -> tuple[Tensor, Tensor]:
    """Pooled pixels of the reference and of the candidates, float64 [400, 64] each."""
    real, fake = real_and_fake
    return pool(real.levels), pool(fake.levels)


@pytest.fixture(scope="session")
def fidelity(real_and_fake: tuple[Images, Images]) -> dict[str, float]:
    """The metrics of torch-fidelity for the same images with the same extractor; the generated set is its input 1."""
    from tests.other_libraries import by_torch_fidelity  # noqa: PLC0415 (seconds to import, in every run of pytest)

    return by_torch_fidelity(*real_and_fake)


@pytest.fixture(scope="session")
def torchmetrics_values(real_and_fake: tuple[Images, Images]) -> dict[str, float]:
    """The metrics of torchmetrics for the same images with the same extractor."""
    from tests.other_libraries import by_torchmetrics  # noqa: PLC0415 (likewise)

    return by_torchmetrics(*real_and_fake)


class _Largest(TorchDispatchMode):
    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


class _InThisThread:
    """In the place of a pool, whose threads a TorchDispatchMode does not see."""

    def __init__(self, *_: object, **__: object) -> None:
        self.map = map

    def shutdown(self, **_: object) -> None:
        pass


@pytest.fixture
def largest_tensor(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """The number of elements of the largest tensor that a function makes on its way."""
    monkeypatch.setattr(blocks, "ThreadPoolExecutor", _InThisThread)

    def watch(function: Callable[[], object]) -> int:
        with _Largest() as seen:
            function()
        return seen.elements

    return watch
