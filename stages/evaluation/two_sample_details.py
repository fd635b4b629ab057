"""The results of stage two_sample as a file: figures beside their floors, protocol, and plain words."""

from stages.classifier.fit import Recipe
from stages.common.records import Record
from stages.evaluation.beside_floor import BesideFloor, beside_floor
from stages.evaluation.protocol import Features, Intervals, intervals, versions
from stages.evaluation.scores import Score
from stages.evaluation.sides import Sides
from stages.evaluation.two_sample import LINEAR, Verdicts
from stages.metrics.resampling import Resampler


class JudgedEntry(BesideFloor):
    """An accuracy beside that for real digits in the samples' place; seeds, floor_seeds: of each judge."""

    seeds: list[float]
    floor_seeds: list[float]


class Counts(Record):
    """Images of each side that a judge learned from, and that it was tested on."""

    num_train: int
    num_test: int


class SecondProtocol(Record):
    """num_images: samples, and validation digits, compared with reference_images test digits.

    num_train: training digits that the network learned from; accuracy: the share of the test digits it recognises.
    """

    num_images: int
    reference_images: int
    num_train: int
    accuracy: float


class TwoSampleProtocol(Record):
    """What the figures depend on. labels: matched, if every class has as many images on both sides."""

    recipe: Recipe
    seeds: list[int]
    labels: str
    samples: Counts
    floor: Counts
    features: Features
    fd_second: SecondProtocol
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


def second_entry(samples: Score, floor: Score, seed: int) -> BesideFloor:
    """The distance of the samples beside that of validation digits; seed: of resampling."""
    return beside_floor(samples, floor, Resampler(seed, "two_sample."))


def counts(images: Sides) -> Counts:
    """How many images each side of these has."""
    return Counts(num_train=len(images.train_candidates), num_test=len(images.test_candidates))


def protocol(
    recipe: Recipe, seeds: list[int], labelled: bool, both: dict[str, Sides], features: Features, second: SecondProtocol
) -> TwoSampleProtocol:
    """labelled: whether the samples have labels; both: the sides `samples` and `floor`."""
    return TwoSampleProtocol(
        recipe=recipe,
        seeds=seeds,
        labels="matched" if labelled else "as they come: no class was asked for",
        samples=counts(both["samples"]),
        floor=counts(both["floor"]),
        features=features,
        fd_second=second,
        ratio_interval=intervals(),
        versions=versions(),
    )


def in_plain_words(metrics: dict[str, JudgedEntry], fd_second: BesideFloor) -> str:
    """The figures in a line."""
    pixels, black_and_white, features = (
        _percent(metrics[name].value) for name in ("two_sample", "two_sample_thresholded", LINEAR)
    )
    line = (
        f"a CNN tells samples from real digits in {pixels} of cases (50 % is chance; real digits in the samples' place "
        f"{_percent(metrics['two_sample'].floor)}), in {black_and_white} once all are black and white; a linear judge "
        f"of the classifier's features in {features}"
    )
    if fd_second.ratio is not None:
        line += f"; on another network's features the samples are {fd_second.ratio:.2f} times as far as real digits"
    return line


def _percent(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:.1f} %"
