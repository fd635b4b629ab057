"""Metrics of torch-fidelity and torchmetrics for the images of tests/feature_sets.py, on their pooled pixels."""

import warnings
from typing import Any

import torch
import torch_fidelity
from torch import Tensor, nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from tests.feature_sets import NUM_IMAGES, Images, pool


class PooledPixels(FeatureExtractorBase):  # type: ignore[misc]
    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("64",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "64"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    def forward(self, levels: Tensor) -> tuple[Tensor]:
        return (pool(levels),)


def by_torch_fidelity(real: Images, fake: Images) -> dict[str, float]:
    """The generated set is its input 1."""
    torch_fidelity.register_feature_extractor("pooled-pixels", PooledPixels)
    metrics: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=fake,
        input2=real,
        feature_extractor="pooled-pixels",
        fid=True,
        kid=True,
        kid_subsets=1,
        kid_subset_size=NUM_IMAGES,  # all of them: nothing is left to chance
        prc=True,
        prc_neighborhood=3,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    return metrics


class PooledPixelsModule(nn.Module):
    """The same extractor in the form that torchmetrics expects."""

    num_features = 64

    def forward(self, levels: Tensor) -> Tensor:
        return pool(levels)


def by_torchmetrics(real: Images, fake: Images) -> dict[str, float]:
    size = (3, 16, 16)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all extracted features")
        distances: dict[str, Any] = {
            "fid": FrechetInceptionDistance(PooledPixelsModule(), input_img_size=size).set_dtype(torch.float64),
            "kid": KernelInceptionDistance(PooledPixelsModule(), subsets=1, subset_size=NUM_IMAGES),
        }
    for distance in distances.values():
        for images, is_real in zip((real, fake), (True, False), strict=True):
            distance.update(images.levels, real=is_real)
    return {"fid": distances["fid"].compute().item(), "kid": distances["kid"].compute()[0].item()}
