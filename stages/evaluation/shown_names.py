"""Class names as the pictures' one font can draw them: one short line, other scripts in Latin letters."""

import re
import unicodedata
from collections import Counter

from stages.evaluation.drawing import GLYPHS

LONGEST = 16
"""Characters of a name in a picture."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
HEPBURN = {"tu": "tsu", "si": "shi", "ti": "chi", "hu": "fu", "zi": "ji", "di": "ji", "du": "zu"}
"""Unicode names kana by another system of romanisation than the usual one."""
_KANA = ("HIRAGANA ", "KATAKANA ")
_LETTER = re.compile(r"\b(?:LETTER|SYLLABLE)\b.* (\w+)$")


def shown_names(names: list[str]) -> list[str]:
    """The same as text for matplotlib, in which two bare dollars would enclose a formula."""
    return [text.replace("$", r"\$") for text in plain_names(names)]


def plain_names(names: list[str]) -> list[str]:
    """The names of labels 0, 1, ... as the font can draw them; one that it cannot draw is its label's number."""
    texts = [_shortened(_drawable(name), LONGEST) or str(label) for label, name in enumerate(names)]
    count = Counter(texts)
    for label, text in enumerate(texts):
        if count[text] > 1:  # names that differed before
            number = f" ({label})"
            texts[label] = _shortened(text, LONGEST - len(number)) + number
    return texts


def _drawable(name: str) -> str:
    """The name in the font's characters, with single spaces; empty if nothing of it can be drawn."""
    text = ""
    for character in unicodedata.normalize("NFC", name):
        if not (_is_mark(character) and (not text or _is_mark(text[-1]))):  # a pile of marks would need more room
            text += _spelt(character)
    text = " ".join(text.split())
    return text if text.replace(UNKNOWN, "").strip() else ""


def _spelt(character: str) -> str:
    """A character as the font can draw it: itself, its plain form, or its Unicode name's romanisation, as `ki`."""
    if character.isspace():
        return " "
    if character.isprintable() and ord(character) in GLYPHS:
        return character
    if _is_mark(character) or unicodedata.category(character) in ("Cc", "Cf"):
        return ""
    plain = unicodedata.normalize("NFKC", character)
    if plain != character:
        return "".join(map(_spelt, plain))
    name = unicodedata.name(character, "")
    match = _LETTER.search(name)
    spelt = match[1].lower() if match else UNKNOWN
    return HEPBURN.get(spelt, spelt) if name.startswith(_KANA) else spelt


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
