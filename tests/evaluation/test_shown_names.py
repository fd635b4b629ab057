"""Names of classes in any script, as pictures show them."""

import io
import logging
import warnings

import pytest
import torch

from stages.evaluation import pictures
from stages.evaluation.drawing import GLYPHS
from stages.evaluation.embedded import Embedded
from stages.evaluation.shown_names import LONGEST, shown_names

SHOWN = {
    "7": "7",
    "Ankle boot": "Ankle boot",
    "\u0416\u0443\u043a": "\u0416\u0443\u043a",  # Cyrillic
    "e\u0301t\u00e9": "\u00e9t\u00e9",  # composed
    "\u0639\u0631\u0628\u064a": "\u0639\u0631\u0628\u064a",  # Arabic
    "\u304d": "ki",
    "\u30ad\u30e3\uff77": "kiyaki",  # katakana; the last one is half as wide
    "\ud55c\uad6d": "hangug",
    "\u0915\u093e": "ka",  # a letter of Devanagari and a vowel sign
    "\uff21\u3314": "Akiro",  # a wide letter, and three in one square
    "\u72ac": "10",  # an ideograph has no sound of its own: the label
    "\u72ac dog": "\ufffd dog",
    "a_b^{2}\\": "a_b^{2}\\",
    "$a$": r"\$a\$",
    "line\nbreak\ttab ": "line break tab",
    "\u202eright\u200f\u200b": "right",
    "\x00\x1b[31mred": "[31mred",
    "\ud800": "17",
    "z" + "\u0301" * 30: "\u017a\u0301",
    "": "19",
    " \u3000": "20",
    "x" * 80: "x" * (LONGEST - 1) + "\u2026",
    "\U0001f469\u200d\U0001f680": "22",  # an emoji of three code points
    "\u0301": "23",
    "\ufffe": "24",
    "\u3064": "tsu",
    "\u30b7\u30c4": "shitsu",
}


def test_every_script_is_shown_in_letters_of_the_font() -> None:
    shown = dict(zip(SHOWN, shown_names([*SHOWN]), strict=True))
    assert shown == SHOWN
    assert all(ord(character) in GLYPHS for text in shown.values() for character in text)


def test_names_that_would_look_the_same_are_told_apart() -> None:
    names = ["\u304a", "\u30aa", "c" * 40, "c" * 41, "d"]
    shown = shown_names(names)
    assert shown == ["o (0)", "o (1)", "c" * 11 + "\u2026 (2)", "c" * 11 + "\u2026 (3)", "d"]
    assert max(map(len, shown)) == LONGEST


def drawn(names: list[str]) -> bytes:
    """The confusions of those classes as a PNG."""
    labels = torch.arange(len(names))
    seen = Embedded(torch.zeros(len(names), 1), labels, labels)
    content = io.BytesIO()
    pictures.confusion_figure(names, seen, seen).savefig(content, format="png")
    return content.getvalue()


def test_every_name_is_drawn_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG, logger="matplotlib.mathtext"):
        warnings.simplefilter("error")
        assert drawn([*SHOWN]).startswith(b"\x89PNG")
    assert not caplog.records


def test_a_formula_is_not_set_as_one() -> None:
    """Two dollars in one name draw two dollars: the picture differs from that of the formula's letters."""
    assert len({drawn([name]) for name in ("$a$", "a", r"\$a\$")}) == 3


def test_long_names_below_columns_are_turned() -> None:
    def rotations(names: list[str]) -> set[float]:
        labels = torch.arange(len(names))
        seen = Embedded(torch.zeros(len(names), 1), labels, labels)
        axes = pictures.confusion_figure(names, seen, seen).axes
        return {label.get_rotation() for each in axes for label in each.get_xticklabels()}

    assert rotations([*"0123456789"]) == {0}
    assert rotations(["Ankle boot", *"012345678"]) == {90}
