"""A generator file that anyone may have written: its sampler, or one line that names what is wrong with it."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.common.initialise import initialise
from stages.gan import architectures
from stages.gan.sampler import Sampler, sampler_from
from tests.fuzzing import assert_one_line

ARGUMENTS: dict[str, Any] = {"image_shape": [1, 8, 8], "num_classes": 2, "z_dim": 3, "width": 2}
NETWORKS = ", ".join(architectures.names())
META: dict[str, Any] = {"network": "dcgan", "arguments": ARGUMENTS, "classes": ["a", "b"]}


def tensors(**changes: Any) -> dict[str, Tensor]:
    made = architectures.build_generator("dcgan", ARGUMENTS | changes)
    initialise(made, 1, "test")
    return made.state_dict()


def read(stored: dict[str, Tensor], meta: dict[str, Any]) -> Sampler:
    return sampler_from(stored, meta, seed=1, source="a file")


def refusal(stored: dict[str, Tensor], meta: dict[str, Any]) -> str:
    with pytest.raises(UserError, match=r"^a file holds no generator that this code can rebuild \(") as caught:
        read(stored, meta)
    assert_one_line(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_a_good_file_gives_the_images_of_its_generator(num_classes: int) -> None:
    stored = tensors(num_classes=num_classes)
    sampler = read(stored, META | {"arguments": ARGUMENTS | {"num_classes": num_classes}})
    twin = architectures.build_generator("dcgan", ARGUMENTS | {"num_classes": num_classes}).eval()
    twin.load_state_dict(stored)
    z, y = sampler.latents("z", 100), torch.arange(100) % 2
    assert torch.equal(sampler.images(z, y), twin(z, y))
    assert sampler.num_classes == num_classes


def test_a_generator_is_read_without_torchs_compilers() -> None:
    """Which are a second to import; only drawing on the meta device needs them."""
    from torch.overrides import TorchFunctionMode  # noqa: PLC0415

    class Watch(TorchFunctionMode):
        drawn = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            on_meta = any(isinstance(value, Tensor) and value.is_meta for value in args)
            Watch.drawn += on_meta and getattr(func, "__name__", "") in ("normal_", "uniform_")
            return func(*args, **(kwargs or {}))

    with Watch():
        read(tensors(), META)
    assert Watch.drawn == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_classes": 10**8}, "arguments.num_classes: expected less than or equal to 1000, found 100000000"),
        ({"num_classes": 1000}, "embedding.weight float32 [2, 3] in place of float32 [1000, 3]"),
        ({"num_classes": 0}, "embedding.weight float32 [2, 3] in place of nothing"),
        ({"num_classes": -1}, "arguments.num_classes: expected greater"),
        ({"num_classes": True}, "arguments.num_classes: expected a valid integer, found True"),
        ({"num_classes": "2"}, "arguments.num_classes: expected a valid integer, found '2'"),
        ({"num_classes": None}, "arguments.num_classes: expected a valid integer, found None"),
        ({"z_dim": 0}, "arguments.z_dim: expected greater"),
        ({"z_dim": 10**30}, "arguments.z_dim: "),
        ({"z_dim": 4}, "embedding.weight float32 [2, 3] in place of float32 [2, 4]"),
        ({"width": 10**6}, "arguments.width: expected less than or equal to 1024"),
        ({"width": 1024, "z_dim": 4096}, "body.0.bias float32 [4] in place of float32 [2048]"),
        ({"width": 0}, "arguments.width: expected greater"),
        ({"width": 2.0}, "arguments.width: expected a valid integer, found 2.0"),
        ({"depth": 3}, "arguments.depth: Extra inputs are not permitted, found 3"),
        ({"\x1b[2J": 3}, r"arguments.\x1b[2J: Extra inputs"),
        ({"image_shape": [0, 8, 8]}, "expected 1 to 16 channels, found 0"),
        ({"image_shape": [10**6, 8, 8]}, "expected 1 to 16 channels, found 1000000"),
        ({"image_shape": [1, 0, 8]}, "multiples of 4 up to 1024, found 0 x 8"),
        ({"image_shape": [1, 8, 10**6]}, "multiples of 4 up to 1024, found 8 x 1000000"),
        ({"image_shape": [1, 9, 8]}, "multiples of 4 up to 1024, found 9 x 8"),
        ({"image_shape": [1, -8, 8]}, "multiples of 4 up to 1024, found -8 x 8"),
        ({"image_shape": [1, 8]}, "arguments.image_shape: List should have at least 3 items"),
        ({"image_shape": [1, 8, 8] * 1000}, "arguments.image_shape: List should have at most 3 items"),
        ({"image_shape": [1, [8], 8]}, "arguments.image_shape.1: expected a valid integer, found [8]"),
        ({"image_shape": "188"}, "arguments.image_shape: expected a valid list, found '188'"),
    ],
)
def test_absurd_arguments(changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(tensors(), META | {"arguments": ARGUMENTS | changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"network": "../dcgan"}, f"expected an architecture of {NETWORKS}, found '../dcgan'"),
        ({"network": "\x1b[2J" * 1000}, f"expected an architecture of {NETWORKS}, found "),
        ({"network": ["dcgan"]}, "expected a network and its arguments, found ['dcgan']"),
        ({"arguments": None}, "expected a network and its arguments, found 'dcgan' and None"),
        ({"arguments": []}, "expected a network and its arguments, found 'dcgan' and []"),
        ({"arguments": {}}, "arguments.image_shape: Field required"),
        ({"classes": ["a"]}, "expected the names of 2 classes, found 1"),
        ({"classes": [["a"], "b"]}, "expected the names of classes, found [['a'], 'b']"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"classes": ["a", "\ud800"]}, r"found '\ud800'"),
    ],
)
def test_other_descriptions(changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(tensors(), META | changes)


@pytest.mark.parametrize("missing", META)
def test_a_description_that_lacks_something(missing: str) -> None:
    meta = {key: value for key, value in META.items() if key != missing}
    assert f"found no {missing}" in refusal(tensors(), meta)


WEIGHT = tensors()["project.weight"]


@pytest.mark.parametrize(
    ("name", "tensor", "reason"),
    [
        ("project.weight", WEIGHT.double(), "project.weight float64 [16, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT.half(), "project.weight float16 [16, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT.long(), "project.weight int64 [16, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT.bool(), "project.weight bool [16, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT.to(torch.complex64), "project.weight complex64 [16, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT[:0], "project.weight float32 [0, 6] in place of float32 [16, 6]"),
        ("project.weight", WEIGHT * torch.inf, "weights that are not finite in project.weight"),
        ("body.0.running_mean", torch.full((4,), torch.nan), "weights that are not finite in body.0.running_mean"),
        ("body.0.running_var", torch.tensor([1.0, 1, -1e-3, 1]), "variances below 0 in body.0.running_var"),
        ("body.0.num_batches_tracked", torch.tensor(1.0), "body.0.num_batches_tracked float32 [] in place of int64 []"),
        ("n" * 9000, torch.zeros(1), "float32 [1] in place of nothing"),
        ("\x1b[2J", torch.zeros(1), r"\x1b[2J float32 [1] in place of nothing"),
    ],
)
def test_wrong_tensors_are_named(name: str, tensor: Tensor, reason: str) -> None:
    assert reason in refusal(tensors() | {name: tensor}, META)


def test_options_may_be_lists_where_the_schema_says_tuples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON gives them back."""
    dcgan = architectures.load("dcgan")

    class Options(dcgan.Options):  # type: ignore[name-defined, misc]
        sides: tuple[int, int]

    class Network:
        pass

    class Generator(dcgan.Generator):  # type: ignore[name-defined, misc]
        def __init__(self, sides: list[int], **arguments: Any) -> None:
            super().__init__(**arguments)
            assert len(sides) == 2

    good, network = tensors(), Network()
    network.Options, network.Generator = Options, Generator  # type: ignore[attr-defined]
    monkeypatch.setattr(architectures, "load", lambda _: network)
    stored = json.loads(json.dumps(META | {"arguments": ARGUMENTS | {"sides": (3, 4)}}))
    assert read(good, stored).z_dim == 3
    assert "arguments.sides" in refusal(good, META | {"arguments": ARGUMENTS | {"sides": [3]}})
