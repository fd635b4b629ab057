"""The line of plain words, for good and for bad evaluations, and every bound from both sides."""

import math
from typing import Any

import pytest

from stages.common.records import Undefined
from stages.evaluation import verdict
from stages.evaluation.beside_floor import MetricEntry
from stages.evaluation.class_tests import ClassTest, ClassTests
from stages.evaluation.copying import Cell, Copies, DistancePercentiles, Memorisation
from stages.evaluation.details import Figures
from stages.evaluation.per_class import ClassDetails
from stages.evaluation.registry import METRICS
from stages.evaluation.verdict import in_plain_words, signs_of_copying, weakest_class

BESIDE = 1e-9
"""Small beside every bound, and larger than the rounding of any."""
CLEAR = 3 * math.sqrt(2)
"""How many standard errors of one statistic three standard errors of a difference of two are."""


def entry(ratio: float | None = 1.0, **more: Any) -> MetricEntry:
    values: dict[str, Any] = {"value": 1.0, "floor": 1.0, "standard_error": 0.1, "floor_standard_error": 0.1}
    return MetricEntry(**(values | more), ratio=ratio, ratio_interval=None, halves=None, undefined={})


def a_class(name: str, accuracy: float | None, ratio: float | None) -> ClassDetails:
    metrics = {"gan_test_accuracy": entry(value=accuracy), "fd_classifier": entry(ratio)}
    return ClassDetails(name=name, labelled=10, recognised=10, num_images=10, metrics=metrics)


def memorisation(cat: float = 4.0, name: str = "cat") -> Memorisation:
    """Two cells, one of them of too few images."""
    known: dict[str, Any] = {"halves": None, "undefined": {}}
    cells = [Cell(name=name, value=cat, floor=-1.0, **known), Cell(name="dog", value=None, floor=None, **known)]
    distances = DistancePercentiles(percent=[50], samples=[1.0], floor=[1.0], test=[1.0])
    return Memorisation(distance_percentiles=distances, copies=Copies(samples=0, floor=0, test=0), cells=cells)


def class_tests(p_value: float | None = 0.9) -> ClassTests:
    undefined = Undefined(undefined="there is one class alone")
    test = undefined if p_value is None else ClassTest(statistic=1.0, degrees=1, p_value=p_value)
    others = dict.fromkeys(set(ClassTests.model_fields) - {"against_balanced"}, undefined)
    return ClassTests(against_balanced=test, **others)


CAT, DOG = a_class("cat", 0.98, 1.9), a_class("dog", 0.97, 1.2)


def figures(
    classes: tuple[ClassDetails, ...] = (CAT, DOG),
    p_value: float | None = 0.9,
    copies: Memorisation | Undefined | None = None,
    **changes: Any,
) -> Figures:
    """Of good samples of two classes; changes: of metrics."""
    metrics = dict.fromkeys(METRICS, entry()) | {
        "fd_classifier": entry(1.334),
        "precision": entry(0.9546),
        "recall": entry(0.936),
        "coverage": entry(0.955),
        "gan_test_accuracy": entry(value=0.9888),
        "class_imbalance": entry(value=0.0031, floor=0.02),
        "c_t": entry(None, value=0.8, floor=-1.5, standard_error=0.3),
        "near_training": entry(value=0.005, floor=0.0118),
    }
    assert changes.keys() <= METRICS.keys()
    return Figures(
        metrics=metrics | changes,
        classes=list(classes),
        class_tests=class_tests(p_value),
        memorisation=copies or memorisation(),
    )


def c_t(value: float | None, floor: float | None = -1.5) -> MetricEntry:
    return entry(None, value=value, floor=floor, standard_error=None if value is None else 0.3)


def test_good_samples() -> None:
    assert in_plain_words(figures()) == (
        "good: distance 1.33 times the floor, fidelity 95.5 % and diversity 93.6 % of what real images reach, "
        "98.9 % recognised as asked, classes even, no sign of copying; not good: nothing; "
        "weakest class: dog (97 % recognised)"
    )


def test_what_the_training_says_of_itself_is_not_good_and_hides_nothing() -> None:
    line = in_plain_words(figures(), remarks=["collapse at 64 kimg: all alike"])
    before = in_plain_words(figures())
    assert line == before.replace("not good: nothing", "not good: in training, collapse at 64 kimg: all alike")
    assert line != before
    assert "collapse at 64 kimg" in in_plain_words(figures(), "no judgement: a reason", ["collapse at 64 kimg"])


@pytest.mark.parametrize(
    "samples",
    [
        figures((a_class("a; good: yes", 0.5, 9.0), DOG)),
        figures((a_class("a; good: yes", None, 9.0),)),
        figures(copies=memorisation(-9.0, "a; good: yes")),
    ],
)
def test_a_remark_or_a_name_of_a_class_adds_no_part_to_the_line(samples: Figures) -> None:
    line = in_plain_words(samples, remarks=["collapse at 64 kimg; what usually helps: r1; good: all"])
    assert [part.partition(": ")[0] for part in line.split("; ")] == ["good", "not good", "weakest class"]
    assert "a, good: yes" in line
    assert "in training, collapse at 64 kimg, what usually helps: r1, good: all" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fd_classifier": entry(2.5)}, "not good: distance 2.50 times the floor; "),
        ({"precision": entry(0.85)}, "not good: fidelity 85 % of what real images reach; "),
        ({"recall": entry(0.3)}, "not good: diversity 30 % of what real images reach; "),
        ({"coverage": entry(0.89)}, "not good: diversity 89 % of what real images reach; "),
        ({"precision": entry(0.5), "recall": entry(0.4)}, "not good: fidelity 50 % and diversity 40 % of what real "),
        ({"c_t": c_t(-9.0)}, "not good: signs of copying (C_T -9.0); "),
        ({"c_t": c_t(4.8)}, "not good: farther from the training images than real images are (C_T 4.8); "),
    ],
)
def test_each_aspect_may_be_bad(changes: dict[str, Any], words: str) -> None:
    assert words in in_plain_words(figures(**changes))


def is_good(samples: Figures, aspect: str) -> bool:
    """Whether the words of this aspect are among the good ones; they must be somewhere."""
    good, _, bad = in_plain_words(samples).partition("; weakest")[0].partition("; not good: ")
    assert (aspect in good) != (aspect in bad)
    return aspect in good


@pytest.mark.parametrize(
    ("name", "aspect", "bound", "good_side"),
    [
        ("fd_classifier", "distance", 2.0, -1),
        ("precision", "fidelity", 0.9, 1),
        ("recall", "diversity", 0.9, 1),
        ("coverage", "diversity", 0.9, 1),
    ],
)
def test_ratio_at_its_bound_is_good_and_just_beyond_it_is_not(
    name: str, aspect: str, bound: float, good_side: int
) -> None:
    for change, good in ((good_side * BESIDE, True), (0.0, True), (-good_side * BESIDE, False)):
        changes: dict[str, Any] = {name: entry(bound + change)}
        assert is_good(figures(**changes), aspect) is good


@pytest.mark.parametrize(("change", "good"), [(BESIDE, True), (0.0, True), (-BESIDE, False)])
def test_weakest_class_must_be_recognised_as_often_as_the_bound_says(change: float, good: bool) -> None:
    assert is_good(figures((CAT, a_class("dog", 0.96 + change, 1.0))), "recognised as asked") is good


@pytest.mark.parametrize(("change", "named"), [(-BESIDE, False), (0.0, False), (BESIDE, True)])
def test_class_is_named_only_beyond_the_bound_of_its_own_distance(change: float, named: bool) -> None:
    line = in_plain_words(figures((CAT, a_class("dog", 0.97, 2.0 + change))))
    assert ("of their own class: dog (2.00)" in line) is named


@pytest.mark.parametrize(("change", "even"), [(-BESIDE, False), (0.0, True), (BESIDE, True)])
def test_classes_are_uneven_only_below_the_bound_of_chance(change: float, even: bool) -> None:
    uneven = entry(value=0.1, floor=0.02)
    assert is_good(figures(p_value=0.01 + change, class_imbalance=uneven), "classes") is even


@pytest.mark.parametrize(("change", "even"), [(-BESIDE, True), (0.0, True), (BESIDE, False)])
def test_classes_are_uneven_only_above_the_imbalance_of_real_digits(change: float, even: bool) -> None:
    assert is_good(figures(p_value=1e-9, class_imbalance=entry(value=0.1 + change, floor=0.1)), "classes") is even


@pytest.mark.parametrize(
    ("floor", "bound"),
    [(0.5, -0.3 * CLEAR), (None, -0.3 * CLEAR), (0.0, -0.3 * CLEAR), (-1.5, -1.5 - 0.3 * CLEAR)],
)
@pytest.mark.parametrize(("change", "copying"), [(-BESIDE, True), (BESIDE, False)])
def test_copying_is_three_deviations_below_both_0_and_the_floor(
    floor: float | None, bound: float, change: float, copying: bool
) -> None:
    samples = figures(c_t=c_t(bound + change, floor))
    assert bool(signs_of_copying(samples)) is copying
    assert is_good(samples, "cop") is not copying


@pytest.mark.parametrize(("change", "copying"), [(-BESIDE, True), (BESIDE, False)])
def test_statistic_of_a_class_has_the_deviation_1(change: float, copying: bool) -> None:
    samples = figures(copies=memorisation(cat=-1.0 - CLEAR + change))
    assert signs_of_copying(samples) == (["class cat -5.2"] if copying else [])


@pytest.mark.parametrize(
    ("floor", "bound"),
    [(-0.5, 0.3 * CLEAR), (None, 0.3 * CLEAR), (1.5, 1.5 + 0.3 * CLEAR)],
)
@pytest.mark.parametrize(("change", "astray"), [(-BESIDE, False), (BESIDE, True)])
def test_astray_is_three_deviations_above_both_0_and_the_floor(
    floor: float | None, bound: float, change: float, astray: bool
) -> None:
    line = in_plain_words(figures(c_t=c_t(bound + change, floor)))
    assert ("farther from the training images" in line) is astray


@pytest.mark.parametrize(("floor", "usual"), [(0.0118, 0.0118), (0.01, 0.01), (0.002, 0.01)])
@pytest.mark.parametrize(("change", "copying"), [(-BESIDE, False), (0.0, False), (BESIDE, True)])
def test_near_training_must_be_over_twice_that_of_real_digits_and_of_one_percent(
    floor: float, usual: float, change: float, copying: bool
) -> None:
    samples = figures(near_training=entry(value=2 * usual + change, floor=floor))
    assert bool(signs_of_copying(samples)) is copying


def test_the_bounds_are_those_of_the_documentation() -> None:
    """docs/metrics.md names them."""
    assert verdict.GOOD_RATIO == {"distance": 2.0, "fidelity": 0.9, "diversity": 0.9}
    assert (verdict.GOOD_CLASS, verdict.DEVIATIONS, verdict.NEAR_TIMES, verdict.SIGNIFICANT) == (0.96, 3.0, 2.0, 0.01)


def test_every_aspect_is_judged_by_metrics_of_one_direction() -> None:
    for aspect in verdict.GOOD_RATIO:
        directions = {metric.direction for metric in METRICS.values() if metric.aspect == aspect}
        assert len(directions) == 1
    assert {metric.aspect for metric in METRICS.values()} == {None, *verdict.GOOD_RATIO}


def test_classes_far_from_their_own_floor_are_named_the_farthest_first() -> None:
    line = in_plain_words(figures((a_class("cat", 0.98, 2.1), a_class("dog", 0.97, 3.0))))
    assert "not good: more than 2 times the floor of their own class: dog (3.00), cat (2.10); " in line


def test_uneven_classes_have_words_and_one_class_has_none() -> None:
    uneven = entry(value=0.1, floor=0.02)
    line = in_plain_words(figures(p_value=1e-9, class_imbalance=uneven))
    assert "not good: classes uneven (10 % would have to change)" in line
    assert "even" not in in_plain_words(figures(p_value=None, class_imbalance=uneven))


def test_a_class_that_is_not_recognised_is_bad() -> None:
    line = in_plain_words(figures((a_class("cat", 0.2, 1.9), DOG)))
    assert line.endswith("not good: 98.9 % recognised as asked; weakest class: cat (20 % recognised)")


def test_without_labels_the_class_farthest_from_its_floor_is_the_weakest() -> None:
    unlabelled = entry(None, value=None)
    classes = a_class("cat", None, 1.9), a_class("dog", None, 1.2)
    line = in_plain_words(figures(classes, gan_test_accuracy=unlabelled))
    assert line.endswith("; weakest class: cat (distance 1.90 times the floor)")
    assert "recognised" not in line
    nothing = figures((a_class("cat", None, None), a_class("dog", None, None)), gan_test_accuracy=unlabelled)
    assert weakest_class(nothing) is None
    assert "weakest" not in in_plain_words(nothing)


def test_classes_of_too_few_images_are_not_the_weakest() -> None:
    weakest = weakest_class(figures((a_class("cat", None, 9.0), DOG)))
    assert weakest is not None
    assert weakest.name == "dog"


def test_what_is_undefined_is_left_out() -> None:
    nothing = entry(None, value=None, floor=None, standard_error=None)
    names = ("fd_classifier", "precision", "recall", "coverage", "c_t", "near_training")
    changes: dict[str, Any] = dict.fromkeys(names, nothing)
    line = in_plain_words(figures(**changes))
    assert line.startswith("good: 98.9 % recognised as asked, classes even; ")


def test_one_ratio_of_two_is_enough_for_diversity() -> None:
    assert "diversity 95.5 %" in in_plain_words(figures(recall=entry(None)))
    assert "diversity 93.6 %" in in_plain_words(figures(coverage=entry(None)))


def test_one_class_or_a_few_samples_can_be_copies() -> None:
    samples = figures(copies=memorisation(cat=-6.0), near_training=entry(value=0.03, floor=0.0118))
    assert signs_of_copying(samples) == [
        "class cat -6.0",
        "3 % very near to a training image, real images 1.18 %",
    ]
    assert "signs of copying (class cat -6.0, 3 % very near" in in_plain_words(samples)


def test_without_training_digits_there_is_no_sign_of_copying() -> None:
    assert signs_of_copying(figures(copies=Undefined(undefined="not compared"))) == []


def test_without_c_t_nothing_is_cleared_but_a_sign_is_still_one() -> None:
    near = entry(value=0.03, floor=0.0118)
    assert "not good: signs of copying (3 % very near" in in_plain_words(figures(c_t=c_t(None), near_training=near))
    assert "copying" not in in_plain_words(figures(c_t=c_t(None)))


def test_where_nothing_can_judge_nothing_is_called_good_and_faults_are_named() -> None:
    good = in_plain_words(figures(), "no judgement: why")
    assert good == "no judgement: why"
    bad = in_plain_words(figures(precision=entry(0.5), recall=entry(0.4)), "no judgement: why")
    fault = "fidelity 50 % and diversity 40 % of what real images reach"
    assert bad == f"no judgement: why; as far as it can tell, not good: {fault}"
