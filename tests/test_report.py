"""The stage report on a finished run: what the page holds, the same bytes, other generators, refusals."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages import report
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_json, write_tensors
from stages.common.images import load_image_set, save_image_set, to_levels
from stages.evaluation.scores import NO_LABELS
from tests.reporting.finished import ROOT, every_param, random_generator, write_generator

PARAMS = report.Params(seed=1)


@pytest.fixture
def changed(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "data"))


def page_of(data: Path, params: dict[str, Any] | None = None) -> str:
    report.run(PARAMS, params or every_param(), data)
    return (data / "report" / "index.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    """What the page's scripts read."""
    text = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    return dict(json.loads(text))


def test_the_page_holds_everything_and_refers_to_nothing(page_file: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:(?:src|href|action)="|url\()([^")]*)""", page)
    assert addresses
    assert [each[:40] for each in addresses if not re.match(r"(data:|#)", each)] == []
    assert re.findall(r"(?:https?:|file:|ws:)//(?!www\.w3\.org/2000/svg)[^\s\"']*", page) == []
    assert "@import" not in page
    assert len(page) < 6_000_000


def test_the_page_says_what_the_stages_found(page_file: Path, finished: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    details = json.loads((finished / "evaluate" / "details.json").read_text(encoding="utf-8"))
    for piece in details["in_plain_words"].split("; "):
        assert piece in page
    assert "Of cas, the floor learned from training images; of two_sample, from far fewer images" in page
    for name in ("fd_classifier", "coverage"):
        assert f"{details['metrics'][name]['value']:.3g}"[:4] in page
    for section, values in every_param().items():
        if section != "networks":
            for key in values:
                assert f"<dt>{key}" in page, f"{section}.{key}"


def test_the_page_names_its_files_by_their_sha256(page_file: Path, finished: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    listed = dict(re.findall(r"<code>data/([\w./]+)</code></th><td><code>([0-9a-f]{64})</code>", page))
    listed.pop("train_classifier/classifier.safetensors")
    assert len(listed) > 15
    for name, digest in listed.items():
        assert digest == hashlib.sha256((finished / name).read_bytes()).hexdigest()


@pytest.mark.slow
def test_another_process_in_another_folder_writes_the_same_bytes(page_file: Path, changed: Path) -> None:
    shutil.copy(ROOT / "params.yaml", changed.parent)
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LANG": "tr_TR.UTF-8"}
    command = [sys.executable, "-m", "stages.report"]
    done = subprocess.run(command, cwd=changed.parent, env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"data/report/index\.html: \d\.\d MB, alive\n", done.stdout)
    assert (changed / "report" / "index.html").read_bytes() == page_file.read_bytes()


def test_another_run_makes_another_page(page_file: Path, changed: Path) -> None:
    generator, meta = random_generator(z_dim=32)
    write_tensors(changed / "train_gan" / "generator.safetensors", generator.state_dict(), meta)
    assert data_of(page_of(changed))["generator"]["z_dim"] == 32
    assert data_of(page_file.read_text(encoding="utf-8"))["generator"]["z_dim"] == 64


def test_another_network_is_shown_in_pictures_and_the_page_says_why(changed: Path) -> None:
    generator, meta = random_generator("dcgan_2015", width=4, d_normalisation="batch")
    write_tensors(changed / "train_gan" / "generator.safetensors", generator.state_dict(), meta)
    page = page_of(changed)
    assert "pictures alone, because it computes the network dcgan, and this one is dcgan_2015" in page
    assert data_of(page)["generator"] is None
    assert 'id="digit-seed"' not in page
    assert 'id="quiz-real"' in page


def test_a_generator_without_classes_draws_and_does_not_write(changed: Path) -> None:
    write_generator(changed, num_classes=0, width=4)
    path = changed / "generate" / "samples.safetensors"
    samples = load_image_set(path)
    save_image_set(path, to_levels(samples.images), samples.labels * 0 - 1, samples.classes)
    write_json(changed / "usefulness" / "details.json", {"undefined": NO_LABELS})
    (changed / "evaluate" / "confusion.csv").write_text("asked,recognised\n", encoding="utf-8")
    table = pd.read_csv(changed / "track" / "track.csv").assign(gan_test_accuracy=None)
    table.to_csv(changed / "track" / "track.csv", index=False)
    page = page_of(changed)
    assert data_of(page)["labels"] == []
    assert 'id="digit-seed"' in page
    assert 'id="writing-text"' not in page
    assert 'class="confusion"' not in page
    assert "nan" not in re.sub(r"[\w+/]{200,}", "", page).lower()


def test_names_of_classes_cannot_become_elements(changed: Path) -> None:
    """They come from the folders of a stranger's images."""
    names = ["</script><script>alert(1)</script>", "<b>bold</b>", *"23456789"]
    for name in ("normalize/test", "generate/samples"):
        images = load_image_set(changed / f"{name}.safetensors")
        save_image_set(changed / f"{name}.safetensors", to_levels(images.images), images.labels, names)
    path = changed / "train_gan" / "generator.safetensors"
    tensors, meta = read_tensors(path)
    write_tensors(path, tensors, meta | {"classes": names})
    page = page_of(changed)
    assert "alert(1)</script>" not in page
    assert "<b>bold" not in page
    assert data_of(page)["labels"] == names


@pytest.mark.parametrize(
    "name", ["evaluate/details.json", "train_gan/generator.safetensors", "track/training.gif", "generate/samples.png"]
)
def test_a_missing_file_is_named(name: str, changed: Path) -> None:
    (changed / name).unlink()
    with pytest.raises(
        UserError, match=rf"{re.escape(name)} is missing; `dvc checkout .*`dvc repro {Path(name).parent}`"
    ):
        page_of(changed)


TRACK = "track/track.csv"


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (TRACK, ",", ";", r"expected the column kimg, found kimg;fd_classifier"),
        (TRACK, "\n64,", "\n<<<<<<< HEAD\n64,", r"Unable to parse string"),
        (TRACK, "\n64,", "\n,", r"kimg: expected a number in every row"),
        ("train_gan/history.csv", "penalty", "fine", r"expected the column penalty, found kimg, d_loss"),
        ("train_gan/history.csv", "\n2.56,", "\n=======\n2.56,", r"Unable to parse string"),
        ("evaluate/confusion.csv", "asked", "wanted", r"expected the column asked, found wanted, recognised"),
        ("evaluate/confusion.csv", "0,0\n", "=======\n0,0\n", r"recognised: expected a name in every row"),
    ],
)
def test_an_edited_table_is_refused_in_one_line(name: str, old: str, new: str, reason: str, changed: Path) -> None:
    path = changed / name
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, -1 if old == "," else 1), encoding="utf-8")
    with pytest.raises(UserError, match=rf"{name} is no table \({reason}.*\); `dvc checkout ") as caught:
        page_of(changed)
    assert "\n" not in str(caught.value)


def test_a_table_without_a_moment_of_the_animation_is_refused(changed: Path) -> None:
    rows = (changed / TRACK).read_text(encoding="utf-8").splitlines(keepends=True)
    (changed / TRACK).write_text("".join(rows[:-1]), encoding="utf-8")
    with pytest.raises(UserError, match=rf"{TRACK}: expected rows for {len(rows) - 1} frames, found {len(rows) - 2}; "):
        page_of(changed)


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("generate", None, r"generate\.generator: expected a name, found nothing"),
        (
            "generate",
            {"generator": "train_gan", "seed": "one"},
            r"generate\.seed: expected a whole number, found 'one'",
        ),
        ("train_gan", 3, r"train_gan\.network: expected a name, found nothing"),
    ],
)
def test_a_section_that_is_missing_or_edited_is_named(
    section: str, content: object, message: str, changed: Path
) -> None:
    params = every_param()
    if content is None:
        del params[section]
    else:
        params[section] = content
    with pytest.raises(UserError, match=rf"^params\.yaml: {message}; `git diff params\.yaml` shows"):
        page_of(changed, params)


def test_versions_in_another_form_are_refused_in_one_line(changed: Path) -> None:
    write_json(changed / "check" / "ok.json", ["ok"])
    with pytest.raises(UserError, match=r"check/ok\.json: expected the locked versions, found \['ok'\]; `dvc checkout"):
        page_of(changed)


def test_the_generator_of_another_run_is_named(changed: Path, page_file: Path) -> None:
    """How long it was trained, the params of this run do not say."""
    assert "thousand images shown</p>" in page_file.read_text(encoding="utf-8")
    (changed / "init" / "mine").mkdir(parents=True)
    shutil.copy(changed / "train_gan" / "generator.safetensors", changed / "init" / "mine")
    params = every_param()
    params["generate"]["generator"] = "init/mine"
    page = page_of(changed, params)
    assert "that of <code>data/init/mine</code>, not the one that this run trained" in page
    assert "thousand images shown</p>" not in page


def with_details(changed: Path, more: dict[str, Any]) -> str:
    """The page of the run with more in the details of its evaluation."""
    path = changed / "evaluate" / "details.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | more)
    return re.sub(r"<[^>]*>", "", page_of(changed))


def test_the_protocols_of_papers_are_shown_with_what_they_compare(changed: Path) -> None:
    measured = {
        "source": "Someone 2018",
        "num_images": 10_000,
        "reference": [{"split": "train", "num_images": 50_000}, {"split": "validation", "num_images": 10_000}],
        "floor_of": [{"split": "test", "num_images": 10_000}],
        "fid": 2.345,
        "floor": 1.125,
    }
    page = with_details(changed, {"papers": {"someone": measured, "other": {"undefined": "needs more samples"}}})
    assert "As papers measure it" in page
    assert re.search(r"2\.3[45]\s+1\.1[23]\s+10,000 samples with 50,000 of train and 10,000 of validation", page)
    assert "needs more samples" in page


def test_modes_of_stacks_are_counted_and_some_of_the_lost_ones_named(changed: Path) -> None:
    modes = {
        "num_modes": 1000,
        "num_images": 26_000,
        "uniform_reverse_kl": 0.01921,
        "lost": [f"{number:03}" for number in range(12)],
        "channels": [{"class": "0, channel 1", "recognised": 7}],
    }
    page = with_details(changed, {"modes": modes})
    assert "26,000 samples reach 988 of 1,000 modes" in page
    assert "0.0192 in the mean" in page
    assert "008, 009 and 2 others." in page
    assert "010" not in page.partition("Not reached")[2].partition(".")[0]


def test_without_them_the_page_has_no_such_sections(page_file: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    assert "As papers measure it" not in page
    assert "Modes of the stacks" not in page
