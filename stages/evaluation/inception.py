"""The Inception network that papers compare by: torch-fidelity's port of the original weights, and its features."""

import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from stages.common.blocks import in_blocks
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import write_bytes
from stages.common.images import ImageSet, to_colours, to_levels
from stages.common.runtime import inception_weights
from stages.datasets.sources.base import File, FileError, SourceError
from stages.datasets.sources.folder import read_regular
from stages.datasets.sources.mirror import Mirror
from stages.evaluation.embedded import Embedded

WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of the file that pytorch-fid and torch-fidelity use: weights-inception-2015-12-05-6726825d.pth."""
MOST_BYTES = 100 << 20
"""Of that file, at most: what is longer is another one, and is neither downloaded nor hashed."""
BLOCK_SIZE = 50
"""Images at once: 299 x 299 pixels of 192 channels need room."""
FEATURES = "2048"
"""torch-fidelity's name of the last pooled features, those of FID."""
FORCE_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def load_inception() -> nn.Module:
    """The network in evaluation mode: uint8 [B, 3, H, W] to a tuple of one tensor, float32 [B, 2048].

    The weights are those that GAN_INCEPTION_WEIGHTS names, else they are downloaded once. Raises UserError if they
    cannot be obtained, are not those that papers use, or hold more than tensors.
    """
    # Slow to import, and needed under this protocol alone.
    from torch_fidelity.feature_extractor_inceptionv3 import (  # noqa: PLC0415
        URL_INCEPTION_V3,
        FeatureExtractorInceptionV3,
    )

    path = inception_weights() or _downloaded(URL_INCEPTION_V3)
    if not path.is_file():
        raise UserError(f"GAN_INCEPTION_WEIGHTS: expected a file of weights, found none at {path}")
    _require_weights(path)
    try:
        with _tensors_only():
            return FeatureExtractorInceptionV3("inception", [FEATURES], feature_extractor_weights_path=str(path))
    except (pickle.UnpicklingError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: expected the tensors of the Inception network and nothing else ({reason})") from None


def inception_features(inception: nn.Module, images: Tensor) -> Tensor:
    """Features float32 [N, 2048] of images float32 [N, C, H, W] in [-1, 1]; C is 1 (grey, shown as RGB) or 3."""
    colours = to_colours(to_levels(images))
    return in_blocks(
        lambda block: inception(block)[0],
        colours,
        size=BLOCK_SIZE,
        threads=available_cores(),
        description="Inception features",
    )


def features_of_first(inception: nn.Module, images: dict[str, ImageSet], counts: dict[str, int]) -> dict[str, Tensor]:
    """Features of the first images of each set that counts names: as many as it says, or all if it says more."""
    return {name: inception_features(inception, images[name].images[:count]) for name, count in counts.items() if count}


def embed_again(sets: dict[str, Embedded], features: dict[str, Tensor]) -> dict[str, Embedded]:
    """The same sets with Inception features [at least N, 2048] in the place of the classifier's [N, F]."""
    return {name: replace(each, features=features[name][: len(each.features)]) for name, each in sets.items()}


def _require_weights(path: Path) -> None:
    """Raise UserError if the file is not the one that papers use; its size is looked at before it is read."""
    try:
        actual = hashlib.sha256(read_regular(path, MOST_BYTES)).hexdigest()
    except FileError as error:
        actual = f"a file that {error}"
    if actual != WEIGHTS_SHA256:
        raise UserError(f"{path}: expected the weights of SHA-256 {WEIGHTS_SHA256}, found {actual}")


def _downloaded(url: str) -> Path:
    """The weights in torch's own cache, downloaded if they are not there yet. Raises UserError if that fails."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        try:
            _write(path, _fetched(url))
        except OSError as error:
            raise UserError(
                f"evaluate.protocol inception needs {path.name}, and {path.parent} cannot keep it "
                f"({error.strerror or error}); name another folder in TORCH_HOME, or the file in GAN_INCEPTION_WEIGHTS"
            ) from None
    return path


def _fetched(url: str) -> bytes:
    """The verified weights from that address, within the bounds of any source of data. Raises UserError."""
    folder, _, name = url.rpartition("/")
    try:
        with Mirror(folder).open(MOST_BYTES) as fetch:
            return fetch(name, File(MOST_BYTES, WEIGHTS_SHA256))
    except (FileError, SourceError) as error:
        raise UserError(
            f"evaluate.protocol inception needs {name}, and {url} did not give it ({error}); download it "
            "elsewhere and name the file in GAN_INCEPTION_WEIGHTS, or set evaluate.protocol to classifier"
        ) from None


def _write(path: Path, content: bytes) -> None:
    """Write a file that runs of several projects may write at once: each under a name of its own first."""
    own = path.with_name(f"{path.name}.{os.getpid()}")
    write_bytes(own, content)
    own.replace(path)


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch-fidelity unpickles anything that a file holds; this makes torch.load accept tensors alone."""
    before = os.environ.get(FORCE_WEIGHTS_ONLY)
    os.environ[FORCE_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        del os.environ[FORCE_WEIGHTS_ONLY]
        if before is not None:
            os.environ[FORCE_WEIGHTS_ONLY] = before
