"""The Fréchet distance on the features of another network than the classifier, so that tuning to that one shows."""

from torch import Tensor

from stages.classifier.judge import Judge
from stages.common.blocks import in_blocks
from stages.common.cores import available_cores
from stages.common.images import ImageSet
from stages.common.records import Record
from stages.evaluation.beside_floor import BesideFloor, beside_floor
from stages.evaluation.protocol import Split
from stages.evaluation.scores import Score, estimated
from stages.metrics.frechet import frechet_estimate
from stages.metrics.resampling import Resampler

ONE_CLASS = "a single class: a network that learns to recognise it learns nothing"


class SecondProtocol(Record):
    """What the second opinion depends on. num_images: samples, and as many validation digits for the floor.

    num_train: training digits that the network learned from; test_accuracy: the share of the test digits it recognises.
    """

    num_images: int
    reference: Split
    num_train: int
    test_accuracy: float


def second_opinion(network: Judge | None, images: dict[str, ImageSet], count: int, seed: int) -> BesideFloor:
    """The distance of the first `count` samples to the test digits, beside that of as many validation digits.

    network: one that recognises digits, or None if there is none; seed: of resampling.
    """
    if network is None:
        undefined = Score(None, undefined=ONE_CLASS)
        return beside_floor(undefined, undefined, Resampler(seed))
    reference = _features(network, images["test"])
    score, floor = (
        estimated(frechet_estimate(reference, _features(network, candidates.select(slice(count)))), never_negative=True)
        for candidates in (images["samples"], images["validation"])
    )
    return beside_floor(score, floor, Resampler(seed))


def second_protocol(network: Judge | None, test: ImageSet, count: int, num_train: int) -> SecondProtocol | None:
    """The protocol of second_opinion; None without a network. num_train: digits that the network learned from."""
    if network is None:
        return None
    recognised = in_blocks(network, test.images, threads=available_cores()).argmax(dim=1)
    return SecondProtocol(
        num_images=count,
        reference=Split(split="test", num_images=len(test)),
        num_train=num_train,
        test_accuracy=(recognised == test.labels).double().mean().item(),
    )


def _features(network: Judge, digits: ImageSet) -> Tensor:
    return in_blocks(network.features, digits.images, threads=available_cores(), description="features of images")
