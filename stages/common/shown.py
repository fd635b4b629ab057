"""Values and texts of files as a message quotes them: one short line without control characters."""

import reprlib

MOST_CHARACTERS = 120
"""Of one quoted value or text."""
LONGEST_MESSAGE = 240
"""What an error says, in characters."""

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist = 3, 6, 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text as a terminal can show it: control characters escaped, the middle of a long one left out."""
    half = most // 2
    if len(text) > 2 * most:  # what is left out need not be escaped first
        text = text[:most] + text[-most:]
    escaped = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    return escaped if len(escaped) <= most else f"{escaped[: half - 3]}...{escaped[-half:]}"


def one_line(message: object) -> str:
    """What an error says, as one short line."""
    return printable(" ".join(str(message).split()), LONGEST_MESSAGE)


def shown(value: object) -> str:
    """A value as Python writes it, shortened where it is long, deep, or refers to itself."""
    try:
        return printable(_SHORT.repr(value))
    except ValueError:  # an integer of more digits than Python converts
        return (
            f"a number of over {2 ** (value.bit_length().bit_length() - 1)} bits" if isinstance(value, int) else "..."
        )


def plain(value: object) -> str:
    """A value as a message says it: a text without quotes, anything else as `shown`."""
    return printable(value) if isinstance(value, str) else shown(value)


def listed(texts: list[str], most: int = 3) -> str:
    """The first texts, quoted, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(printable(text) for text in texts[:most]) + more
