"""QMNIST, MNIST made again from NIST's forms, with 60,000 test digits (Yadav and Bottou 2019). Licence: BSD-3-Clause.

The MD5 are those that torchvision publishes, of the compressed files.
"""

from stages.datasets.formats.qmnist import qmnist
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror

IMAGES_BYTES, LABELS_BYTES = 16 + 60_000 * 28 * 28, 12 + 60_000 * 8 * 4

DATASET = Dataset(
    sources=(Mirror("https://raw.githubusercontent.com/facebookresearch/qmnist/master/"),),
    classes=tuple("0123456789"),
    files={
        "qmnist-train-images-idx3-ubyte": File(IMAGES_BYTES, published="ed72d4157d28c017586c42bc6afe6370"),
        "qmnist-train-labels-idx2-int": File(LABELS_BYTES, published="0058f8dd561b90ffdd0f734c6a30e5e4"),
        "qmnist-test-images-idx3-ubyte": File(IMAGES_BYTES, published="1394631089c404de565df7b7aeaf9412"),
        "qmnist-test-labels-idx2-int": File(LABELS_BYTES, published="5b5b05890a5e13444e108efe57b788aa"),
    },
    format=qmnist,
    num_images=(60_000, 60_000),
)
