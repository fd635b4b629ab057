"""EMNIST bymerge: the images of byclass in 47 classes, small letters that look like their capitals merged with them."""

from stages.datasets.sets._emnist import MERGED, emnist_split

# Networks of the literature reach 87 to 91 %.
DATASET = emnist_split("bymerge", MERGED, num_images=(697_932, 116_323), least_accuracy=0.83)
