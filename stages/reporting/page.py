"""The report as one HTML file: it holds all that it shows, loads nothing, and is the same bytes for the same run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.common.errors import UserError
from stages.common.records import Undefined
from stages.reporting import figures, provenance, training
from stages.reporting.confusion import confusion
from stages.reporting.pictures import pictures
from stages.reporting.quiz import quiz
from stages.reporting.run import Run
from stages.reporting.weights import Layers, labels_are_codes, layers_of, why_only_pictures

FOLDER = Path(__file__).parent / "assets"
TEMPLATES = ("page.html", "live.html", "results.html", "training.html", "origin.html", "comparison.html", "macros.html")
STYLES = ("page.css", "live.css", "print.css")
SCRIPTS = (
    "generator.js",
    "latents.js",
    "screen.js",
    "digit.js",
    "walk.js",
    "writing.js",
    "quiz.js",
    "film.js",
    "main.js",
)
"""In the order in which the page runs them."""
MOST_LOST = 10
"""Modes of stacks that are named; the number of the others is told."""
TIMES = "\N{MULTIPLICATION SIGN}"
ASSETS = tuple(FOLDER / name for name in (*TEMPLATES, *STYLES, *SCRIPTS))
"""The files beside the code that make the page: `make deps` lists them in dvc.yaml."""


@dataclass(frozen=True)
class Tile:
    """A figure that says most. value: of the samples; beside: of real images, in words."""

    title: str
    value: str
    beside: str


def render(run: Run, seed: int, more: Mapping[str, Any] | None = None) -> str:
    """The page. seed: of the quiz's images; more: `environment` and `commit` of the run, and a `comparison`."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"thousands": lambda value: f"{value:,}", "percent": percent, "figure": figures.number}
    layers, why_not = alive(run)
    frames = training.animation(run)
    return environment.get_template("page.html").render(
        run=run,
        noun=run.noun,
        styles=[_inlined(name) for name in STYLES],
        scripts=[_inlined(name) for name in SCRIPTS],
        data=as_script(page_data(run, seed, layers, frames)),
        why_not=why_not,
        can_write=layers is not None and can_write(run, layers),
        verdict=verdict(run.measured.evaluation.in_plain_words),
        tiles=tiles(run),
        pictures=pictures(run),
        measured=run.measured,
        MOST_LOST=MOST_LOST,
        OTHER_FLOORS=figures.OTHER_FLOORS,
        figures=figures.figures(run.measured),
        others=figures.other_figures(run.measured),
        ticks=list(figures.tick_labels()),
        distance=training.distance_chart(run),
        curves=training.curves(run),
        frames=frames,
        confusion=confusion(run.tables["evaluate/confusion.csv"], run.classes),
        cas=None if isinstance(run.measured.usefulness, Undefined) else run.measured.usefulness,
        sections=provenance.sections(run.params),
        hashes=provenance.hashes(run),
        **{"environment": None, "commit": None, "comparison": None, **(more or {})},
    )


def alive(run: Run) -> tuple[Layers | None, str | None]:
    """What the page computes images with; or why it cannot."""
    generator = run.generator
    if reason := why_only_pictures(generator.meta, generator.tensors):
        return None, reason
    try:
        return layers_of(generator.sampler.G, generator.meta["arguments"]), None
    except ValueError as error:
        return None, str(error)


def can_write(run: Run, layers: Layers) -> bool:
    """Whether a text can be written: the generator knows the classes, and each is named by one character."""
    return (
        bool(layers.num_labels) and not labels_are_codes(run.generator.meta) and all(len(c) == 1 for c in run.classes)
    )


def page_data(run: Run, seed: int, layers: Layers | None, frames: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page's scripts read."""
    codes = labels_are_codes(run.generator.meta)
    labels = range(run.generator.meta["arguments"]["num_classes"])
    return {
        "noun": run.noun,
        "generator": layers.content() if layers else None,
        "labels": [f"code {label}" if codes else run.classes[label] for label in labels],
        "quiz": quiz(run.test, run.samples, seed),
        "network_accuracy": run.measured.two_sample.metrics["two_sample"].value,
        "frames": frames,
    }


def as_script(content: dict[str, Any]) -> Markup:
    """JSON that can stand within a script element: nothing in it ends one."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def verdict(in_plain_words: str) -> list[tuple[str, str]]:
    """The verdict in words as pieces: `good`, `bad` or `note`, and the words."""
    kinds = {"good: ": "good", "not good: ": "bad", "as far as it can tell, not good: ": "bad", "no judgement: ": "bad"}
    nothing = ("good: nothing", "not good: nothing")
    pieces = []
    for piece in in_plain_words.split("; "):
        kind = next((kind for start, kind in kinds.items() if piece.startswith(start)), "note")
        pieces.append(("note" if piece in nothing else kind, piece))
    return pieces


def tiles(run: Run) -> list[Tile]:
    """The figures that say most, those that there are."""
    known = figures.every_figure(run.measured)
    times = f"{figures.number(known['fd_classifier'].entry.ratio)} {TIMES}"
    candidates = [Tile("Distance to real images", times, f"real {run.noun}s 1 {TIMES}")]
    shares = {"gan_test_accuracy": "Recognised as asked", "coverage": "Variety", "cas": "Useful to learn from"}
    for name, title in shares.items():
        if name in known and known[name].entry.value is not None:
            entry = known[name].entry
            candidates.append(Tile(title, percent(entry.value), f"real {run.noun}s {percent(entry.floor)}"))
    judged = run.measured.two_sample.metrics["two_sample"].value
    candidates.append(Tile("A network tells them apart", percent(judged), "chance is 50 %"))
    return candidates


def percent(share: float | None) -> str:
    """A share in percent, with one decimal."""
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _inlined(name: str) -> Markup:
    """A style or script as it is. Raises UserError if it would end the element that holds it."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    if "</" in text:
        raise UserError(f"{FOLDER.name}/{name}: expected no closing tag, found </")
    return Markup(text)
