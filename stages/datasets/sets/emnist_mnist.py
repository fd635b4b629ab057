"""EMNIST mnist: 60,000 digits for training and 10,000 for tests, made as MNIST's were."""

from stages.datasets.sets._emnist import DIGITS, emnist_split

# As for MNIST, where networks reach more than 99 %.
DATASET = emnist_split("mnist", DIGITS, num_images=(60_000, 10_000), least_accuracy=0.97)
