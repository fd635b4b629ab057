"""`make try` runs what docs/settings.md shows."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.tiny import PAGE, tiny_command

ROOT = Path(__file__).parents[2]


def test_the_page_holds_one_experiment() -> None:
    command = tiny_command((ROOT / PAGE).read_text(encoding="utf-8"))
    assert command[:3] == ["dvc", "exp", "run"]
    assert "baseline.seeds=[1]" in command
    assert all("\n" not in word and "'" not in word for word in command)


@pytest.mark.parametrize(
    ("text", "actual"), [("", 0), ("<!-- tiny -->\n$ dvc repro\n$ dvc repro\n<!-- /tiny -->\n", 2), ("$ dvc repro", 0)]
)
def test_a_page_without_exactly_one_command_is_refused(text: str, actual: int) -> None:
    with pytest.raises(UserError, match=rf"expected one line .*, found {actual}$"):
        tiny_command(text)
