"""Reads the recipes of CONTRIBUTING.md and carries them out, as a reader would."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEP = re.compile(
    r"^\d+\. (?:Write `(?P<new>[^`]+)`|In `(?P<path>[^`]+)`, (?P<side>after|before) `(?P<anchor>[^`]+)`):\n\n"
    r" {3}```\w*\n(?P<text>.*?)^ {3}```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One numbered step: a new file, or lines beside the one line of a file that begins as quoted."""

    path: str
    text: str
    side: str | None = None
    anchor: str | None = None

    def apply(self, root: Path) -> None:
        """Do what the step says in the project at root. Raises AssertionError if it cannot be done."""
        path = root / self.path
        if self.anchor is None:
            assert not path.exists(), f"{self.path} exists already"
            path.write_text(self.text, encoding="utf-8")
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = [index for index, line in enumerate(lines) if line.startswith(self.anchor)]
        assert len(starts) == 1, f"{self.path}: {len(starts)} lines begin with {self.anchor!r}"
        lines.insert(starts[0] + (self.side == "after"), self.text)
        path.write_text("".join(lines), encoding="utf-8")


def recipes(text: str) -> dict[str, list[Step]]:
    """The steps of each recipe, by its title, in the order of the page."""
    sections = re.split(r"^### (.+)\n", text.partition("## How to add something")[2], flags=re.MULTILINE)[1:]
    return {title: steps(body) for title, body in zip(sections[::2], sections[1::2], strict=True)}


def steps(body: str) -> list[Step]:
    """All numbered steps of a recipe. Raises AssertionError if one of them is not written as the others."""
    read = [
        Step(match["new"] or match["path"], _unindented(match["text"]), match["side"], match["anchor"])
        for match in STEP.finditer(body)
    ]
    assert len(read) == len(re.findall(r"^\d+\. ", body, re.MULTILINE)), "a step is not written as the others"
    return read


def _unindented(text: str) -> str:
    """Without the three spaces that the list adds."""
    return re.sub(r"^ {3}", "", text, flags=re.MULTILINE)
