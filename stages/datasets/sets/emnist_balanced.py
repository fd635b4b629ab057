"""EMNIST balanced: 47 classes of digits and letters, 2,400 of each for training and 400 for tests."""

from stages.datasets.sets._emnist import MERGED, emnist_split

# Networks of the literature reach 86 to 91 %; many letters look alike.
DATASET = emnist_split("balanced", MERGED, num_images=(112_800, 18_800), least_accuracy=0.8)
