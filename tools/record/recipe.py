"""A recipe: settings of a run as the -S arguments of `dvc exp run`, one a line, `#` before comments."""

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides

from stages.common.errors import UserError
from stages.common.params import read_params_file
from stages.common.shown import one_line

FREE = ("train_gan", "networks")
"""Sections of params.yaml that the recipe of a record may change: data and measure are the same for all records."""
OPTIONS = ("-S ", "--set-param ")


def read_recipe(path: Path) -> list[str]:
    """The settings KEY=VALUE of a recipe's lines. Raises UserError if the file is missing or a line is none."""
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise UserError(f"{path}: no recipe can be read ({error.strerror})") from None
    settings = []
    for line in filter(None, lines):
        setting = line
        for option in OPTIONS:
            setting = setting.removeprefix(option).strip()
        if "=" not in setting or setting.startswith("-"):
            raise UserError(f"{path}: expected `-S KEY=VALUE`, found {line!r}")
        settings.append(setting.strip("'\""))
    return settings


def apply(settings: list[str], params_file: Path) -> None:
    """Change params.yaml as `dvc exp run -S` does. Raises UserError for a setting that DVC refuses."""
    try:
        apply_overrides(params_file, settings)
    except (DvcException, ValueError) as error:
        raise UserError(f"DVC refuses the settings ({one_line(error)})") from None


def apply_for_record(settings: list[str], params_file: Path) -> None:
    """The same for a record. Also raises UserError for a setting outside of FREE, and for networks to start from."""
    before = read_params_file(params_file)
    apply(settings, params_file)
    after = read_params_file(params_file)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if fixed := [key for key in changed if key not in FREE]:
        raise UserError(f"a record changes {' and '.join(FREE)} alone, found other values for {' and '.join(fixed)}")
    if (start := after["train_gan"].get("init_from")) != "none":
        raise UserError(f"train_gan.init_from: a record starts from none, found {start}")
