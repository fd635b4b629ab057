"""Fashion-MNIST, articles of clothing in MNIST's form (Xiao, Rasul and Vollgraf 2017). Licence: MIT.

The SHA-256 are of files in Debian's package. With the name and time that gzip's header has at the mirror put back, they
are the published files to the byte.
"""

from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.apt import AptPackage
from stages.datasets.sources.base import File
from stages.datasets.sources.mirror import Mirror

DATASET = Dataset(
    sources=(
        Mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        AptPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    ),
    classes=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    files={
        "train-images-idx3-ubyte": File(47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        "train-labels-idx1-ubyte": File(60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        "t10k-images-idx3-ubyte": File(7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        "t10k-labels-idx1-ubyte": File(10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    },
    format=idx.unchanged,
    # The classifier of this project recognises 92 %: shirts, coats and pullovers look alike.
    least_accuracy=0.85,
    num_images=(60_000, 10_000),
)
