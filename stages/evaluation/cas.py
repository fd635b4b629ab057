"""The classification accuracy score (CAS) beside that of real digits: ratio, interval, halves, and in plain words.

Both are measured on the same test digits, so that these are resampled together (paired): a digit that no classifier
recognises lowers both. The seeds of the trainings stay as they are; their spread is given as well.
"""

import torch
from torch import Tensor

from stages.classifier.accuracy import Accuracy, Baseline
from stages.common.records import Record
from stages.evaluation.beside_floor import BesideFloor, beside_floor
from stages.evaluation.judge import why_no_judgement
from stages.evaluation.protocol import Intervals, Split, intervals, versions
from stages.evaluation.scores import Score, estimated
from stages.metrics.resampling import Resampler, halved, mean_over_references


class CasEntry(BesideFloor):
    """CAS beside the figure of real digits; halves, floor_halves: both on each half of the test digits."""

    halves: list[float]
    floor_halves: list[float]


class CasProtocol(Record):
    """What the figures depend on. num_images: samples that classifiers learned from; seed: of halves, resampling."""

    num_images: int
    real_digits: Split
    reference: Split
    features: str
    seed: int
    ratio_interval: Intervals
    versions: dict[str, str]


class CasDetails(Record):
    """The content of data/usefulness/details.json, for samples with labels."""

    metrics: dict[str, CasEntry]
    samples: Accuracy
    real_digits: Baseline
    in_plain_words: str
    protocol: CasProtocol


def cas_details(
    samples: Accuracy, baseline: Baseline, num_samples: int, num_test: int, least_accuracy: float
) -> CasDetails:
    """CAS beside the figure of real digits, what both rest on, and a line of plain words.

    least_accuracy: the share of test digits that a classifier must recognise after real digits to judge samples.
    """
    seed, num_real = baseline.seeds[0], baseline.num_images
    shares = [shares_recognised(accuracy.wrong, num_test) for accuracy in (samples, baseline.accuracy)]
    entry = cas_entry(shares[0], shares[1], seed)
    judge = f"a classifier that learned from {num_real:,} real images"
    doubt = why_no_judgement(judge, baseline.accuracy.mean, least_accuracy, "test images")
    return CasDetails(
        metrics={"cas": entry},
        samples=samples,
        real_digits=baseline,
        in_plain_words=in_plain_words(entry, num_samples, num_real, doubt),
        protocol=CasProtocol(
            num_images=num_samples,
            real_digits=Split(split="train", num_images=num_real),
            reference=Split(split="test", num_images=num_test),
            features="none: every classifier is trained afresh, by real_digits.recipe",
            seed=seed,
            ratio_interval=intervals(),
            versions=versions(),
        ),
    )


def shares_recognised(wrong: list[list[int]], num_test: int) -> Tensor:
    """Of each of num_test digits the share of seeds that recognise it, float64 [num_test] in [0, 1].

    wrong: for each seed, the rows of the test digits that it takes for another class.
    """
    rights = torch.ones(len(wrong), num_test, dtype=torch.float64)
    for right, rows in zip(rights, wrong, strict=True):
        right[torch.tensor(rows, dtype=torch.int64)] = 0
    return rights.mean(dim=0)


def cas_entry(samples: Tensor, real: Tensor, seed: int) -> CasEntry:
    """CAS: value, floor, ratio with its interval, and both figures on each half of the digits.

    samples, real: shares_recognised by what learned from samples, and from real digits; float64 [N], on the same test
    digits, N at least 2. standard_error: over test digits; seed: of halves and resampling.
    """
    entry = beside_floor(_score(samples), _score(real), Resampler(seed))
    return CasEntry(**dict(entry), halves=_on_halves(samples, seed), floor_halves=_on_halves(real, seed))


def in_plain_words(entry: CasEntry, num_samples: int, num_real: int, no_judgement: str | None = None) -> str:
    """The entry of CAS in a line; it names counts that differ, because fewer samples than real digits teach less.

    no_judgement: why CAS says nothing of the samples, if it does not. Then the line begins with it and has no ratio.
    """
    assert entry.value is not None
    assert entry.floor is not None
    line = (
        f"{_percent(entry.value)} of the test images recognised after {num_samples:,} samples alone, "
        f"{_percent(entry.floor)} after {num_real:,} real images"
    )
    if no_judgement:
        line = f"{no_judgement}; {line}"
    elif entry.ratio is not None and entry.ratio_interval is not None:
        low, high = ("open" if bound is None else f"{bound:.4f}" for bound in entry.ratio_interval)
        line += f": ratio {entry.ratio:.4f} ({low} to {high})"
    if num_samples < num_real:
        line += "; fewer samples than real images, which alone lowers the ratio (generate.num_images)"
    return line


def _score(shares: Tensor) -> Score:
    return estimated(mean_over_references(shares))


def _on_halves(shares: Tensor, seed: int) -> list[float]:
    return [shares[rows].mean().item() for rows in halved(seed, len(shares))]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
