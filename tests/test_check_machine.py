"""What check refuses because of files and the machine: networks to start from, and what no machine can hold."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.checking import limits
from stages.common import memory
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.gan import architectures, devices
from stages.gan.devices import Gpu
from tests.test_check import COMMITTED, ROOT, changed, refusal, run


def test_nets_to_start_from_must_be_there(tmp_path: Path) -> None:
    found = refusal(tmp_path, changed("train_gan.init_from", "earlier"))
    for name in ("generator", "discriminator"):
        assert f"train_gan.init_from: data/init/earlier/{name}.safetensors is missing" in found


def test_damaged_nets_to_start_from_are_refused_before_anything_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "init" / "earlier"
    folder.mkdir(parents=True)
    for name in ("generator", "discriminator"):
        (folder / f"{name}.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(UserError) as caught:
        run(tmp_path, changed("train_gan.init_from", "earlier"))
    assert not (tmp_path / "data" / "check").exists()
    lines = str(caught.value).splitlines()
    for line, name in zip(lines, ("discriminator", "generator"), strict=True):
        assert re.search(rf"train_gan\.init_from: .*{name}\.safetensors: expected a {name} of this pipeline", line)


def test_a_generator_to_draw_from_must_be_there_and_of_the_chosen_network(tmp_path: Path) -> None:
    content = changed("generate.generator", "init/earlier")
    content["generate"]["classes"] = [300]  # of the other run's classes, which only its file knows
    path = tmp_path / "data" / "init" / "earlier" / "generator.safetensors"
    found = refusal(tmp_path, content)
    assert "generate.generator: data/init/earlier/generator.safetensors is missing" in found
    assert "generate.classes" not in found
    write_tensors(path, {"w": torch.zeros(1)}, {"network": "perceptron", "arguments": {}})
    with pytest.raises(UserError, match=r"generate\.generator: .*: expected dcgan, .*, found perceptron; set that key"):
        run(tmp_path, content)
    write_tensors(path, {"w": torch.zeros(1)}, {"network": "dcgan", "arguments": {}, "classes": DIGITS})
    with pytest.raises(UserError, match=r"generate\.generator: .* holds no generator that this code can rebuild"):
        run(tmp_path, content)
    save_earlier(tmp_path, [1, 28, 28], DIGITS)
    assert run(tmp_path, content).exists()
    (path.parent / "discriminator.safetensors").unlink()
    content["inspect"]["nets"] = "init/earlier"
    with pytest.raises(UserError, match=r"inspect\.nets: .*/discriminator\.safetensors is missing"):
        run(tmp_path, content)


DIGITS = [str(digit) for digit in range(10)]


def save_earlier(tmp_path: Path, image_shape: list[int], classes: list[str], **changes: Any) -> None:
    """The networks of a run with such images in data/init/earlier; changes: to what they are built with."""
    section = COMMITTED["train_gan"]
    arguments = {"image_shape": image_shape, "num_classes": len(classes), "z_dim": section["z_dim"]}
    arguments |= COMMITTED["networks"]["dcgan"] | changes
    players = architectures.build_players("dcgan", arguments, 1)
    for name, net in zip(("generator", "discriminator"), players, strict=True):
        path = tmp_path / "data" / "init" / "earlier" / f"{name}.safetensors"
        write_tensors(path, net.state_dict(), {"network": "dcgan", "arguments": arguments, "classes": classes})


@pytest.mark.parametrize(
    ("image_shape", "classes", "changes", "expected"),
    [
        ([1, 28, 28], ["Bag", "Coat"], {}, r"expected classes \['0', .*\], found \['Bag', 'Coat'\]"),
        ([1, 28, 28], DIGITS, {"classes": [3, 8]}, r"expected classes \['3', '8'\], found \['0', .*\]"),
        ([3, 28, 28], DIGITS, {"stack": 2}, r"expected classes \['00', '01', .*\], found \['0', .*\]"),
        ([1, 32, 32], DIGITS, {}, r"expected height and width \[28, 28\], found \[32, 32\]"),
        ([1, 28, 28], DIGITS, {"size": 32}, r"expected height and width \[32, 32\], found \[28, 28\]"),
    ],
)
@pytest.mark.parametrize(("section", "key"), [("generate", "generator"), ("inspect", "nets")])
def test_a_generator_of_other_images_is_refused_before_anything_is_drawn(
    section: str, key: str, image_shape: Any, classes: Any, changes: Any, expected: str, tmp_path: Path
) -> None:
    content = changed(f"{section}.{key}", "init/earlier")
    content["normalize"] |= changes
    save_earlier(tmp_path, image_shape, classes)
    with pytest.raises(UserError) as caught:
        run(tmp_path, content)
    nets = ["generator"] if section == "generate" else ["discriminator", "generator"]
    lines = str(caught.value).splitlines()
    assert [net for line, net in zip(lines, nets, strict=True) if f"/{net}.safetensors: " not in line] == []
    assert re.search(
        rf" {section}\.{key}: .*/generator\.safetensors: {expected}, unlike the images of this run; ", lines[-1]
    )


def test_nets_to_look_into_are_compared_with_the_digits_and_rebuilt(tmp_path: Path) -> None:
    content = changed("inspect.nets", "init/earlier")
    save_earlier(tmp_path, [1, 28, 28], DIGITS)
    assert run(tmp_path, content).exists()
    folder = tmp_path / "data" / "init" / "earlier"
    generator = (folder / "generator.safetensors").read_bytes()
    save_earlier(tmp_path, [1, 32, 32], ["Bag", "Coat"])
    (folder / "generator.safetensors").write_bytes(generator)
    with pytest.raises(UserError, match=r"inspect\.nets: .*/discriminator\.safetensors: expected classes"):
        run(tmp_path, content)
    meta = {"network": "dcgan", "arguments": {"image_shape": [1, 28, 28]}, "classes": DIGITS}
    write_tensors(folder / "discriminator.safetensors", {"w": torch.zeros(1)}, meta)
    with pytest.raises(UserError, match=r"holds no discriminator that this code can rebuild"):
        run(tmp_path, content)


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"z_dim": 3}, "z_dim 3"), ({"width": 8}, "width 8"), ({"num_classes": 0}, "num_classes 0")],
)
def test_nets_to_start_from_that_do_not_fit_are_refused(changes: Any, found: str, tmp_path: Path) -> None:
    content = changed("train_gan.init_from", "earlier")
    save_earlier(tmp_path, [1, 28, 28], DIGITS)
    assert run(tmp_path, content).exists()
    save_earlier(tmp_path, [1, 28, 28], DIGITS, **changes)
    with pytest.raises(UserError, match=rf"train_gan\.init_from: .*/generator\.safetensors: .*, found {found}; set"):
        run(tmp_path, content)


@pytest.mark.parametrize("changes", [{"auxiliary": "infogan", "conditional": False}, {"auxiliary": "acgan"}])
def test_a_discriminator_of_another_auxiliary_is_no_start(changes: Any, tmp_path: Path) -> None:
    content = changed("train_gan.init_from", "earlier")
    content["train_gan"] |= {"penalties": {}} | changes
    of_d = {"num_classes": 0}
    save_earlier(tmp_path, [1, 28, 28], DIGITS)
    path = tmp_path / "data" / "init" / "earlier" / "discriminator.safetensors"
    tensors, meta = read_tensors(path)
    write_tensors(path, tensors, meta | {"arguments": meta["arguments"] | of_d})
    with pytest.raises(UserError, match=r"expected a discriminator of a training with this train_gan\.auxiliary"):
        run(tmp_path, content)


@pytest.mark.parametrize(
    ("image_shape", "classes", "changes"),
    [
        ([1, 28, 28], DIGITS, {}),
        ([1, 32, 32], ["8", "3"], {"size": 32, "classes": [8, 3]}),
        ([2, 28, 28], [first + second for first in "01" for second in "01"], {"stack": 2, "classes": [0, 1]}),
    ],
)
def test_a_generator_of_these_images_may_draw(image_shape: Any, classes: Any, changes: Any, tmp_path: Path) -> None:
    content = changed("generate.generator", "init/earlier")
    content["normalize"] |= changes
    save_earlier(tmp_path, image_shape, classes)
    assert run(tmp_path, content).exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train_gan.total_kimg", 1e306),
        ("train_gan.snapshot_kimg", 1e-320),
        ("train_gan.snapshot_kimg", 0.0001),
        ("train_gan.batch_size", 10**9),
        ("train_gan.batch_size", 4 * 10**400),
        ("generate.num_images", 10**9),
        ("track.num_images", 10**9),
        ("track.num_images", 10**400),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_no_machine_can_do_is_refused_in_one_short_line(key: str, value: Any, tmp_path: Path) -> None:
    lines = [line for line in refusal(tmp_path, changed(key, value)).splitlines() if f" {key}: " in line]
    assert len(lines) == 1
    assert len(lines[0]) <= 200
    assert "expected" in lines[0]


def test_nets_that_no_machine_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed("train_gan.device", "cpu")
    monkeypatch.setattr(memory, "memory_limit", lambda: 4 * 2**30)
    assert run(tmp_path / "enough", content).exists()
    monkeypatch.setattr(memory, "memory_limit", lambda: 10**7)
    with pytest.raises(UserError, match=r"train_gan\.network: needs 0\.\d+ GiB of memory for the two nets"):
        run(tmp_path / "little", content)


@pytest.fixture
def broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine seems to have a GPU, for which torch has no kernels."""
    monkeypatch.setattr(devices, "is_claimed", lambda kind: kind == "cuda")
    monkeypatch.setattr(devices, "probe", lambda _: [Gpu("cuda:0", "K80", "no kernel image is available")])


@pytest.mark.usefixtures("broken_gpu")
def test_a_named_gpu_that_does_not_work_is_refused_before_anything_is_deleted(tmp_path: Path) -> None:
    assert refusal(tmp_path, changed("train_gan.device", "cuda")) == (
        "params.yaml: train_gan.device: cuda does not work: cuda:0 (no kernel image is available); "
        "this machine has cpu: set one of them, or auto"
    )


@pytest.mark.usefixtures("broken_gpu")
def test_auto_says_once_what_does_not_work_and_writes_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")  # without a word on what is installed
    auto = run(tmp_path / "auto", changed("train_gan.device", "auto"), lock).read_bytes()
    line = "train_gan.device: cuda:0 (no kernel image is available) does not work; cpu is used instead\n"
    assert capsys.readouterr().err == line
    assert run(tmp_path / "cpu", changed("train_gan.device", "cpu"), lock).read_bytes() == auto
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("broken_gpu")
def test_what_the_cpu_cannot_hold_is_refused_though_a_gpu_seems_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 10**7)
    assert "train_gan.network: needs" in refusal(tmp_path, changed("train_gan.device", "auto"))


def test_samples_need_disk_for_all_and_memory_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """792 bytes each; a million of them as floats, as levels, and as floats once more would be 6.6 GiB."""
    content = changed("generate.num_images", 20_000_000)
    monkeypatch.setattr(memory, "memory_limit", lambda: 8 * 2**30)
    monkeypatch.setattr(limits, "free_disk", lambda _: 100 * 2**30)
    assert run(tmp_path / "enough", content).exists()
    monkeypatch.setattr(limits, "free_disk", lambda _: 10**10)
    message = r"params\.yaml: generate\.num_images: needs 14\.8 GiB of disk, and 9\.31 GiB are"
    with pytest.raises(UserError, match=message):
        run(tmp_path / "little", content)
