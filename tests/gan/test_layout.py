"""The layout of images in memory: channels last where that is right, the plain one elsewhere."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from stages.gan import layout
from stages.gan.layout import gradients, image_layout, laid_out

MPS = torch.device("mps")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    layout._channels_last_works.cache_clear()
    yield
    layout._channels_last_works.cache_clear()


@pytest.mark.parametrize("kind", ["cpu", "cuda", "meta"])
def test_cpu_and_cuda_keep_channels_last_untried(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "gradients", lambda *_: pytest.fail("tried"))
    assert image_layout(torch.device(kind)) == torch.channels_last


def on_cpu(_kind: str, chosen: torch.memory_format) -> list[Tensor]:
    return gradients("cpu", chosen)


def test_a_device_that_computes_the_same_in_both_layouts_has_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "gradients", on_cpu)
    assert image_layout(MPS) == torch.channels_last


@pytest.mark.parametrize("wrong", range(7))
@pytest.mark.parametrize("spoil", [lambda x: x * 1.01 + 0.01, lambda x: x * float("nan"), lambda x: x.flip(0) + 1])
def test_a_wrong_gradient_in_channels_last_leaves_the_plain_layout(
    wrong: int, spoil: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_kind: str, chosen: torch.memory_format) -> list[Tensor]:
        found = gradients("cpu", chosen)
        if chosen == torch.channels_last:
            found[wrong] = spoil(found[wrong])  # type: ignore[operator]
        return found

    monkeypatch.setattr(layout, "gradients", broken)
    assert image_layout(MPS) == torch.contiguous_format


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, AssertionError])
def test_a_device_that_refuses_the_test_has_the_plain_layout(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[Tensor]:
        raise error("view size is not compatible")

    monkeypatch.setattr(layout, "gradients", refuse)
    assert image_layout(MPS) == torch.contiguous_format


def test_gradients_are_those_of_a_plain_computation() -> None:
    """Not zero, and the same whatever is switched on around: the test is told by nothing but the device."""
    plain = gradients("cpu", torch.contiguous_format)
    assert sum(tensor.abs().max() > 0.1 for tensor in plain) >= 6  # BatchNorm takes out the first bias
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(plain, gradients("cpu", torch.contiguous_format), strict=True))


def test_images_keep_their_values() -> None:
    images = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    assert torch.equal(laid_out(images), images)
    assert laid_out(images).is_contiguous(memory_format=torch.channels_last)
