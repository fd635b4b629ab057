"""Recipes: which lines they may have, and which settings a record may change."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.profiles import PARAMS_FILE
from tools.record.recipe import apply_for_record, read_recipe


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_bytes(PARAMS_FILE.read_bytes())
    return path


def test_lines_with_and_without_the_option(tmp_path: Path) -> None:
    path = tmp_path / "fast.txt"
    path.write_text("# source\n\n-S train_gan.lr_g=0.1  # why\n-S 'train_gan.betas=[0.0, 0.9]'\ntrain_gan.seed=3\n")
    assert read_recipe(path) == ["train_gan.lr_g=0.1", "train_gan.betas=[0.0, 0.9]", "train_gan.seed=3"]


@pytest.mark.parametrize("line", ["--force", "-S train_gan.lr_g", "evaluate"])
def test_other_lines_are_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(line)
    with pytest.raises(UserError, match=r"r\.txt: expected `-S KEY=VALUE`, found '"):
        read_recipe(tmp_path / "r.txt")


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: no recipe can be read \(No such file"):
        read_recipe(tmp_path / "none.txt")


def test_settings_are_applied_and_all_else_stays(params_file: Path) -> None:
    apply_for_record(["train_gan.total_kimg=9", "networks.dcgan.width=8"], params_file)
    before, after = read_params_file(PARAMS_FILE), read_params_file(params_file)
    assert (after["train_gan"].pop("total_kimg"), after["networks"]["dcgan"].pop("width")) == (9, 8)
    del before["train_gan"]["total_kimg"], before["networks"]["dcgan"]["width"]
    assert after == before


def test_data_and_measure_are_fixed(params_file: Path) -> None:
    with pytest.raises(UserError, match="changes train_gan and networks alone, found other values for track"):
        apply_for_record(["track.num_images=10"], params_file)


def test_a_head_start_is_refused(params_file: Path) -> None:
    with pytest.raises(UserError, match=r"train_gan\.init_from: a record starts from none, found mine"):
        apply_for_record(["train_gan.init_from=mine"], params_file)


def test_a_setting_that_dvc_refuses(params_file: Path) -> None:
    with pytest.raises(UserError, match=r"^DVC refuses the settings"):
        apply_for_record(["train_gan.no_such_key=1"], params_file)
