"""EMNIST letters: 26 classes, capitals and small letters in one, 124,800 for training and 20,800 for tests."""

from stages.datasets.sets._emnist import CAPITALS, emnist_split

# Networks of the literature reach 91 to 95 %; I and L look alike.
DATASET = emnist_split("letters", CAPITALS, num_images=(124_800, 20_800), least_accuracy=0.87, first_label=1)
