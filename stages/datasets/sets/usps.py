"""USPS, digits of postcodes on envelopes, 16 x 16 pixels: 7,291 for training, 2,007 for tests (Hull 1994; Le Cun 1989).

The stage normalize puts them in the middle of 28 x 28 pixels, as they are: exact, and no pixel is invented. No licence
is stated. The MD5 are those that torchvision publishes, of the compressed files.
"""

from stages.datasets.formats.libsvm import libsvm
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror

DATASET = Dataset(
    sources=(Mirror("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"),),
    classes=tuple("0123456789"),
    files={
        "usps.bz2": File(6_579_383, published="ec16c51db3855ca6c91edd34d0e9b197"),
        "usps.t.bz2": File(1_831_726, published="8ea070ee2aca1ac39742fdd1ef5ed118"),
    },
    format=libsvm(("usps.bz2", "usps.t.bz2"), side=16),
    # The test digits are harder than those to learn from: people mistake 2.5 % of them, a first CNN 5 % (Le Cun 1989).
    least_accuracy=0.9,
    num_images=(7_291, 2_007),
)
