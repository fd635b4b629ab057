"""Samples: one draw each, however many are drawn; their classes; the pictures."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from stages import generate
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, load_image_set, to_levels
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.gan import architectures
from stages.gan.sampler import Sampler, sampler_from

ROOT = Path(__file__).parents[1]
FILES = {"samples.safetensors", "samples.png", "interpolations.png", "classes.png"}
CLASSES = ["zero", "one", "two", "three"]
GENERATOR = Path("train_gan/generator.safetensors")


def params(**changes: Any) -> generate.Params:
    values = {"num_images": 21, "classes": "all", "seed": 1} | changes
    return validate_section({"generate": values}, "generate", generate.Params)


def save_generator(data: Path, num_classes: int = len(CLASSES), **changes: Any) -> None:
    """A generator that was never trained."""
    arguments = {"image_shape": [1, 28, 28], "num_classes": num_classes, "z_dim": 8, "width": 4}
    meta = {"network": "dcgan", "arguments": arguments, "classes": CLASSES} | changes
    generator = architectures.build_generator("dcgan", arguments)
    initialise(generator, 0, "G")
    write_tensors(data / GENERATOR, generator.state_dict(), meta)


@pytest.fixture
def upstream(data: Path) -> Path:
    save_generator(data)
    return data


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    data = tmp_path_factory.mktemp("sampler")
    save_generator(data)
    return sampler_from(*read_tensors(data / GENERATOR), seed=1, source=str(GENERATOR))


def written(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "generate").iterdir()}


def pixels(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        levels = bytearray(image.convert("L").tobytes())
        return torch.frombuffer(levels, dtype=torch.uint8).view(image.height, image.width)


def test_writes_these_files_and_the_same_bytes_again(upstream: Path) -> None:
    generate.run(params(), upstream)
    first = written(upstream)
    generate.run(params(), upstream)
    assert set(first) == FILES
    assert written(upstream) == first
    generate.run(params(seed=2), upstream)
    assert all(content != first[name] for name, content in written(upstream).items())


@pytest.fixture(scope="module")
def thousand(sampler: Sampler) -> torch.Tensor:
    return sampler.images(sampler.latents("z", 1000), torch.arange(1000) % len(CLASSES))


@pytest.mark.parametrize("count", [1, 2, 100, 255])
def test_an_image_has_the_same_bits_for_any_number(count: int, sampler: Sampler, thousand: torch.Tensor) -> None:
    """Before snapping to grey levels, which would hide small differences."""
    images = sampler.images(sampler.latents("z", count), torch.arange(count) % len(CLASSES))
    assert torch.equal(images, thousand[:count])


def test_images_differ_among_each_other(thousand: torch.Tensor) -> None:
    assert len({tuple(image.flatten().tolist()) for image in thousand}) == 1000


def test_files_of_more_samples_begin_with_those_of_fewer(upstream: Path, thousand: torch.Tensor) -> None:
    for count in (1, 2, 255):
        generate.run(params(num_images=count), upstream)
        tensors, meta = read_tensors(upstream / "generate" / "samples.safetensors")
        assert tensors["images"].dtype == torch.uint8
        assert torch.equal(tensors["images"], to_levels(thousand[:count]))
        assert meta["classes"] == CLASSES


@pytest.mark.parametrize(
    ("classes", "expected"),
    [("all", [0, 1, 2, 3, 0, 1, 2, 3, 0]), ([2], [2] * 9), ([3, 1], [3, 1, 3, 1, 3, 1, 3, 1, 3])],
)
def test_classes_are_drawn_round_robin(classes: Any, expected: list[int], upstream: Path) -> None:
    generate.run(params(num_images=9, classes=classes), upstream)
    samples = load_image_set(upstream / "generate" / "samples.safetensors")
    assert samples.labels.tolist() == expected
    assert samples.classes == CLASSES


def test_without_classes_no_label_is_given(data: Path) -> None:
    save_generator(data, num_classes=0)
    generate.run(params(), data)
    samples = load_image_set(data / "generate" / "samples.safetensors")
    assert samples.labels.tolist() == [NO_LABEL] * 21
    assert samples.classes == CLASSES
    assert set(written(data)) == FILES


def test_pictures_hold_a_column_a_class_and_rows_of_samples(upstream: Path) -> None:
    generate.run(params(num_images=100), upstream)
    cell = 3 * 28 + 2
    picture = pixels(upstream / "generate" / "samples.png")
    assert picture.shape == (10 * cell + 2, len(CLASSES) * cell + 2)
    samples, _ = read_tensors(upstream / "generate" / "samples.safetensors")
    for number in (0, 5, 39):
        top, left = 2 + number // len(CLASSES) * cell, 2 + number % len(CLASSES) * cell
        assert torch.equal(picture[top : top + 84 : 3, left : left + 84 : 3], samples["images"][number, 0])
    assert pixels(upstream / "generate" / "interpolations.png").shape == (10 * cell + 2, 10 * cell + 2)
    assert pixels(upstream / "generate" / "classes.png").shape == (10 * cell + 2, len(CLASSES) * cell + 2)


def test_interpolations_end_at_the_latents_of_their_rows(sampler: Sampler) -> None:
    images = generate.interpolations(sampler, torch.tensor([1, 3]))
    assert images.shape == (100, 1, 28, 28)
    ends = sampler.latents("interpolations", 20)
    rows = images.view(10, 10, 1, 28, 28)
    y = torch.tensor([1, 3] * 5)
    assert_close(rows[:, 0], sampler.images(ends[::2], y), rtol=0, atol=1e-4)
    assert_close(rows[:, -1], sampler.images(ends[1::2], y), rtol=0, atol=1e-4)
    assert not torch.equal(rows[:, 4], rows[:, 5])


def test_a_row_of_classes_has_one_latent(sampler: Sampler) -> None:
    images = generate.classes_of_one_z(sampler, len(CLASSES)).view(10, len(CLASSES), 1, 28, 28)
    z = sampler.latents("classes", 10)
    for label in range(len(CLASSES)):
        assert_close(images[:, label], sampler.images(z, torch.full((10,), label)))


def test_slerp_on_the_unit_circle_is_a_turn_at_constant_speed() -> None:
    turns = torch.linspace(0, 2.5, 11, dtype=torch.float64)
    found = generate.slerp(
        torch.tensor([1.0, 0.0]).double(),
        torch.stack([turns[-1].cos(), turns[-1].sin()]),
        torch.linspace(0, 1, 11, dtype=torch.float64)[:, None],
    )
    assert_close(found, torch.stack([turns.cos(), turns.sin()], 1))


def test_slerp_keeps_the_norm_of_latents_where_a_line_would_not() -> None:
    start, end = (torch.randn(5, 64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    end = end * (start.norm(dim=1, keepdim=True) / end.norm(dim=1, keepdim=True))
    middle = generate.slerp(start, end, torch.tensor([[0.5]]))
    assert_close(middle.norm(dim=1), start.norm(dim=1))
    assert (((start + end) / 2).norm(dim=1) < 0.8 * start.norm(dim=1)).all()


@pytest.mark.parametrize("end", [3.0, 0.5, -2.0])
def test_slerp_of_parallel_vectors_is_a_straight_line(end: float) -> None:
    """As all latents of one entry are; the circle through them would have no one direction."""
    t = torch.linspace(0, 1, 5)[:, None]
    assert_close(generate.slerp(torch.tensor([1.0]), torch.tensor([end]), t), 1 + (end - 1) * t)


def test_finite_weights_that_give_no_numbers_are_refused(upstream: Path) -> None:
    """Infinity minus infinity: each weight is a number, their products are not."""
    path = upstream / GENERATOR
    tensors, meta = read_tensors(path)
    huge = {name: tensors[name].abs() * 1e38 for name in ("project.weight", "body.2.weight", "body.0.weight")}
    write_tensors(path, tensors | huge, meta)
    with pytest.raises(UserError, match=r"generator\.safetensors: expected a generator of images, found pixels that"):
        generate.run(params(), upstream)
    assert not (upstream / "generate").exists()


@pytest.mark.parametrize("picture", ["interpolations", "classes"])
def test_pictures_that_are_no_numbers_are_refused_as_samples_are(
    picture: str, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = Sampler.latents

    def broken(self: Sampler, purpose: str, n: int) -> torch.Tensor:
        return latents(self, purpose, n) * (torch.nan if purpose == picture else 1)

    monkeypatch.setattr(Sampler, "latents", broken)
    with pytest.raises(UserError, match="found pixels that are not numbers"):
        generate.run(params(), upstream)
    assert not (upstream / "generate").exists()


@pytest.mark.parametrize("classes", [[4], [0, 17]])
def test_a_class_that_is_not_there_is_refused_with_those_that_are(classes: list[int], upstream: Path) -> None:
    message = rf"generate.classes: expected labels 0 to 3 \(zero, one, two, three\), found {classes[-1]}"
    with pytest.raises(UserError, match=message):
        generate.run(params(classes=classes), upstream)
    assert not (upstream / "generate").exists()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def scramble(path: Path) -> None:
    path.write_bytes(b"no generator at all")


def lose_a_tensor(path: Path) -> None:
    tensors, meta = read_tensors(path)
    # Not just the first: their order varies, and PyTorch does without BatchNorm's counter.
    write_tensors(path, {name: tensor for name, tensor in tensors.items() if not name.endswith("weight")}, meta)


def spoil_a_weight(path: Path) -> None:
    tensors, meta = read_tensors(path)
    tensors["project.weight"][0, 0] = torch.nan
    write_tensors(path, tensors, meta)


def other_meta(**changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        tensors, meta = read_tensors(path)
        write_tensors(path, tensors, {key: value for key, value in (meta | changes).items() if value is not None})

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "is missing; .*dvc repro train_gan"),
        (truncate, "is not a file of this pipeline.*dvc checkout"),
        (scramble, "is not a file of this pipeline.*dvc checkout"),
        (lose_a_tensor, r"no generator that this code can rebuild \(.* missing in place of .*\).*dvc repro train_gan"),
        (
            spoil_a_weight,
            r"this code can rebuild \(weights that are not finite in project.weight\).*dvc repro train_gan",
        ),
        (other_meta(network=None), "no generator that this code can rebuild .*network"),
        (other_meta(network="perceptron"), f"expected an architecture of {', '.join(architectures.names())}"),
        (
            other_meta(arguments={"width": 3}),
            "this code can rebuild .*arguments.image_shape: Field required",
        ),
        (other_meta(classes=None), "no generator that this code can rebuild .*classes"),
        (other_meta(classes="zero"), "no generator that this code can rebuild .*names of classes, found 'zero'"),
        (other_meta(classes=[]), r"no generator that this code can rebuild .*names of 1 to 1000 classes, found 0"),
        (other_meta(classes=CLASSES[:2]), "no generator that this code can rebuild .*names of 4 classes, found 2"),
    ],
)
def test_a_file_that_holds_no_generator_is_refused_by_name(
    damage: Callable[[Path], None], message: str, upstream: Path
) -> None:
    damage(upstream / GENERATOR)
    with pytest.raises(UserError, match=message) as caught:
        generate.run(params(), upstream)
    assert str(upstream / GENERATOR) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (upstream / "generate").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_ends_in_one_line_and_leaves_nothing_half_written(upstream: Path) -> None:
    (upstream.parent / "params.yaml").write_text(f"generate: {json.dumps(params().model_dump())}\n")
    folder = upstream / "generate"
    folder.mkdir()
    (folder / "samples.safetensors.partial").symlink_to("/dev/full")
    done = subprocess.run(
        [sys.executable, "-m", "stages.generate"],
        cwd=upstream.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("generate: the disk is full")
    assert "dvc checkout" in done.stderr
    assert not list(folder.iterdir())
