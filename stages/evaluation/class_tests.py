"""Chi-square tests of the recognised classes: for samples, real digits in their place, and half of the test digits."""

from dataclasses import asdict

from stages.common.records import Record, Undefined
from stages.evaluation.beside_floor import FEW_IN_HALVES
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.metrics.classes import ChiSquare, balance_test, class_histogram, same_classes_test

ONE_CLASS = "there is one class alone"


class ClassTest(Record):
    """Pearson's statistic, its degrees of freedom, and the probability of one at least as large by chance."""

    statistic: float
    degrees: int
    p_value: float


class ClassTests(Record):
    """against_balanced: equal shares; against_test: the shares recognised in the test digits, or in their other half.

    Without a test, for one class or for halves that are too few, it says why.
    """

    against_balanced: ClassTest | Undefined
    against_test: ClassTest | Undefined
    floor_against_balanced: ClassTest | Undefined
    floor_against_test: ClassTest | Undefined
    halves_against_balanced: ClassTest | Undefined
    halves_against_test: ClassTest | Undefined


def class_tests(comparisons: Comparisons) -> ClassTests:
    """Both tests of each comparison."""
    balanced, same = _tests(comparisons.samples)
    floor_balanced, floor_same = _tests(comparisons.floor)
    halves_balanced, halves_same = _tests(comparisons.halves)
    return ClassTests(
        against_balanced=balanced,
        against_test=same,
        floor_against_balanced=floor_balanced,
        floor_against_test=floor_same,
        halves_against_balanced=halves_balanced,
        halves_against_test=halves_same,
    )


def _tests(comparison: Comparison | None) -> tuple[ClassTest | Undefined, ClassTest | Undefined]:
    """Of the candidates: against equal shares, and against the reference."""
    if comparison is None:
        return Undefined(undefined=FEW_IN_HALVES), Undefined(undefined=FEW_IN_HALVES)
    sets = comparison.candidate.recognised, comparison.reference.recognised
    candidate, reference = (class_histogram(recognised, comparison.num_classes) for recognised in sets)
    return _record(balance_test(candidate)), _record(same_classes_test(candidate, reference))


def _record(test: ChiSquare | None) -> ClassTest | Undefined:
    return ClassTest(**asdict(test)) if test else Undefined(undefined=ONE_CLASS)
