"""Nets to start from: filled as they were stored, and one clear line for every file that is no such net."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stages.common.errors import UserError
from stages.common.files import pack_tensors
from stages.common.initialise import initialise
from stages.gan.initial import load_net, read_net
from stages.gan.networks.dcgan import Discriminator, Generator

ARGUMENTS: dict[str, Any] = {"image_shape": [1, 8, 8], "num_classes": 2, "z_dim": 3, "width": 2}
LISTED = 3
META = {"network": "dcgan", "arguments": ARGUMENTS, "classes": ["a", "b"]}


def generator(seed: int, **changes: Any) -> nn.Module:
    made = Generator(**ARGUMENTS | changes)
    initialise(made, seed, "test")
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a generator is looked for; nothing is there yet."""
    folder = tmp_path / "data" / "init" / "earlier"
    folder.mkdir(parents=True)
    return folder / "generator.safetensors"


def refusal(path: Path) -> str:
    """The one line that refuses the file; it must name a remedy, and no stage, for none makes that file."""
    with pytest.raises(UserError) as caught:
        load_net(path, generator(2), "dcgan", ARGUMENTS)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    assert "data/init/README.md" in line or "set train_gan" in line
    assert "dvc repro" not in line
    return line


def test_a_net_is_filled_with_what_was_stored(path: Path) -> None:
    stored, net = generator(1), generator(2)
    path.write_bytes(pack_tensors(stored.state_dict(), META))
    load_net(path, net, "dcgan", ARGUMENTS)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, stored.state_dict()[name]), name


def test_missing(path: Path) -> None:
    assert "is missing" in refusal(path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1], ids=lambda kept: f"{kept} bytes")
def test_truncated(path: Path, kept: int) -> None:
    path.write_bytes(pack_tensors(generator(1).state_dict(), META)[:kept])
    assert "expected a generator of this pipeline, found no safetensors" in refusal(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"\x80\x04\x95" + bytes(100), b'{"a": 1}', b"[1]" * 50])
def test_another_kind_of_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "expected a generator of this pipeline, found no safetensors" in refusal(path)


def test_any_flipped_bit_of_the_header_is_told_or_harmless(path: Path) -> None:
    """Harmless: in the names of the classes, say, or in a space."""
    content = pack_tensors(generator(1).state_dict(), META)
    size = 8 + int.from_bytes(content[:8], "little")
    harmless = []
    for bit in range(0, 8 * size, 17):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            load_net(path, generator(2), "dcgan", ARGUMENTS)
            harmless.append(bit)
    assert len(harmless) < 0.2 * size * 8 / 17


@pytest.mark.parametrize("meta", [None, [], 3, "dcgan"])
def test_no_description(path: Path, meta: Any) -> None:
    path.write_bytes(pack_tensors({"images": torch.zeros(2)}, meta))
    assert "found no safetensors with a description (its description is" in refusal(path)


@pytest.mark.parametrize("meta", [{}, {"network": "dcgan"}, {"classes": ["a"]}])
def test_no_net_but_a_file_of_the_pipeline(path: Path, meta: Any) -> None:
    path.write_bytes(pack_tensors({"images": torch.zeros(2)}, meta))
    assert "expected the network and the arguments of a generator, found a description of" in refusal(path)


@pytest.mark.parametrize(
    ("network", "arguments", "found"),
    [
        ("resnet", ARGUMENTS, "expected network dcgan, .*, found network resnet; set train_gan"),
        ("dcgan", ARGUMENTS | {"width": 4}, "expected width 2, .*, found width 4; set train_gan"),
        (
            "dcgan",
            ARGUMENTS | {"num_classes": 0, "z_dim": 9},
            "expected num_classes 2, z_dim 3, .* num_classes 0, z_dim 9",
        ),
        ("dcgan", ARGUMENTS | {"depth": 1}, "expected depth None, .*, found depth 1"),
        ("dcgan", None, "expected image_shape .*, found .*image_shape None"),
        (["dcgan"], [], r"found arguments \[\], .*network \['dcgan'\]"),
    ],
)
def test_another_architecture(path: Path, network: Any, arguments: Any, found: str) -> None:
    path.write_bytes(pack_tensors(generator(1).state_dict(), {"network": network, "arguments": arguments}))
    assert re.search(found, refusal(path))


def test_a_discriminator_in_the_place_of_the_generator(path: Path) -> None:
    path.write_bytes(pack_tensors(Discriminator(**ARGUMENTS).state_dict(), META))
    line = refusal(path)
    assert "expected the tensors of a dcgan generator, found" in line
    assert "missing in place of" in line
    assert "in place of nothing" in refusal(path) or "more" in line


@pytest.mark.parametrize(
    ("name", "tensor", "found"),
    [
        ("project.weight", torch.zeros(1, 1), r"project.weight float32 \[1, 1\] in place of float32 \[16, 6\]"),
        ("project.weight", torch.zeros(16, 6).half(), r"project.weight float16 \[16, 6\] in place of float32"),
        ("other", torch.zeros(1), r"other float32 \[1\] in place of nothing"),
    ],
)
def test_wrong_tensors(path: Path, name: str, tensor: torch.Tensor, found: str) -> None:
    path.write_bytes(pack_tensors(generator(1).state_dict() | {name: tensor}, META))
    assert re.search(f"expected the tensors of a dcgan generator, found {found}", refusal(path))


def test_weights_that_are_not_finite(path: Path) -> None:
    tensors = generator(1).state_dict()
    tensors["project.weight"][0, 0] = torch.nan
    path.write_bytes(pack_tensors(tensors, META))
    assert "found weights that are not finite in project.weight" in refusal(path)


def test_a_long_list_is_cut(path: Path) -> None:
    path.write_bytes(pack_tensors({}, META))
    count = len(generator(1).state_dict())
    assert refusal(path).count("missing in place of") == LISTED
    assert f" and {count - LISTED} more" in refusal(path)


def test_a_net_is_read_without_knowing_what_it_should_be(path: Path) -> None:
    path.write_bytes(pack_tensors(generator(1).state_dict(), META))
    assert read_net(path)[1] == META
