"""What was measured, as the page reads it: with all the figures that it cannot do without, and none unknown to it."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json, remedy
from stages.common.records import Undefined, read_record
from stages.common.shown import listed
from stages.evaluation.beside_floor import BesideFloor
from stages.evaluation.cas import CasDetails
from stages.evaluation.details import Details
from stages.evaluation.registry import EVERY
from stages.evaluation.two_sample_details import TwoSampleDetails
from stages.reporting.figures import Measured

BOUNDS = 2
"""Of an interval."""


def read_measured(path: Callable[[str], Path]) -> Measured:
    """What was measured. path: of a file by its name below data/. Raises UserError for anything else."""
    return Measured(
        evaluation=_evaluation(path("evaluate/details.json")),
        usefulness=_usefulness(path("usefulness/details.json")),
        two_sample=_two_sample(path("two_sample/details.json")),
    )


def _evaluation(path: Path) -> Details:
    details = read_record(path, Details)
    if unknown := [name for name in details.metrics if name not in EVERY]:
        raise UserError(f"{path}: metrics: expected names of evaluate.metrics, found {listed(unknown)}; {remedy(path)}")
    _require_keys(path, "metrics", details.metrics, ("fd_classifier",))
    _require_intervals(path, details.metrics.values())
    return details


def _usefulness(path: Path) -> CasDetails | Undefined:
    content = read_json(path)
    if isinstance(content, dict) and set(content) == {"undefined"}:
        return read_record(path, Undefined)
    details = read_record(path, CasDetails)
    _require_keys(path, "metrics", details.metrics, ("cas",))
    _require_intervals(path, details.metrics.values())
    _require_words(path, details.in_plain_words)
    return details


def _two_sample(path: Path) -> TwoSampleDetails:
    details = read_record(path, TwoSampleDetails)
    _require_keys(path, "metrics", details.metrics, ("two_sample",))
    _require_keys(path, "protocol.counts", details.protocol.counts, ("two_sample",))
    _require_intervals(path, [*details.metrics.values(), details.fd_second])
    _require_words(path, details.in_plain_words)
    return details


def _require_keys(path: Path, where: str, actual: Collection[str], needed: Iterable[str]) -> None:
    for name in needed:
        if name not in actual:
            found = listed(list(actual)) or "nothing"
            raise UserError(f"{path}: {where}: expected the key {name}, found {found}; {remedy(path)}")


def _require_intervals(path: Path, entries: Iterable[BesideFloor]) -> None:
    for entry in entries:
        if entry.ratio_interval is not None and len(entry.ratio_interval) != BOUNDS:
            actual = len(entry.ratio_interval)
            raise UserError(f"{path}: ratio_interval: expected {BOUNDS} bounds, found {actual}; {remedy(path)}")


def _require_words(path: Path, words: str) -> None:
    if not words:
        raise UserError(f"{path}: in_plain_words: expected a line, found nothing; {remedy(path)}")
