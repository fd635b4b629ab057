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
from stages.metrics.memorisation import closeness

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


def drawn(names: list[str]) -> list[tuple[int, bytes]]:
    """Both pictures of that many classes: their width, and all of their bytes."""
    count = len(names)
    features, labels = torch.arange(2.0 * count).view(-1, 1), torch.arange(2 * count) % count
    seen = Embedded(features, labels, labels, closeness(features + 1, features)[0])
    pixels = torch.zeros(2 * count, 1, 4, 4)
    figures = (
        pictures.confusion_figure(names, seen, seen),
        pictures.nearest_figure(names, {"a": (seen, pixels)}, pixels),
    )
    result = []
    for figure in figures:
        content = io.BytesIO()
        figure.savefig(content, format="png")
        result.append((int.from_bytes(content.getvalue()[16:20]), content.getvalue()))
    return result


def test_every_name_is_drawn_without_a_warning_and_at_the_same_size(caplog: pytest.LogCaptureFixture) -> None:
    plain = drawn([str(label) for label in range(5)])
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG, logger="matplotlib.mathtext"):
        warnings.simplefilter("error")
        for start in range(0, len(SHOWN), 5):
            assert [width for width, _ in drawn([*SHOWN][start : start + 5])] == [width for width, _ in plain]
    assert not caplog.records


def test_a_formula_is_not_set_as_one() -> None:
    """Two dollars in one name draw two dollars: the picture differs from that of the formula's letters."""
    assert len({drawn([name, "b"])[0][1] for name in ("$a$", "a", "a$", r"\$a\$")}) == 4
