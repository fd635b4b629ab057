"""params.yaml: each mistake is one line that names the key, what was expected and what was found."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from stages.common.errors import UserError
from stages.common.params import StageParams, known_name, load_params

LOSSES = {"hinge": 1, "minimax": 2}


class Params(StageParams):
    lr: Annotated[float, Field(gt=0, le=1, description="learning rate")]
    batch_size: Annotated[int, Field(ge=1, description="images a step")]
    loss: Annotated[str, known_name(lambda: LOSSES), Field(description="name of the loss")]
    conditional: Annotated[bool, Field(description="whether G and D see the class")]
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="of the forward passes")]


GOOD = {"lr": "1e-4", "batch_size": "64", "loss": "hinge", "conditional": "true", "precision": "float32"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def section(keys: dict[str, str]) -> str:
    return "train_gan:\n" + "".join(f"  {key}: {value}\n" for key, value in keys.items())


def error_of(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_params("train_gan", Params, path)
    return str(caught.value)


def test_good_section(path: Path) -> None:
    path.write_text("download:\n  dataset: mnist\n" + section(GOOD))
    params = load_params("train_gan", Params, path)
    # PyYAML reads 1e-4 as text; DVC and we read it as a number.
    assert params.model_dump() == {
        "lr": 0.0001,
        "batch_size": 64,
        "loss": "hinge",
        "conditional": True,
        "precision": "float32",
    }


def test_params_cannot_be_changed(path: Path) -> None:
    path.write_text(section(GOOD))
    params = load_params("train_gan", Params, path)
    with pytest.raises(ValidationError, match="frozen"):
        params.lr = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lr", "abc", "expected a valid number, found 'abc'"),
        ("lr", "", "expected a valid number, found None"),
        ("lr", "true", "expected a valid number, found True"),
        ("lr", "0", "expected greater than 0, found 0"),
        ("lr", "2", "expected less than or equal to 1, found 2"),
        ("lr", ".nan", "expected .*, found nan"),
        ("lr", "-.inf", "expected .*, found -inf"),
        ("lr", "[0.1]", r"expected a valid number, found \[0.1\]"),
        ("batch_size", "64.0", "expected a valid integer, found 64.0"),
        ("batch_size", "'64'", "expected a valid integer, found '64'"),
        ("batch_size", "true", "expected a valid integer, found True"),
        ("batch_size", "0", "expected greater than or equal to 1, found 0"),
        ("conditional", "yes", "expected a valid boolean, found 'yes'"),
        ("conditional", "1", "expected a valid boolean, found 1"),
        ("precision", "float64", "expected 'float32' or 'bfloat16', found 'float64'"),
        ("loss", "hing", "expected one of hinge, minimax, found 'hing'"),
        ("loss", "7", "expected a valid string, found 7"),
        ("momentum", "0.9", "unknown key; train_gan has the keys lr, batch_size, loss, conditional, precision"),
    ],
)
def test_bad_value(path: Path, key: str, value: str, message: str) -> None:
    error = error_of(path, section(GOOD | {key: value}))
    assert re.fullmatch(f"{re.escape(str(path))}: train_gan.{key}: {message}", error)


def test_missing_key_says_what_it_means(path: Path) -> None:
    keys = {key: value for key, value in GOOD.items() if key != "batch_size"}
    assert error_of(path, section(keys)) == f"{path}: train_gan.batch_size: missing key; images a step"


def test_every_mistake_has_its_line(path: Path) -> None:
    error = error_of(path, section(GOOD | {"lr": "abc", "batch_size": "-1", "extra": "1"}))
    assert [line.split(": ")[1] for line in error.splitlines()] == [
        "train_gan.lr",
        "train_gan.batch_size",
        "train_gan.extra",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("download:\n  dataset: mnist\n", "section train_gan is missing; it needs the keys lr, batch_size"),
        ("train_gan: 3\n", "train_gan: expected .*dictionary.*, found 3"),
        ("train_gan:\n", "train_gan: expected .*dictionary.*, found None"),
        ("train_gan:\n- lr\n", r"train_gan: expected .*dictionary.*, found \['lr'\]"),
        ("", "expected sections with keys, found NoneType"),
        ("- 1\n", "expected sections with keys, found list"),
        ("train_gan: {lr: 1\n", "is not valid YAML: "),
        ("train_gan:\n  lr: 1\n  lr: 2\n", "is not valid YAML: .*duplicate key"),
    ],
)
def test_bad_file(path: Path, text: str, message: str) -> None:
    error = error_of(path, text)
    assert len(error.splitlines()) == 1
    assert re.match(f"{re.escape(str(path))}:? {message}", error)


@pytest.mark.parametrize(
    "text",
    [
        "train_gan: 2020-13-45\n",
        "train_gan: !!int x\n",
        "train_gan: !!float []\n",
        "train_gan: !!timestamp x\n",
        "train_gan: !!python/object:os.system {}\n",
        f"train_gan: {'9' * 5000}\n",
        f"train_gan: {'[' * 500}\n",
        f"train_gan: {'[' * 5000}{']' * 5000}\n",
        "train_gan: \x1b]0;title\x07\n",
        "\x00",
        f"{'x' * 1_000_000}: 1\n",
    ],
    ids=lambda text: text[:24].strip(),
)
def test_a_file_that_yaml_cannot_hold_is_one_short_line(path: Path, text: str) -> None:
    error = error_of(path, text)
    assert len(error.splitlines()) == 1
    assert len(error.removeprefix(str(path))) < 200
    assert error.isprintable()


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (f"{LAUGHS}train_gan:\n  lr: *g\n", "lr"),
        ("train_gan: &a\n  lr: *a\n", "lr"),
        ("train_gan:\n  lr: &a [*a]\n", "lr"),
        (f"train_gan:\n  lr: 0x{'f' * 5000}\n", "lr"),
        (f"train_gan:\n  lr: {'9' * 4000}\n", "lr"),
        (f"train_gan:\n  lr: '{'x' * 5000}'\n", "lr"),
        ("train_gan:\n  lr: 2020-01-01\n", "lr"),
        ('train_gan:\n  lr: "\\e[2J\\a"\n', "lr"),
        ('train_gan:\n  "\\e[2J\\a": 1\n', r"\x1b[2J\x07"),
        ("train_gan:\n  7: 1\n", "7"),
        (f"train_gan:\n  batch_size: 0x{'f' * 5000}\n", "batch_size"),
        (f"train_gan:\n  {'x' * 1000}: 1\n", "x" * 57 + "..." + "x" * 60),
    ],
    ids=lambda text: text[:30],
)
def test_a_value_that_no_terminal_could_show_is_shortened(path: Path, lines: str, key: str) -> None:
    (line,) = [line for line in error_of(path, lines).splitlines() if line.startswith(f"{path}: train_gan.{key}: ")]
    assert "missing key" not in line
    assert len(line.removeprefix(str(path))) < 350
    assert line.isprintable()


def test_ever_more_mistakes_are_counted(path: Path) -> None:
    lines = error_of(path, "train_gan:\n" + "".join(f"  key{number}: 1\n" for number in range(1000))).splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"{path}: train_gan: {1000 + len(GOOD) - 20} more mistakes"


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(UserError, match="expected a file of at most 1000 kB"):
        load_params("train_gan", Params, path)


def test_file_that_is_no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00lr")
    with pytest.raises(UserError, match="is not valid YAML"):
        load_params("train_gan", Params, path)


def test_missing_file(path: Path) -> None:
    with pytest.raises(UserError, match=r"params.yaml is missing; `git checkout .*params.yaml`"):
        load_params("train_gan", Params, path)


@pytest.mark.parametrize("value", ["{number}", "[1, {number}]"])
def test_a_number_that_nothing_can_be_counted_by_is_refused(value: str, path: Path) -> None:
    """Python neither writes it as a text nor makes a float of it: later errors would be tracebacks."""

    class Numbers(StageParams):
        seeds: Annotated[int | list[int], Field(description="of draws")]

    path.write_text(f"baseline:\n  seeds: {value.format(number=hex(2**256 - 1))}\n")
    assert load_params("baseline", Numbers, path)
    path.write_text(f"baseline:\n  seeds: {value.format(number=hex(2**256))}\n")
    with pytest.raises(UserError, match=r"baseline\.seeds: expected whole numbers of at most 256 bits, found "):
        load_params("baseline", Numbers, path)
