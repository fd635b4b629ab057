"""What the splits of EMNIST share: digits and letters by hand in MNIST's form (Cohen et al. 2017), from one archive.

They are made from NIST Special Database 19, which the USA publish without restrictions. The SHA-256 is that which
TensorFlow Datasets publishes; torchvision's MD5 is of the same file.
"""

from stages.datasets.formats.emnist import ARCHIVE, emnist
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror

DIGITS = tuple("0123456789")
CAPITALS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SMALL = tuple("abcdefghijklmnopqrstuvwxyz")
MERGED = (*DIGITS, *CAPITALS, *"abdefghnqrt")
"""Without the small letters that look like their capitals."""


def emnist_split(
    split: str, classes: tuple[str, ...], num_images: tuple[int, int], least_accuracy: float, first_label: int = 0
) -> Dataset:
    """The dataset of one split; num_images: to learn from and for tests; first_label: from which its files count."""
    return Dataset(
        sources=(
            Mirror("https://biometrics.nist.gov/cs_links/EMNIST/"),
            Mirror("https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"),
        ),
        classes=classes,
        files={ARCHIVE: File(561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e")},
        format=emnist(split, first_label),
        least_accuracy=least_accuracy,
        num_images=num_images,
    )
