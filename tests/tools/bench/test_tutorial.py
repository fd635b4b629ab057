"""The tutorial's loop trains the networks of params.yaml, on digits as the pipeline holds them."""

import gzip
from itertools import islice

import pytest
import torch

from stages.gan.penalties import squared_gradient_norms
from tools.bench.training import COUNT, DIGITS, levels_and_labels, read_settings, repeated_digits
from tools.bench.tutorial import endless, loader, penalties, train
from tools.profiles import TRAINING, combined


def test_the_digits_are_those_of_the_tests_repeated() -> None:
    digits = repeated_digits()
    assert digits.images.shape == (COUNT, 1, 28, 28)
    assert digits.images.amin() == -1
    assert digits.images.amax() == 1
    labels = gzip.decompress((DIGITS / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert bytes(digits.labels[: len(labels)].tolist()) == labels
    assert torch.equal(digits.images[len(labels)], digits.images[0])


def test_its_images_are_those_of_the_pipeline() -> None:
    """One at a time through a picture, but the same values."""
    batches, images = loader(4), repeated_digits().images
    for number in (7, 1207):  # the second is a repeated one
        image, label = batches.dataset[number]
        torch.testing.assert_close(image, images[number])
        assert label == levels_and_labels()[1][7]


def test_it_trains_both_players() -> None:
    """D's loss falls below that of a D that knows nothing, 2 log 2."""
    params, options = read_settings(TRAINING)
    losses = list(islice(train(params, options, endless(loader(params.batch_size))), 12))
    assert losses[0][0] == pytest.approx(1.386, abs=0.1)
    assert losses[-1][0] < 1.3


def test_penalties_are_on_the_whole_batch_with_their_weight() -> None:
    changes = combined(TRAINING, {"train_gan": {"penalties": {"r1": {"weight": 3.0, "part": 0.25, "interval": 4}}}})
    params, _ = read_settings(changes)
    images = torch.randn(8, 1, 28, 28, requires_grad=True)
    logits = images.square().sum(dim=(1, 2, 3))  # its gradient is twice the images
    expected = 3 / 2 * 4 * images.square().sum(dim=(1, 2, 3)).mean()
    actual = penalties(params, torch.nn.Identity(), images, images, logits, torch.zeros(8))
    torch.testing.assert_close(actual, expected)
    assert squared_gradient_norms(logits, images).shape == (8,)
