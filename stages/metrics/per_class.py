"""The distances of one class of samples to the test digits of that class, beside as many real digits in their place."""

from typing import Any

import torch
from torch import Tensor

from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.registry import Comparison, Embedded

LEAST_IN_CLASS = 3
"""What the standard error of the kernel distance needs."""


def class_distances(samples: Comparison, floor: Comparison) -> list[dict[str, Any]]:
    """For each class fd and kd with their floors, at one count: the first samples and as many validation digits.

    A class of samples is the one asked for, or the one recognised if none was. At some 1,000 images the bias of fd
    is large, and larger for the classes with more variance: only the ratio to the floor compares classes.
    """
    return [_one_class(label, samples, floor) for label in range(samples.num_classes)]


def _one_class(label: int, samples: Comparison, floor: Comparison) -> dict[str, Any]:
    reference, candidate, real = (
        _of_class(one, label) for one in (samples.reference, samples.candidate, floor.candidate)
    )
    count = min(len(candidate), len(real))
    if min(count, len(reference)) < LEAST_IN_CLASS:
        return {"num_images": count, "undefined": f"fewer than {LEAST_IN_CLASS} samples or digits of this class"}
    candidate, real = candidate[:count], real[:count]
    fd, fd_floor = frechet_distance(reference, candidate), frechet_distance(reference, real)
    kd, kd_floor = kernel_distance(reference, candidate), kernel_distance(reference, real)
    return {
        "num_images": count,
        "fd_classifier": {"value": fd, "floor": fd_floor, "ratio": fd / fd_floor if fd_floor > 0 else None},
        "kd_classifier": {
            "value": kd.value,
            "standard_error": kd.standard_error,
            "floor": kd_floor.value,
            "floor_standard_error": kd_floor.standard_error,
        },
    }


def _of_class(digits: Embedded, label: int) -> Tensor:
    labels = digits.recognised if digits.labels is None else digits.labels
    return digits.features[torch.nonzero(labels == label).squeeze(1)]  # [images of the class, F]
