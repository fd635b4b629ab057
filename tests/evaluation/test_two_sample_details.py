"""The plain words of a two-sample test."""

from stages.evaluation.beside_floor import BesideFloor, beside_floor
from stages.evaluation.scores import Score
from stages.evaluation.two_sample import LINEAR, VIEWS
from stages.evaluation.two_sample_details import FEW, JudgedEntry, in_plain_words
from stages.metrics.resampling import Resampler

SCORES = {"two_sample": (0.983, 0.501), "two_sample_thresholded": (0.612, 0.497), LINEAR: (0.521, 0.504)}


def entry(value: float | None, floor: float | None, undefined: str | None = None) -> BesideFloor:
    return beside_floor(Score(value, undefined=undefined), Score(floor, undefined=undefined), Resampler(1))


METRICS = {
    name: JudgedEntry(**dict(entry(value, floor)), seeds=[value], floor_seeds=[floor])
    for name, (value, floor) in SCORES.items()
}


def test_each_figure_is_named_beside_its_floor() -> None:
    assert list(METRICS) == [*VIEWS, LINEAR]
    line = in_plain_words(METRICS, entry(0.04, 0.02), FEW, None)
    assert "98.3 % of cases on pixels, 61.2 % in black and white, 52.1 % on the classifier's features" in line
    assert "50.1 %, 49.7 %, 50.4 %" in line
    assert line.endswith("the samples are 2.00 times as far as real images")


def test_the_second_opinion_is_given_with_its_interval() -> None:
    second = entry(0.04, 0.02)
    for interval, shown in (([1.0, 3.126], "real images (1.00 to 3.13)"), ([1.5, None], "real images (1.50 to open)")):
        line = in_plain_words(METRICS, second.model_copy(update={"ratio_interval": interval}), FEW, None)
        assert line.endswith(shown)


def test_judges_that_learned_from_few_samples_are_not_trusted() -> None:
    assert "fewer than" not in in_plain_words(METRICS, entry(0.04, 0.02), FEW, None)
    assert in_plain_words(METRICS, entry(0.04, 0.02), FEW - 1, None).endswith("50 % says little")


def test_without_a_second_opinion_nothing_is_said_of_it() -> None:
    assert "another network" not in in_plain_words(METRICS, entry(None, None, "one class"), FEW, None)


def test_a_classifier_that_cannot_judge_comes_first() -> None:
    line = in_plain_words(METRICS, entry(0.04, 0.02), FEW, "no judgement: the classifier recognises 12 %")
    assert line.startswith("no judgement: the classifier recognises 12 %, and its features say nothing; judges tell")
