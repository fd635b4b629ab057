"""For any params.yaml, check either accepts it or refuses it in short lines that a terminal can show."""

import random
from pathlib import Path

import pytest

from stages.check import SCHEMAS
from stages.common.errors import UserError
from stages.common.params import read_params_file, validate_section

COMMITTED = (Path(__file__).parents[1] / "params.yaml").read_bytes()
TOKENS = (
    b"!!int x", b"!!float []", b"!!binary x", b"!!set {a}", b"!!timestamp 1", b"!!python/name:os.system", b"2020-13-45",
    b"&a ", b"*a", b"<<: *a", b"[", b"{", b"? ", b": ", b"- ", b"|", b">", b"%YAML 1.1\n---\n", b"---\n", b"...\n",
    b"1e999", b"-1e-999", b".nan", b"0x" + b"f" * 5000, b"9" * 5000, b"9" * 400, b"[" * 300, b"{a: " * 300,
    b"\x1b[2J", b"\x00", b"\xff", "\u202e\u2028\ufeff".encode(), b"\t", b"\r", b"'", b'"\\e[2J\\uD800"', b"#", b"~",
    b"1_0", b"0o17", b"12:30:45", b"true", b"null", b"x" * 2000,
)  # fmt: skip


def mutated(draw: random.Random) -> bytes:
    """The committed file with some bytes changed, moved, repeated, or replaced by what breaks parsers."""
    content = bytearray(COMMITTED)
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(content) + 1)
        end = min(len(content), start + draw.choice((0, 1, 5, 50)))
        piece = bytes(content[start:end])
        content[start:end] = draw.choice(
            (b"", bytes([draw.randrange(256)]), piece * 3, piece[::-1], draw.choice(TOKENS))
        )
    return bytes(content)


def refusals(path: Path) -> list[str]:
    """The lines of all that is refused in a file."""
    try:
        content = read_params_file(path)
    except UserError as error:
        return str(error).splitlines()
    lines = []
    for stage, schema in SCHEMAS.items():
        try:
            validate_section(content, stage, schema, path)
        except UserError as error:
            lines += str(error).splitlines()
    return lines


@pytest.mark.parametrize("inputs", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_file_breaks_the_reader(inputs: int, tmp_path: Path) -> None:
    draw, path, refused = random.Random(5), tmp_path / "params.yaml", 0
    for number in range(inputs):
        content = mutated(draw)
        path.write_bytes(content)
        lines = refusals(path)
        refused += bool(lines)
        for line in lines:
            assert line.isprintable(), (number, content)
            assert len(line.removeprefix(str(path))) < 600, (number, content)
    assert refused > inputs / 2
