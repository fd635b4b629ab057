"""Samples: one draw each, however many are drawn; their classes; the pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages import generate
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, load_image_set, to_levels
from stages.common.initialise import initialise
from stages.common.params import load_params, validate_section
from stages.common.runtime import report_errors
from stages.gan import architectures
from stages.gan.sampler import Sampler, sampler_from
from stages.generation import subject
from stages.generation.latents import truncated
from stages.generation.pictures import arithmetic
from stages.generation.registry import PICTURES

ROOT = Path(__file__).parents[1]
FILES = {"samples.safetensors", "shards/index.json", *PICTURES}
CLASSES = ["zero", "one", "two", "three"]
GENERATOR = Path("train_gan/generator.safetensors")


def params(**changes: Any) -> generate.Params:
    values = {"generator": "train_gan", "num_images": 21, "classes": "all", "cut": "none", "pull": 0.0, "seed": 1}
    values |= {"pictured": [0, 1, 2, 3]} | changes
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
    folder = data / "generate"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
    same = {name for name, content in written(upstream).items() if content == first[name]}
    assert same == {"shards/index.json"}


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


def test_what_the_training_says_of_the_generator_is_passed_on(data: Path) -> None:
    save_generator(data, remarks=["collapse at 64 kimg:\nall alike"])
    generate.run(params(), data)
    assert load_image_set(data / "generate" / "samples.safetensors").remarks == ("collapse at 64 kimg: all alike",)


def test_without_classes_no_label_is_given(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_generator(data, num_classes=0)
    generate.run(params(), data)
    samples = load_image_set(data / "generate" / "samples.safetensors")
    assert samples.labels.tolist() == [NO_LABEL] * 21
    assert samples.classes == CLASSES
    assert set(written(data)) == FILES
    assert capsys.readouterr().out == "21 samples\n"


def test_codes_are_pulled_as_classes_are_but_get_no_label_and_no_class(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator of InfoGAN: the same images as one of classes, in the file and beside it."""
    for module in (subject, arithmetic):
        monkeypatch.setattr(module, "CANDIDATES", 40)
    found = {}
    for codes in (False, True):
        save_generator(data, **({architectures.CODES: True} if codes else {}))
        generate.run(params(pull=0.5), data)
        found[codes] = load_image_set(data / "generate" / "samples.safetensors"), written(data)
    assert torch.equal(found[True][0].images, found[False][0].images)
    assert found[True][0].labels.tolist() == [NO_LABEL] * 21
    assert capsys.readouterr().out == "21 samples of 4 classes\n21 samples of 4 codes\n"
    same = {name for name, content in found[True][1].items() if content == found[False][1][name]}
    assert same == {"shards/index.json", "interpolations.png"}  # which has no names
    with pytest.raises(UserError, match=r"expected labels 0 to 3 \(code 0, code 1, code 2, code 3\), found 4"):
        generate.run(params(classes=[4]), data)


def test_the_picture_of_samples_shows_those_of_the_file(upstream: Path) -> None:
    generate.run(params(num_images=40), upstream)
    cell = 3 * 28 + 2
    picture = pixels(upstream / "generate" / "samples.png")
    samples, _ = read_tensors(upstream / "generate" / "samples.safetensors")
    for number in (0, 5, 39):
        top = picture.shape[0] - (10 - number // len(CLASSES)) * cell
        left = picture.shape[1] - (len(CLASSES) - number % len(CLASSES)) * cell
        assert torch.equal(picture[top : top + 84 : 3, left : left + 84 : 3], samples["images"][number, 0])


def test_numbers_choose_the_samples_that_pictures_show(upstream: Path) -> None:
    generate.run(params(), upstream)
    first = written(upstream)
    generate.run(params(pictured=[17, 1, 2, 3]), upstream)
    changed = {name for name, content in written(upstream).items() if content != first[name]}
    assert changed == {"classes.png", "interpolations.png", "arithmetic.png"}


def test_truncated_samples_are_those_of_truncated_latents(upstream: Path, sampler: Sampler) -> None:
    generate.run(params(), upstream)
    whole, _ = read_tensors(upstream / "generate" / "samples.safetensors")
    generate.run(params(cut=0.5), upstream)
    samples, _ = read_tensors(upstream / "generate" / "samples.safetensors")
    z = truncated(sampler.latents("z", 21), 0.5)
    assert torch.equal(samples["images"], to_levels(sampler.images(z, torch.arange(21) % len(CLASSES))))
    assert not torch.equal(samples["images"], whole["images"])


def test_finite_weights_that_give_no_numbers_are_refused(upstream: Path) -> None:
    """Infinity minus infinity: each weight is a number, their products are not."""
    path = upstream / GENERATOR
    tensors, meta = read_tensors(path)
    huge = {name: tensors[name].abs() * 1e38 for name in ("project.weight", "body.2.weight", "body.0.weight")}
    write_tensors(path, tensors | huge, meta)
    with pytest.raises(UserError, match=r"generator\.safetensors: expected a generator of images, found pixels that"):
        generate.run(params(), upstream)
    assert not (upstream / "generate").exists()


def test_pictures_that_are_no_numbers_are_refused_as_samples_are(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = Sampler.numbered

    def broken(self: Sampler, numbers: Any, purpose: str = "z") -> torch.Tensor:
        return numbered(self, numbers, purpose) * (torch.nan if 99 in numbers else 1)

    monkeypatch.setattr(Sampler, "numbered", broken)
    with pytest.raises(UserError, match="found pixels that are not numbers"):
        generate.run(params(pictured=[0, 99]), upstream)
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
        (other_meta(remarks="none"), "no generator that this code can rebuild .*expected remarks to be a list"),
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
def test_a_full_disk_ends_in_one_line_and_leaves_nothing_half_written(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (upstream.parent / "params.yaml").write_text(f"generate: {json.dumps(params().model_dump())}\n")
    folder = upstream / "generate"
    folder.mkdir()
    (folder / "samples.safetensors.partial").symlink_to("/dev/full")
    monkeypatch.chdir(upstream.parent)
    with pytest.raises(SystemExit, match=r"^generate: the disk is full.*dvc checkout.*$"), report_errors("generate"):
        generate.run(load_params("generate", generate.Params), Path("data"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("cut", ["None", None, True, 0.001, 11, float("nan"), [1.0]])
def test_a_cut_is_none_or_a_number_in_one_line(cut: Any) -> None:
    with pytest.raises(UserError, match=r"generate\.cut: expected none, or a number from 0.01 to 10, found "):
        params(cut=cut)
    assert (params(cut=1).cut, params(cut=0.5).cut, params(cut="none").cut) == (1, 0.5, "none")


# --- a generator of another run ---


def save_earlier(data: Path, **changes: Any) -> Path:
    """A generator in data/init/earlier, and none of this run. Returns its path."""
    save_generator(data, **changes)
    folder = data / "init" / "earlier"
    folder.parent.mkdir()
    (data / "train_gan").rename(folder)
    return folder / GENERATOR.name


def test_a_generator_of_another_run_gives_the_samples_that_it_gave_there(upstream: Path, tmp_path: Path) -> None:
    generate.run(params(), upstream)
    elsewhere = tmp_path / "elsewhere" / "data"
    save_earlier(elsewhere)
    generate.run(params(generator="init/earlier"), elsewhere)
    assert written(elsewhere) == written(upstream)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, r"is missing; `dvc pull .*earlier\.dvc`"),
        (scramble, r"expected a generator of this pipeline, .*copy it again from"),
        (truncate, r"expected a generator of this pipeline, .*copy it again from"),
        (other_meta(classes=None), r"no generator that this code can rebuild .*copy it again from"),
        (other_meta(network="perceptron"), r"expected an architecture of .*copy it again from"),
    ],
)
def test_a_bad_generator_of_another_run_is_refused_with_what_to_do(
    damage: Callable[[Path], None], message: str, data: Path
) -> None:
    damage(path := save_earlier(data))
    with pytest.raises(UserError, match=message) as caught:
        generate.run(params(generator="init/earlier"), data)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (data / "generate").exists()


@pytest.mark.parametrize("generator", ["init/../../secret", "init/", "/etc", "track", "init/a/b", ""])
def test_a_generator_is_of_this_run_or_in_a_folder_of_init(generator: str) -> None:
    with pytest.raises(UserError, match=r"generate\.generator: expected train_gan, or init/ and the name"):
        params(generator=generator)
