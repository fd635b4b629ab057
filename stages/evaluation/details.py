"""The content of data/evaluate/details.json: every figure, what it depends on, and a line of plain words."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from stages.common.images import ImageSet
from stages.common.records import Record, Undefined
from stages.evaluation.all_samples import AllSamples
from stages.evaluation.beside_floor import MetricEntry, metric_entry
from stages.evaluation.class_tests import ClassTests, class_tests
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.copying import Memorisation, memorisation
from stages.evaluation.inception import WEIGHTS_SHA256
from stages.evaluation.modes import ModeDetails, mode_details
from stages.evaluation.papers import PaperEntry
from stages.evaluation.per_class import ClassDetails, class_details
from stages.evaluation.protocol import Features, Intervals, Split, intervals, versions
from stages.evaluation.registry import METRICS, PAPERS, STACKS, Metric
from stages.metrics.classes import gan_test_accuracy
from stages.metrics.resampling import Resampler


class ClassifierFeatures(Features):
    """The same with the share of test digits that the classifier recognises."""

    test_accuracy: float


class Halves(Record):
    """Which split was halved, and how many of its images are in each half."""

    split: str
    num_images: list[int]


class Protocol(Record):
    """What the figures depend on, so that only figures of one protocol are compared.

    num_images: samples; neighbours: k of precision, recall, density and coverage; seed: of halves, parts, resampling.
    """

    num_images: int
    reference: Split
    floor: Split
    halves: Halves
    training: Split
    features: ClassifierFeatures
    neighbours: int
    seed: int
    ratio_interval: Intervals
    versions: dict[str, str]
    inception_sha256: str = ""


class Figures(Record):
    """All figures of one evaluation. metrics: of METRICS, and of PAPERS if Inception's features were compared.

    papers: FID by the protocols of papers, by the names of these; also with Inception's features alone. modes: of
    stacks alone, which have metrics of STACKS as well, and whose modes are too many to look at one by one.
    """

    metrics: dict[str, MetricEntry]
    classes: list[ClassDetails]
    class_tests: ClassTests
    memorisation: Memorisation | Undefined
    papers: dict[str, PaperEntry | Undefined] = Field(default_factory=dict)
    modes: ModeDetails | None = None


class Details(Figures):
    """The whole file. all_samples: only where they are more than one file."""

    all_samples: AllSamples | None = None
    protocol: Protocol
    in_plain_words: str


@dataclass(frozen=True)
class OnInception:
    """What Inception's features add: the same comparisons on them, and the figures of papers."""

    comparisons: Comparisons
    papers: dict[str, PaperEntry | Undefined]


def measure(test: ImageSet, comparisons: Comparisons, on_inception: OnInception | None) -> Figures:
    """All figures. test: the test images, which have the names of the classes; those of stacks are modes."""
    names, are_stacks = test.classes, test.singles is not None
    metrics, others = entries(METRICS, comparisons), dict[str, Any]()
    if on_inception:
        metrics |= entries(PAPERS, on_inception.comparisons)
        others["papers"] = on_inception.papers
    if are_stacks:
        metrics |= entries(STACKS, comparisons)
        others["modes"] = mode_details(test, comparisons.samples)
    return Figures(
        metrics=metrics,
        classes=[] if are_stacks else class_details(names, comparisons),
        class_tests=class_tests(comparisons),
        memorisation=memorisation([] if are_stacks else names, comparisons),
        **others,
    )


def details_of(
    figures: Figures, protocol: Protocol, in_plain_words: str, all_samples: AllSamples | None = None
) -> Details:
    """The whole content; without Inception's features it has no papers, without stacks no modes, not empty ones."""
    known = {name: getattr(figures, name) for name in figures.model_fields_set}
    if all_samples:
        known["all_samples"] = all_samples
    return Details(**known, protocol=protocol, in_plain_words=in_plain_words)


def entries(metrics: dict[str, Metric], comparisons: Comparisons) -> dict[str, MetricEntry]:
    """Each of these metrics for the samples, beside floor and halves."""
    samples, floor, halves = comparisons.samples, comparisons.floor, comparisons.halves
    resampler = Resampler(samples.seed)
    return {
        name: metric_entry(metric(samples), metric(floor), metric(halves) if halves else None, resampler)
        for name, metric in metrics.items()
    }


def protocol_of(samples: Comparison, num_training: int, features: Features, with_inception: bool) -> Protocol:
    """The protocol of a comparison of samples with the test digits, beside as many validation digits."""
    count, num_test = len(samples.candidate.features), len(samples.reference.features)
    accuracy = gan_test_accuracy(samples.reference.known_labels, samples.reference.recognised).value
    inception = {"inception_sha256": WEIGHTS_SHA256} if with_inception else {}
    return Protocol(
        num_images=count,
        reference=Split(split="test", num_images=num_test),
        floor=Split(split="validation", num_images=count),
        halves=Halves(split="test", num_images=[num_test - num_test // 2, num_test // 2]),
        training=Split(split="train", num_images=num_training),
        features=ClassifierFeatures(**dict(features), test_accuracy=accuracy),
        neighbours=samples.k,
        seed=samples.seed,
        ratio_interval=intervals(),
        versions=versions("torch-fidelity") if with_inception else versions(),
        **inception,
    )
