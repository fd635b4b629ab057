"""The names of classes, as data sets, image sets and generators hold them."""

from stages.common.shown import shown

MOST_CLASSES = 1000
"""As ImageNet has; tables and pictures of more are of no use."""
LONGEST_NAME = 100
MOST_NAMED = 10
"""Classes that a message names; the others are counted."""


def class_names(value: object) -> list[str]:
    """The value itself, if it is a list of 1 to MOST_CLASSES different names that can be printed and drawn.

    Raises ValueError, in one line, if it is anything else.
    """
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"expected the names of classes, found {shown(value)}")
    if not 1 <= len(value) <= MOST_CLASSES:
        raise ValueError(f"expected the names of 1 to {MOST_CLASSES} classes, found {len(value)}: {shown(value)}")
    seen = set()
    for name in value:
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"expected class names of 1 to {LONGEST_NAME} printable characters, found {shown(name)}")
        if name in seen:
            raise ValueError(f"expected different names of classes, found {shown(name)} twice")
        seen.add(name)
    return value
