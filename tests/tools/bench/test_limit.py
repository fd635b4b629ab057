"""The operations of a step and their count, against counts by hand."""

import pytest
import torch
from torch import nn

from stages.gan.team import Team
from tools.bench.limit import BACKWARD, CONVOLUTION, Operation, Recorder, TensorShape, limit_of
from tools.bench.training import new_loop
from tools.profiles import TRAINING, combined


def recorded(net: nn.Module, *shape: int) -> Recorder:
    """Forward and backward of the net on random images that require grad."""
    images = torch.randn(*shape, requires_grad=True)
    with Recorder() as recorder:
        net(images).sum().backward()
    return recorder


def by_kind(recorder: Recorder) -> dict[str, int]:
    flop: dict[str, int] = {}
    for operation, count in recorder.calls.items():
        flop[operation.kind] = flop.get(operation.kind, 0) + count * operation.flop
    return flop


def test_a_convolution_by_hand() -> None:
    """5 images, 3 to 4 channels, kernel 2x2, stride 2, 8x8 to 4x4 pixels: 5 * 4 * 16 * 3 * 4 multiply-adds.

    Its backward takes as many for the gradient of the images and as many for that of the kernel.
    """
    forward = 2 * 5 * 4 * 16 * 3 * 4
    flop = by_kind(recorded(nn.Conv2d(3, 4, 2, stride=2), 5, 3, 8, 8))
    assert flop == {CONVOLUTION: forward, BACKWARD: 2 * forward}


def test_a_linear_layer_by_hand() -> None:
    """7 rows, 20 to 3 units: 7 * 20 * 3 multiply-adds, three times with the two of the backward pass."""
    assert by_kind(recorded(nn.Linear(20, 3), 7, 20)) == {"product": 3 * 2 * 7 * 20 * 3}


def test_the_second_backward_of_a_penalty_by_hand() -> None:
    """The gradient of a linear layer at its 7 inputs is a product with W; the penalty's slope in W is another one."""
    layer, images = nn.Linear(20, 3, bias=False), torch.randn(7, 20, requires_grad=True)
    with Recorder() as recorder:
        (gradient,) = torch.autograd.grad(layer(images).sum(), images, create_graph=True)
        torch.autograd.grad(gradient.square().sum(), [layer.weight])
    assert by_kind(recorder) == {"product": 3 * 2 * 7 * 20 * 3}


def test_a_step_on_twice_the_batch_takes_twice_the_operations() -> None:
    """The products of G and D are of one image each, so none is missed or counted for the batch as a whole."""
    counted = []
    for batch_size in (16, 32):  # in four parts, of which the penalty sees a quarter: one image, and two
        loop = new_loop(combined(TRAINING, {"train_gan": {"batch_size": batch_size}}), Team(4))
        with Recorder() as recorder:
            loop.step()
        counted.append(by_kind(recorder))
    assert counted[1] == {kind: 2 * flop for kind, flop in counted[0].items()}
    assert counted[0].keys() == {CONVOLUTION, BACKWARD, "product"}


def test_equal_calls_are_one_operation() -> None:
    net = nn.Sequential(nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False))
    with torch.no_grad(), Recorder() as recorder:
        net(torch.randn(2, 6))
    assert list(recorder.calls.values()) == [2]


def test_the_limit_is_the_sum_over_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two convolutions of 3 ms and 10 MFLOP, one product of 1 ms and 5 MFLOP: 7 ms, 25 MFLOP."""
    convolution = Operation(torch.ops.aten.convolution.default, ("a",), 10_000_000)
    product = Operation(torch.ops.aten.mm.default, ("b",), 5_000_000)
    monkeypatch.setattr(Operation, "best_s", lambda self: 0.003 if self is convolution else 0.001)
    with Recorder() as recorder:
        pass
    recorder.calls.update({convolution: 2, product: 1})
    figures = limit_of(recorder.calls)
    assert figures == pytest.approx(
        {
            "convolution_ms": 6,
            "convolution_gflop": 0.02,
            "product_ms": 1,
            "product_gflop": 0.005,
            "limit_ms": 7,
            "gflop": 0.025,
        }
    )


def test_an_operation_is_run_with_the_tensors_that_it_had() -> None:
    images = torch.randn(2, 3, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    with Recorder() as recorder:
        nn.Conv2d(3, 4, 3)(images)
    (operation,) = recorder.calls
    shape = operation.arguments[0]
    assert shape == TensorShape((2, 3, 6, 6), images.stride(), torch.float32)
    assert shape.tensor().stride() == images.stride()
    assert shape.tensor(torch.contiguous_format).is_contiguous()
    assert operation.best_s() > 0


def test_a_gradient_without_memory_of_its_own_can_be_made_again() -> None:
    """Of a sum, say: one number, seen as many."""
    expanded = torch.ones(()).expand(2, 3)
    assert TensorShape(tuple(expanded.shape), expanded.stride(), expanded.dtype).tensor().stride() == (0, 0)
