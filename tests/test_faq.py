"""docs/faq.md: every message that the code can end with has an entry, every sign and kind of failure too."""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from stages.gan.signs import SIGNS
from tests.messages import FIELD, messages, strings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/faq.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^\| `([^`]+)` \| (.+) \|$", TEXT.partition("\n## Messages\n")[2], re.MULTILINE)
"""What is printed, with … for what differs; and what to do."""
MESSAGES = messages()
FROM_ELSEWHERE = 6
"""So many places pass on text that was made elsewhere: the mistakes in params, sources that failed, signs."""


def pattern(entry: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in entry.split("…")), re.DOTALL)


PATTERNS = {entry: pattern(entry) for entry, _ in ENTRIES}
GENERAL = "…: …; …"
"""The entry of messages whose every word is put in when they are made; what has words has an entry of its own."""
OF_SIGNS = tuple(f"{sign} at" for sign in SIGNS)
STRINGS = strings()


def has_entry(message: str) -> bool:
    words = re.findall(r"[a-z]{3,}", message)
    said = [entry for entry, found in PATTERNS.items() if found.match(message)]
    return not words or (bool(said) and (said != [GENERAL] or len(words) < 3))


def test_every_message_has_an_entry() -> None:
    assert len(MESSAGES) > 100
    whole = {where: text for where, text in MESSAGES.items() if text != FIELD}
    assert len(MESSAGES) - len(whole) <= FROM_ELSEWHERE
    without = {where: text.replace(FIELD, "…") for where, text in whole.items() if not has_entry(text)}
    assert without == {}


@pytest.mark.parametrize("entry", [entry for entry in PATTERNS if not entry.startswith(OF_SIGNS)])
def test_an_entry_is_of_a_message_that_exists(entry: str) -> None:
    """Of an error, or of text that the code puts together in several steps."""
    assert any(PATTERNS[entry].match(text) for text in MESSAGES.values()) or any(
        PATTERNS[entry].search(text) for text in STRINGS
    )


def test_no_entry_but_the_general_one_is_without_words() -> None:
    assert GENERAL in PATTERNS
    assert [entry for entry in PATTERNS if entry != GENERAL and not re.search(r"[a-z]{3,}", entry)] == []


@pytest.mark.parametrize("sign", SIGNS)
def test_every_sign_has_an_entry(sign: str) -> None:
    (said,) = [todo for entry, todo in ENTRIES if entry.startswith(f"{sign} at")]
    assert len(said) > 40


def test_the_figures_are_those_of_the_committed_run() -> None:
    """The table of what to expect, from the curve in Git."""
    shown = subprocess.run(
        ["git", "show", "HEAD:data/track/track.csv"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    rows = {row["kimg"]: row for row in csv.DictReader(shown.splitlines())}
    table = re.findall(r"^\| (\d+) \| .* \| ([\d.]+) \(([\d.]+)\) \| ([\d.]+) % \|$", TEXT, re.MULTILINE)
    assert len(table) >= 5
    floor = json.loads((ROOT / "data/track/details.json").read_text(encoding="utf-8"))["floor"]["fd_classifier"]
    for kimg, distance, ratio, recognised in table:
        assert float(distance) == pytest.approx(float(rows[kimg]["fd_classifier"]), rel=0.01)
        assert float(ratio) == pytest.approx(float(rows[kimg]["fd_classifier"]) / floor, abs=0.051)
        assert float(recognised) == pytest.approx(100 * float(rows[kimg]["gan_test_accuracy"]), abs=0.05)
