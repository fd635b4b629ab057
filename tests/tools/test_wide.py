"""make wide: the table, its place in the page, and both stages for real."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import evaluate
from stages.classifier.model import load_classifier
from stages.common.images import load_image_set, save_image_set
from stages.common.params import validate_section
from stages.gan.sampler import read_sampler
from tools import wide
from tools.cost import Cost
from tools.profiles import Changes, params_with
from tools.wide import Row, measured, small_networks, table

ROW = Row("small", 2_000_000, 2, 1_584_000_000, Cost(100.0, 90.0, 700.4), Cost(200.0, 190.0, 1500.0))


def test_a_row_has_rates_by_the_clock_and_memory_of_each_stage() -> None:
    header, _, cells = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table([ROW]).strip().splitlines()
    )
    assert dict(zip(header[:4], cells, strict=False)) == {
        "networks": "small", "samples": "2,000,000", "files": "2", "GB": "1.58",
    }  # fmt: skip
    assert cells[4:] == ["100", "20,000", "700", "200", "10,000", "1500"]


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["wide", *arguments])
    wide.main()


def test_the_table_takes_the_place_of_the_one_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed, page = wide.PAGE.read_text(encoding="utf-8"), tmp_path / "wide.md"
    page.write_text(committed, encoding="utf-8")
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    monkeypatch.setattr(wide, "PAGE", page)
    monkeypatch.setattr(wide, "measure_all", lambda *_: table([ROW]) + "\nCores: 3.\n")
    called(monkeypatch, "2000000", "--enter", "--scratch", str(tmp_path))
    head, _, rest = committed.partition(wide.BEGIN)
    tail = rest.partition(wide.END)[2]
    assert page.read_text(encoding="utf-8") == f"{head}{wide.BEGIN}{table([ROW])}\nCores: 3.\n{wide.END}{tail}"


def test_what_would_fail_at_the_end_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured_in_vain(*_: object) -> str:
        raise AssertionError("it measured")

    page = tmp_path / "wide.md"
    page.write_text("no mark", encoding="utf-8")
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    monkeypatch.setattr(wide, "PAGE", page)
    monkeypatch.setattr(wide, "measure_all", measured_in_vain)
    with pytest.raises(SystemExit, match=r"^wide: .*wide\.md: expected the marks <!-- wide --> and "):
        called(monkeypatch, "100", "--enter")
    with pytest.raises(SystemExit, match=r"^wide: --scratch: expected a folder that is there, found .*nowhere$"):
        called(monkeypatch, "100", "--scratch", str(tmp_path / "nowhere"))


def test_no_key_of_the_users_own_evaluation_can_make_it_fail_after_the_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Changes = {"evaluate": {"protocol": "inception", "metrics": ["fid"], "neighbours": 2000}}
    changes: dict[str, Any] = {}

    def kept(stage: str, _project: Path, _folder: Path, changed: Changes) -> Cost:
        changes[stage] = changed
        return Cost(1.0, 1.0, 1.0)

    monkeypatch.setattr(wide, "measure", kept)
    measured(2000, tmp_path, tmp_path, "small")
    combined = params_with(own, changes["evaluate"])
    assert validate_section(combined, "evaluate", evaluate.Params).neighbours < wide.COMPARED / 2


@pytest.mark.parametrize("channels", [1, 3])
def test_small_networks_are_those_of_the_digits(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stacks, too, of which a classifier sees the images one by one; params.yaml need not have their options."""
    (tmp_path / "params.yaml").write_text("networks: {}\n", encoding="utf-8")
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    singles = ["3", "8"]
    classes = singles if channels == 1 else [a + b + c for a in singles for b in singles for c in singles]
    path = tmp_path / "run" / "normalize" / "test.safetensors"
    images = torch.zeros(2, channels, 28, 28)
    save_image_set(path, images, torch.tensor([0, 1]), classes, singles if channels > 1 else None)
    small_networks(tmp_path / "run", tmp_path / "data")
    digits = load_image_set(path)
    classifier = load_classifier(tmp_path / "data" / wide.CLASSIFIER, digits, path)
    assert classifier.chosen(classifier(images)).max() < len(classes)
    sampler, names = read_sampler(tmp_path / "data" / wide.GENERATOR, 1)
    assert names == classes
    assert sampler.images(sampler.latents("z", 2), torch.tensor([0, 1])).shape == images.shape


@pytest.mark.slow
def test_both_stages_run_and_nothing_is_left_out(normalized: Path, tmp_path: Path) -> None:
    small_networks(normalized, tmp_path / "data")
    row = measured(1200, tmp_path / "data", tmp_path, "small")
    assert (row.samples, row.files) == (1200, 1)
    assert row.size == pytest.approx(1200 * 792, abs=1000)
    for cost in (row.generate, row.evaluate):
        assert cost.wall_s > 0
        assert cost.peak_mib > 100
