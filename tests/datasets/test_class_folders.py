"""A user's own images: what is read of class folders, how they are split, and how a folder may be wrong."""

import io
import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from stages import download, normalize
from stages.common.errors import UserError
from stages.common.images import load_image_set, to_levels
from stages.common.params import validate_section
from stages.datasets.formats import class_folders as own
from stages.datasets.formats.idx import NAMES, decode
from tools.profiles import params_with

COUNTS = {"circles": 21, "squares": 14}


def noise(side: int, channels: int, seed: int) -> Image.Image:
    shape = (side, side, 3) if channels == 3 else (side, side)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def fill(root: Path, side: int = 28, channels: int = 1, ending: str = "png") -> Path:
    """A folder of two classes, of images that all differ."""
    for place, (name, count) in enumerate(COUNTS.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            noise(side, channels, 1000 * place + index).save(root / name / f"{index:03}.{ending}")
    return root


def arrays(folder: Path) -> list[npt.NDArray[Any]]:
    files = own.idx_files(folder)
    return [decode(files[name]) for name in NAMES]


def rows(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Counter[tuple[bytes, int]]:
    return Counter((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


@pytest.mark.parametrize(
    ("side", "channels", "ending"), [(28, 1, "png"), (32, 3, "PNG"), (64, 3, "jpg"), (28, 1, "JPEG")]
)
def test_images_are_those_that_torchvision_reads(tmp_path: Path, side: int, channels: int, ending: str) -> None:
    folder = fill(tmp_path / "own", side, channels, ending)
    train, train_labels, test, test_labels = arrays(folder)
    expected = ImageFolder(str(folder))
    levels = np.stack([np.asarray(image) for image, _ in expected])
    assert own.class_folders(folder) == expected.classes
    assert own.num_images(folder) == (len(train), len(test))
    actual = rows(np.concatenate([train, test]), np.concatenate([train_labels, test_labels]))
    assert actual == rows(levels if channels == 3 else np.ascontiguousarray(levels[..., 0]), np.array(expected.targets))


def test_every_split_has_the_classes_in_the_proportions_of_the_whole(tmp_path: Path) -> None:
    _, train_labels, _, test_labels = arrays(fill(tmp_path / "own"))
    boundary = len(train_labels) - len(train_labels) // 6  # what normalize takes for validation
    for labels in (train_labels[:boundary], train_labels[boundary:], test_labels):
        assert Counter(labels.tolist())[0] / len(labels) == pytest.approx(21 / 35, abs=0.5 / len(labels))
    assert len(test_labels) == 5


def test_names_of_files_do_not_matter(tmp_path: Path) -> None:
    before = own.idx_files(fill(tmp_path / "own"))
    paths = sorted((tmp_path / "own" / "squares").iterdir())
    for path, other in zip(paths, reversed(paths), strict=True):
        path.rename(path.with_name(f"new_{other.name}"))
    assert own.idx_files(tmp_path / "own") == before


def test_copies_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path / "own")
    for index in range(3):
        (folder / "squares" / f"copy_{index}.png").write_bytes((folder / "squares" / "000.png").read_bytes())
    own.idx_files(folder)
    assert capsys.readouterr().err.startswith("copies among the images: 3; ")


def test_one_image_in_colours_makes_all_of_them_rgb(tmp_path: Path) -> None:
    folder = fill(tmp_path / "own")
    noise(28, 3, 77).save(folder / "squares" / "colours.png")
    train, *_ = arrays(folder)
    assert train.shape[1:] == (28, 28, 3)


def test_palettes_and_opaque_transparency_are_read_as_colours(tmp_path: Path) -> None:
    folder = fill(tmp_path / "own", channels=3)
    before = arrays(folder)
    for name, mode in (("000", "RGBA"), ("001", "P")):
        path = folder / "circles" / f"{name}.png"
        image = Image.new("RGB", (28, 28), (10, 20, 30)) if mode == "P" else Image.open(path)
        (image.quantize(4) if mode == "P" else image.convert(mode)).save(path)
    after = arrays(folder)
    colours = np.concatenate([after[0], after[2]])
    assert any((image == (10, 20, 30)).all() for image in colours)
    assert len(rows(np.concatenate([before[0], before[2]]), np.concatenate([before[1], before[3]]))) == len(colours)


def test_files_beside_the_classes_and_of_desktops_are_passed_over(tmp_path: Path) -> None:
    before = own.idx_files(fill(tmp_path / "own"))
    for name in ("LICENCE.txt", ".DS_Store", "circles/.DS_Store", "circles/Thumbs.db"):
        (tmp_path / "own" / name).write_text("no image")
    assert own.idx_files(tmp_path / "own") == before


def bomb() -> bytes:
    """A small file that says it has 20,000 x 20,000 pixels."""
    content = bytearray()
    stream = io.BytesIO()
    noise(28, 1, 1).save(stream, format="PNG")
    content += stream.getvalue()
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def change(name: str, edit: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        edit(folder / name)

    return apply


def save(image: Image.Image) -> Callable[[Path], object]:
    return image.save


def keep_six(folder: Path) -> None:
    for path in sorted(folder.iterdir())[6:]:
        path.unlink()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda folder: folder.rename(folder.with_name("x")), "own: expected a folder with .*, found nothing"),
    "a file": (
        lambda folder: (folder.rename(folder.with_name("x")), folder.write_text("?")),
        "own: expected a folder with .*, found the file 'own'",
    ),
    "one class": (
        lambda folder: (folder / "circles").rename(folder.parent / "circles"),
        "own: expected the folders of at least two classes, found 1; what the metrics compare",
    ),
    "too few": (
        change("squares", keep_six),
        "own/squares: expected 7 to 1,000,000 images of a class, found 6",
    ),
    "mixed sizes": (
        change("squares/000.png", save(noise(32, 1, 1))),
        r"squares/000\.png: expected 28 x 28 pixels, as 000\.png has, found 32 x 32; resize it",
    ),
    "not square": (
        change("circles/000.png", save(Image.new("L", (28, 32)))),
        r"circles/000\.png: expected a square of 28, 32 or 64, found 28 x 32; resize it",
    ),
    "another size": (
        change("circles/000.png", save(noise(30, 1, 1))),
        r"circles/000\.png: expected a square of 28, 32 or 64, found 30 x 30; resize it",
    ),
    "a broken image": (
        change("squares/003.png", lambda path: path.write_bytes(path.read_bytes()[:300])),
        r"squares/003\.png: is broken \(.*\); put a whole copy there, or remove it",
    ),
    "no image": (
        change("squares/003.png", lambda path: path.write_text("text")),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found something else",
    ),
    "empty": (
        change("squares/003.png", lambda path: path.write_bytes(b"")),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found something else",
    ),
    "a GIF by another name": (
        change("squares/003.png", lambda path: noise(28, 1, 1).save(path, format="GIF")),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found something else",
    ),
    "another kind of file": (
        change("squares/notes.txt", lambda path: path.write_text("text")),
        r"squares/notes\.txt: expected an image, \.png, \.jpg or \.jpeg, found the file 'notes\.txt'",
    ),
    "folders in a class": (
        change("squares/more", lambda path: path.mkdir()),
        r"squares/more: expected an image, \.png, \.jpg or \.jpeg, found a folder",
    ),
    "a link": (
        change("squares/link.png", lambda path: path.symlink_to("000.png")),
        r"squares/link\.png: expected files and folders, found a link; put a copy there",
    ),
    "a linked class": (
        change("triangles", lambda path: path.symlink_to("squares")),
        "triangles: expected files and folders, found a link; put a copy there",
    ),
    "transparent": (
        change("squares/003.png", save(Image.new("RGBA", (28, 28), (1, 2, 3, 200)))),
        r"squares/003\.png: expected opaque pixels, found transparent ones; put it on a background",
    ),
    "16 bits": (
        change("squares/003.png", save(Image.fromarray(np.zeros((28, 28), dtype=np.uint16)))),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found pixels of the kind I;16",
    ),
    "inks": (
        change("squares/003.jpg", save(Image.new("CMYK", (28, 28)))),
        r"squares/003\.jpg: expected a PNG or JPEG image, grey or RGB, found pixels of the kind CMYK",
    ),
    "a large file": (
        change("squares/003.png", lambda path: path.write_bytes(bytes(1 << 21))),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found more than 1048576 bytes",
    ),
    "a huge image": (
        change("squares/003.png", lambda path: path.write_bytes(bomb())),
        r"squares/003\.png: expected a PNG or JPEG image, grey or RGB, found Image size .* decompression bomb",
    ),
    "a class without a name to print": (
        change("a\nb", lambda path: path.mkdir()),
        "own: expected class names of 1 to 100 printable characters, found .*; rename that folder",
    ),
}


@pytest.mark.parametrize(("edit", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_folder_that_is_wrong(tmp_path: Path, edit: Callable[[Path], object], message: str) -> None:
    folder = fill(tmp_path / "own")
    edit(folder)
    with pytest.raises(UserError, match=message) as caught:
        own.idx_files(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    folder = fill(tmp_path / "own")
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no FIFOs")
    os.mkfifo(folder / "squares" / "fifo.png")
    with pytest.raises(
        UserError, match=r"fifo\.png: expected a PNG or JPEG image, grey or RGB, found expected a regular"
    ):
        own.idx_files(folder)


def test_memory_is_bounded_by_the_images_not_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "own", 64, 3)
    monkeypatch.setattr("stages.common.files.free_memory", lambda: 35 * 64 * 64 * 3)
    with pytest.raises(UserError, match=r"own: reading it needs .* of memory, and .* are free"):
        own.idx_files(folder)


def params(**changes: Any) -> download.Params:
    return validate_section(params_with({"download": changes}), "download", download.Params)


def test_the_stages_read_the_folder(data: Path) -> None:
    fill(data / "images" / "own", 64, 3)
    download.run(params(dataset="folder", folder="own"), data)
    content = params_with({"normalize": {"size": 64}})
    normalize.run(validate_section(content, "normalize", normalize.Params), data)
    sets = {
        name: load_image_set(data / "normalize" / f"{name}.safetensors") for name in ("train", "validation", "test")
    }
    assert {name: len(each) for name, each in sets.items()} == {"train": 25, "validation": 5, "test": 5}
    assert sets["test"].classes == ["circles", "squares"]
    expected = decode((data / "download" / "t10k-images-idx3-ubyte").read_bytes()).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(to_levels(sets["test"].images).numpy(), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset": "folder"},
            "expected the name of a folder in data/images as folder, for the dataset folder, found",
        ),
        ({"folder": "own"}, "expected folder none for the dataset mnist, found own"),
        ({"dataset": "folder", "folder": "../own"}, "folder: .*"),
    ],
)
def test_dataset_and_folder_belong_together(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=rf"^params\.yaml: download.*{message}"):
        params(**changes)
