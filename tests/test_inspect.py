"""Stage inspect: truncated samples against validation digits, and what D says, in the files that it writes."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from torch import Tensor

from stages import inspect
from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import ImageSet
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.gan import architectures
from stages.gan.losses import LOSSES
from stages.generation import judgements, subject
from stages.generation.judgements import packed

CLASSES = [str(digit) for digit in range(10)]
ARGUMENTS = {"image_shape": [1, 28, 28], "num_classes": 10, "z_dim": 8, "width": 4}
FILES = {"cut.csv", "pull.csv", "truncation.png", "discriminator.png"}


def params(**changes: Any) -> inspect.Params:
    values = {
        "nets": "train_gan",
        "num_images": 60,
        "neighbours": 3,
        "cuts": [0.5, 2.0],
        "pulls": [0.0, 0.5],
        "seed": 1,
    }
    return validate_section({"inspect": values | changes}, "inspect", inspect.Params)


@pytest.fixture
def upstream(normalized: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nets and a classifier that were never trained; few samples decide what is typical of a class."""
    monkeypatch.setattr(subject, "CANDIDATES", 50)
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    classifier = Classifier([1, 28, 28], 10, 4, 64)
    initialise(classifier, 1, "classifier")
    path = data / "train_classifier" / "classifier.safetensors"
    write_tensors(path, classifier.state_dict(), {"arguments": classifier.arguments, "classes": CLASSES})
    for name, net in zip(
        ("generator", "discriminator"), architectures.build_players("dcgan", ARGUMENTS, 1), strict=True
    ):
        meta = {"network": "dcgan", "arguments": ARGUMENTS, "classes": CLASSES}
        write_tensors(data / "train_gan" / f"{name}.safetensors", net.state_dict(), meta)
    return data


def save_net(data: Path, name: str, size: int) -> None:
    """A generator or a discriminator of that many pixels a side in place of the one that is there."""
    arguments = ARGUMENTS | {"image_shape": [1, size, size]}
    nets = dict(zip(("generator", "discriminator"), architectures.build_players("dcgan", arguments, 1), strict=True))
    meta = {"network": "dcgan", "arguments": arguments, "classes": CLASSES}
    write_tensors(data / "train_gan" / f"{name}.safetensors", nets[name].state_dict(), meta)


def written(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "inspect").iterdir()}


def test_writes_these_files_and_the_same_bytes_again(upstream: Path) -> None:
    inspect.run(params(), upstream, LOSSES["non_saturating"])
    first = written(upstream)
    assert set(first) == FILES
    for way, amounts in (("cut", [0.5, 2.0]), ("pull", [0.0, 0.5])):
        table = pd.read_csv(upstream / "inspect" / f"{way}.csv")
        assert list(table.columns) == [way, "precision", "recall", "coverage", "fd_classifier"]
        assert table[way].tolist() == amounts
    with Image.open(upstream / "inspect" / "truncation.png") as picture:
        assert picture.height == 4 * 86 + 2
    inspect.run(params(), upstream, LOSSES["non_saturating"])
    assert written(upstream) == first
    inspect.run(params(), upstream, LOSSES["hinge"])
    assert {name for name, content in written(upstream).items() if content != first[name]} == {"discriminator.png"}


def test_nets_of_another_run_whose_loss_is_not_known_get_no_probabilities(upstream: Path) -> None:
    inspect.run(params(cuts=[1.0], pulls=[0.0]), upstream, LOSSES["non_saturating"])
    own = written(upstream)
    shutil.copytree(upstream / "train_gan", upstream / "init" / "earlier")
    shutil.rmtree(upstream / "train_gan")
    others = []
    for loss in ("non_saturating", "hinge"):  # of this run: it says nothing of those nets
        inspect.run(params(cuts=[1.0], pulls=[0.0], nets="init/earlier"), upstream, LOSSES[loss])
        others.append(written(upstream))
    assert others[0] == others[1]
    assert {name for name, content in others[0].items() if content != own[name]} == {"discriminator.png"}


@pytest.mark.parametrize("num_classes", [0, 10])
def test_d_is_shown_packs_as_the_training_made_them(
    num_classes: int, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of ACGAN is given no class, but its packs are of one where G is given it."""
    arguments = ARGUMENTS | {"num_classes": num_classes}
    of_d = architectures.d_arguments(arguments, packing=2, num_classes=0)
    nets = architectures.build_players("dcgan", arguments, 1, of_d)
    for name, net, of_net in zip(("generator", "discriminator"), nets, (arguments, of_d), strict=True):
        meta = {"network": "dcgan", "arguments": of_net, "classes": CLASSES}
        write_tensors(upstream / "train_gan" / f"{name}.safetensors", net.state_dict(), meta)
    shown = []

    def watched(images: ImageSet, packing: int, of_one_class: bool) -> tuple[Tensor, Tensor]:
        shown.append((packing, of_one_class))
        return packed(images, packing, of_one_class)

    monkeypatch.setattr(judgements, "packed", watched)
    inspect.run(params(cuts=[1.0], pulls=[0.0]), upstream, LOSSES["hinge"])
    assert shown == [(2, num_classes > 0)] * 3


def test_nets_of_other_classes_are_refused(upstream: Path) -> None:
    path = upstream / "train_gan" / "generator.safetensors"
    tensors, meta = read_tensors(path)
    write_tensors(path, tensors, meta | {"classes": [f"class {name}" for name in CLASSES]})
    with pytest.raises(UserError, match=r"generator\.safetensors: expected classes .*'0'.*, found .*'class 0'"):
        inspect.run(params(), upstream, LOSSES["hinge"])
    assert not (upstream / "inspect").exists()


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_nets_of_other_shapes_are_refused(name: str, upstream: Path) -> None:
    """Either of the two, while the other is of the digits."""
    save_net(upstream, name, 32)
    message = rf"{name}\.safetensors: expected image shape \[1, 28, 28\], found \[1, 32, 32\], unlike the images; "
    with pytest.raises(UserError, match=message + r"dvc repro train_gan$"):
        inspect.run(params(), upstream, LOSSES["hinge"])
    shutil.copytree(upstream / "train_gan", upstream / "init" / "earlier")
    with pytest.raises(UserError, match=message + "copy it again from data/train_gan of the run that made it"):
        inspect.run(params(nets="init/earlier"), upstream, LOSSES["hinge"])
    assert not (upstream / "inspect").exists()


def test_nets_of_an_earlier_run_with_other_classes_are_refused_with_a_remedy_that_exists(upstream: Path) -> None:
    shutil.copytree(upstream / "train_gan", upstream / "init" / "earlier")
    for name in ("discriminator", "generator"):  # G's classes are looked at first
        path = upstream / "init" / "earlier" / f"{name}.safetensors"
        tensors, meta = read_tensors(path)
        write_tensors(path, tensors, meta | {"classes": [f"class {digit}" for digit in CLASSES]})
        with pytest.raises(UserError, match=rf"{name}\.safetensors: expected classes .*copy it again from") as caught:
            inspect.run(params(nets="init/earlier"), upstream, LOSSES["hinge"])
        assert "dvc repro" not in str(caught.value)


def test_too_many_neighbours_are_refused(upstream: Path) -> None:
    message = r"inspect\.neighbours: expected less than the 60 validation images compared, found 60"
    with pytest.raises(UserError, match=message):
        inspect.run(params(neighbours=60), upstream, LOSSES["hinge"])


@pytest.mark.parametrize(
    "text", ["train_gan: {loss: absolute}\n", "train_gan: {}\n", "other: 1\n", "train_gan: [loss]\n"]
)
def test_a_loss_that_is_not_there_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"^params\.yaml: train_gan\.loss: expected one of hinge, .*, found "):
        inspect.read_loss()
    Path("params.yaml").write_text("train_gan: {loss: hinge}\n", encoding="utf-8")
    assert inspect.read_loss() is LOSSES["hinge"]
