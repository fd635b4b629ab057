"""EMNIST digits: 24,000 of each for training and 4,000 for tests."""

from stages.datasets.sets._emnist import DIGITS, emnist_split

# As for MNIST, where networks reach more than 99 %.
DATASET = emnist_split("digits", DIGITS, num_images=(240_000, 40_000), least_accuracy=0.97)
