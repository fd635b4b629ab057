"""The results of stage two_sample as a file: figures beside their floors, protocol, and plain words."""

from stages.classifier.fit import Recipe
from stages.common.records import Record
from stages.evaluation.beside_floor import BesideFloor, beside_floor
from stages.evaluation.protocol import Features, Intervals
from stages.evaluation.second_opinion import SecondProtocol
from stages.evaluation.sides import Sides
from stages.evaluation.two_sample import LINEAR, VIEWS, Verdicts
from stages.metrics.resampling import Resampler

MATCHED = "matched: every class has as many images on both sides"
UNLABELLED = "none: images are taken as they come"
UNMATCHED = "not matched: of some class there are too few images, so that judges may go by how frequent the classes are"
FEW = 5000
"""Samples to learn from, below which a figure near 50 % is not trusted: judges may have learned too little."""


class JudgedEntry(BesideFloor):
    """An accuracy beside that for real digits in the samples' place; seeds, floor_seeds: of each judge."""

    seeds: list[float]
    floor_seeds: list[float]


class Count(Record):
    """Images of each side that a judge learned from, and that it was tested on."""

    num_train: int
    num_test: int


class Counts(Record):
    """The counts for the samples, and for the floor."""

    samples: Count
    floor: Count


class TwoSampleProtocol(Record):
    """What the figures depend on. labels: MATCHED, UNLABELLED or UNMATCHED; fd_second: None where it is undefined."""

    recipe: Recipe
    seeds: list[int]
    labels: str
    counts: dict[str, Counts]
    features: Features
    fd_second: SecondProtocol | None
    ratio_interval: Intervals
    versions: dict[str, str]


class TwoSampleDetails(Record):
    """The content of data/two_sample/details.json."""

    metrics: dict[str, JudgedEntry]
    fd_second: BesideFloor
    in_plain_words: str
    protocol: TwoSampleProtocol


def judged_entry(samples: Verdicts, floor: Verdicts, seed: int) -> JudgedEntry:
    """The accuracy for samples beside the floor; seed: of resampling."""
    entry = beside_floor(samples.score, floor.score, Resampler(seed, "two_sample."))
    return JudgedEntry(**dict(entry), seeds=samples.accuracies, floor_seeds=floor.accuracies)


def counts(compared: dict[str, Sides]) -> Counts:
    """How many images each side has, for the samples and for the floor."""
    return Counts(
        **{
            name: Count(num_train=len(images.train_candidates), num_test=len(images.test_candidates))
            for name, images in compared.items()
        }
    )


def in_plain_words(metrics: dict[str, JudgedEntry], fd_second: BesideFloor, num_train: int, doubt: str | None) -> str:
    """The figures in a line, with their floors.

    num_train: samples that the judges learned from; doubt: why the classifier's features say nothing, if so.
    """
    entries = [metrics[name] for name in (*VIEWS, LINEAR)]
    pixels, black_and_white, features = (_percent(entry.value) for entry in entries)
    floors = ", ".join(_percent(entry.floor) for entry in entries)
    line = (
        f"judges tell samples from real images in {pixels} of cases on pixels, {black_and_white} in black and white, "
        f"{features} on the classifier's features (50 % is chance; with real images in the samples' place: {floors})"
    )
    if fd_second.ratio is not None:
        line += f"; on another network's features the samples are {fd_second.ratio:.2f} times as far as real images"
        if fd_second.ratio_interval:
            line += " ({} to {})".format(*("open" if end is None else f"{end:.2f}" for end in fd_second.ratio_interval))
    if num_train < FEW:
        line += f"; judges that learn from {num_train:,} samples, fewer than {FEW:,}, may miss much: 50 % says little"
    return f"{doubt}, and its features say nothing; {line}" if doubt else line


def _percent(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:.1f} %"
