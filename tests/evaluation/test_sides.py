"""Which images are compared by the two-sample test."""

import pytest
import torch

from stages.common.errors import UserError
from stages.common.images import NO_LABEL, ImageSet
from stages.evaluation.sides import floor_sides, shuffled, sides, thresholded


def numbered(labels: list[int], start: int = 0) -> ImageSet:
    """Images of one value each: their number from `start`, in thousandths."""
    values = (torch.arange(len(labels)) + start) / 1000
    return ImageSet(values.view(-1, 1, 1, 1).expand(-1, 1, 4, 4), torch.tensor(labels), ["a", "b", "c"])


def numbers(images: ImageSet) -> list[int]:
    return (images.images[:, 0, 0, 0] * 1000).round().int().tolist()


TRAIN = numbered([0] * 30 + [1] * 50 + [2] * 20)
TEST = numbered([2] * 40 + [1] * 6 + [0] * 30)
SAMPLES = numbered([0, 1] * 30)


def test_both_sides_have_as_many_of_every_class_of_the_samples() -> None:
    chosen = sides(TRAIN, TEST, SAMPLES, num_train=40, num_test=20)
    for real, candidates, each in (
        (chosen.train_real, chosen.train_candidates, 20),
        (chosen.test_real, chosen.test_candidates, 6),  # TEST has six of class 1
    ):
        assert torch.bincount(real.labels).tolist() == torch.bincount(candidates.labels).tolist() == [each, each]


def test_no_candidate_is_both_learned_from_and_tested() -> None:
    chosen = sides(TRAIN, TEST, SAMPLES, num_train=10_000, num_test=5_000)
    assert not set(numbers(chosen.train_candidates)) & set(numbers(chosen.test_candidates))
    assert len(chosen.train_candidates) == 40  # two thirds of 30 a class


def test_the_first_images_are_taken() -> None:
    chosen = sides(TRAIN, TEST, SAMPLES, num_train=4, num_test=4)
    assert numbers(chosen.train_candidates) == [0, 1, 2, 3]
    assert numbers(chosen.test_candidates) == [4, 5, 6, 7]
    assert numbers(chosen.train_real) == [0, 1, 30, 31]
    assert numbers(chosen.test_real) == [40, 41, 46, 47]


def test_candidates_without_labels_are_taken_as_they_come() -> None:
    chosen = sides(TRAIN, TEST, numbered([NO_LABEL] * 30), num_train=20, num_test=10)
    assert numbers(chosen.train_candidates) == numbers(chosen.train_real) == list(range(20))
    assert numbers(chosen.test_candidates) == list(range(20, 30))
    assert numbers(chosen.test_real) == list(range(10))


def test_a_judge_learns_zero_for_digits_and_one_for_candidates() -> None:
    learned = sides(TRAIN, TEST, SAMPLES, num_train=4, num_test=4).to_learn
    assert learned.labels.tolist() == [0] * 4 + [1] * 4
    assert numbers(learned) == [0, 1, 30, 31, 0, 1, 2, 3]


def test_for_the_floor_every_digit_to_learn_from_or_in_the_candidates_place_is_another_validation_digit() -> None:
    validation = numbered([0, 1, 2] * 30, start=200)
    chosen = floor_sides(validation, TEST, num_train=1000, num_test=500)
    parts = [numbers(part) for part in (chosen.train_real, chosen.train_candidates, chosen.test_candidates)]
    assert [len(part) for part in parts] == [30, 30, 18]  # TEST has six of class 1
    assert len({number for part in parts for number in part}) == 78
    assert min(map(min, parts)) >= 200
    assert max(numbers(chosen.test_real)) < 200


def test_shuffled_digits_are_the_same_with_their_labels_in_an_order_of_the_seed() -> None:
    first, second = (shuffled(TRAIN, seed, "train") for seed in (1, 2))
    assert sorted(numbers(first)) == numbers(TRAIN) != numbers(first) != numbers(second)
    assert [TRAIN.labels[number] for number in numbers(first)] == first.labels.tolist()


@pytest.mark.parametrize(
    ("train", "test", "samples", "num_train"),
    [
        pytest.param(TRAIN, TEST, numbered([0, 1, 0, 1]), 40, id="few samples"),
        pytest.param(TRAIN, TEST, numbered([0] * 40 + [1]), 40, id="one class has a single sample"),
        pytest.param(numbered([0] * 40), TEST, SAMPLES, 40, id="a class that no training image has"),
        pytest.param(TRAIN, numbered([1] * 40), SAMPLES, 40, id="a class that no test image has"),
        pytest.param(TRAIN, TEST, SAMPLES, 3, id="fewer to learn from than two a class"),
    ],
)
def test_too_few_are_refused(train: ImageSet, test: ImageSet, samples: ImageSet, num_train: int) -> None:
    with pytest.raises(UserError, match=r"^two_sample: too few images of a class: expected 2 of each side to learn"):
        sides(train, test, samples, num_train, num_test=20)


def test_thresholded_images_are_black_and_white() -> None:
    assert thresholded(torch.tensor([-1.0, -0.01, 0.0, 0.01, 1.0])).tolist() == [-1, -1, -1, 1, 1]
