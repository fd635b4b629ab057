"""What the fuzzers share: how many inputs, how bytes are changed, and what a refusal looks like.

`make test` runs a few hundred inputs of each, `make test-all` 10,000.
"""

import random

import pytest

FEW, MANY = 300, 10_000
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
INTERESTING = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"-1", b"9" * 20, b"\r\n", b"\x1f\x8b", b"%s", b"\xed\xa0\x80")
LONGEST_LINE = 600
"""Of a refusal without paths: what, where, expected, found, what to do."""


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with one to four changes: bytes replaced, inserted, removed or repeated, mostly near the start."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = min(int(draw.expovariate(1 / 40)), len(changed))
        piece = draw.choice((*INTERESTING, bytes([draw.randrange(256)])))
        match draw.randrange(4):
            case 0:
                changed[at : at + len(piece)] = piece
            case 1:
                changed[at:at] = piece
            case 2:
                del changed[at : at + draw.randint(1, 50)]
            case 3:
                changed[at:at] = changed[at : at + 512] * draw.randint(1, 3)
    return bytes(changed)


def assert_one_line(error: BaseException, *paths: object) -> None:
    """A refusal is one line that a terminal can show, without secrets."""
    line = str(error)
    for path in paths:
        line = line.replace(str(path), "")
    assert line.isprintable(), line
    assert 0 < len(line) < LONGEST_LINE, line
    assert not any(secret in line for secret in ("hunter2", "s3cr3t"))
