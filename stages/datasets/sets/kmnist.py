"""Kuzushiji-MNIST, cursive Japanese characters in MNIST's form (Clanuwat et al. 2018). Licence: CC BY-SA 4.0.

A class is a character of modern hiragana, written in any of its old forms. The SHA-256 are those that TensorFlow
Datasets publishes, of the compressed files.
"""

from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror

DATASET = Dataset(
    sources=(Mirror("http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),),
    classes=tuple("おきすつなはまやれを"),
    files={
        "train-images-idx3-ubyte": File(
            47_040_016, published="51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"
        ),
        "train-labels-idx1-ubyte": File(
            60_008, published="e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"
        ),
        "t10k-images-idx3-ubyte": File(
            7_840_016, published="edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"
        ),
        "t10k-labels-idx1-ubyte": File(
            10_008, published="20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"
        ),
    },
    format=idx.unchanged,
    # The simple CNN of the paper reaches 95 %.
    least_accuracy=0.9,
    num_images=(60_000, 10_000),
)
