"""What a training keeps and when: a bounded number of pictures, snapshots, and nothing in the other processes."""

import pytest
import torch

from stages import train_gan
from stages.common.images import ImageSet
from stages.gan.loop import PICTURE, SNAPSHOT, Loop, rises
from stages.gan.pictures import MOST_EPOCHS, epochs_between
from stages.gan.team import Team
from tests.gan_params import gan_params
from tools.profiles import TRAINING


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    images = torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return ImageSet(images, torch.arange(200) % 10, [str(label) for label in range(10)])


def loop(digits: ImageSet, **changes: object) -> Loop:
    params, options = gan_params(TRAINING, **changes)
    return train_gan.build_loop(params, options, digits, torch.device("cpu"), Team(params.shards), [])


def seen(training: Loop, steps: int) -> list[str]:
    """The names that the steps up to that one make, by asking at every step."""
    settings, order = training.trainer.settings, training.trainer.batches.order
    every = -(-order.epochs_done(settings.total_steps * settings.d_steps) // MOST_EPOCHS) or 1
    names, before, due_before = ["picture.real.png"], 0, 0
    for step in range(1, steps + 1):
        epochs, due = order.epochs_done(step * settings.d_steps), settings.snapshots_due(step)
        if epochs // every > before // every:
            names.append(f"picture.epoch_{epochs:04}.png")
        if step == settings.total_steps:
            names.append("picture.final.png")
        if due > due_before:
            names.append(f"snapshot.{step}")
        before, due_before = epochs, due
    return sorted(names)


@pytest.mark.parametrize("total_kimg", [0.2, 4.84, 20, 20.2, 61, 400])
@pytest.mark.parametrize("changes", [{}, {"d_steps": 7}, {"snapshot_kimg": 0.03}, {"batch_size": 12, "d_steps": 2}])
def test_the_names_of_what_is_finished_are_known_without_walking_through_the_steps(
    total_kimg: float, changes: dict[str, float], digits: ImageSet
) -> None:
    training = loop(digits, total_kimg=total_kimg, **changes)
    total = training.trainer.settings.total_steps
    for steps in {1, 2, total // 3, total - 1, total} - {0}:
        assert sorted(training.names_due(steps)) == seen(training, steps)
    pictures = [name for name in training.names_due(total) if name.startswith(PICTURE)]
    assert len(pictures) <= MOST_EPOCHS + 2


@pytest.mark.parametrize(("epochs", "between"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3), (10_000, 100)])
def test_epochs_between_two_pictures(epochs: int, between: int) -> None:
    assert epochs_between(epochs) == between


def test_the_steps_of_a_long_training_are_not_counted_one_by_one() -> None:
    asked: list[int] = []

    def count(step: int) -> int:
        asked.append(step)
        return step // 250_000_000

    assert list(rises(count, 10**9)) == [250_000_000, 500_000_000, 750_000_000, 1_000_000_000]
    assert len(asked) < 500


def test_what_a_step_keeps_is_what_is_due(digits: ImageSet) -> None:
    training = loop(digits, total_kimg=0.48, snapshot_kimg=0.1)
    while not training.is_done:
        training.step()
        assert sorted(training.journal.names()) == sorted(training.names_due(training.steps_done))
    assert len(training.journal.names(SNAPSHOT)) == 4


def test_rows_of_the_history_do_not_wait_for_a_checkpoint(digits: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.gan.loop.ROWS_AT_ONCE", 3)
    training = loop(digits, total_kimg=0.28, history_steps=1)
    while not training.is_done:
        training.step()
    assert training.journal.names("history.") == ["history.3", "history.6"]
    assert training.journal.read("history.6").count(b"\n") == 3
    assert len(training.history.rows) == 1
