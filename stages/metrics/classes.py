"""Metrics of recognised classes: against the labels, against equal shares, and against those of another set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stages.metrics.resampling import Estimate, Influences, centred, mean_over_candidates


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's statistic, its degrees of freedom, and the probability of one at least as large by chance."""

    statistic: float
    degrees: int
    p_value: float


def gan_test_accuracy(labels: Tensor, recognised: Tensor) -> Estimate:
    """The share of samples recognised as their label, classes int64 [N] both, in [0, 1].

    GAN-test of Shmelkov et al. 2018, "How good is my GAN?": the classifier learned from real digits only.
    """
    return mean_over_candidates(labels == recognised)


def class_histogram(labels: Tensor, num_classes: int) -> Tensor:
    """How often each class occurs among labels int64 [N]: int64 [num_classes]."""
    return torch.bincount(labels, minlength=num_classes)


def class_imbalance(recognised: Tensor, num_classes: int) -> Estimate:
    """The total variation distance of recognised classes int64 [N] from equal shares, in [0, 1 - 1/num_classes].

    Half the sum of |share - 1/num_classes|: the share of samples that would have to change class for balance; 0.1 if
    one class of ten is missing and the others share alike. Equal shares are the yardstick, not the labels, so that
    samples with and without labels compare; whether samples show their label is gan_test_accuracy's question. Real
    digits are not quite balanced: see the floor.
    """
    shares = class_histogram(recognised, num_classes).double() / len(recognised)
    value = (shares - 1 / num_classes).abs().sum().item() / 2
    return Estimate(value, Influences(candidate=centred(imbalance_parts(recognised, num_classes))))


def imbalance_parts(recognised: Tensor, num_classes: int) -> Tensor:
    """What each image adds to class_imbalance, float64 [N], in -1/2, 0, 1/2: + if its class has more than its share.

    Half the sign of that class's surplus, the slope of the sum of |share - 1/num_classes|. Where a class has exactly
    its share the sum has a kink, and no slope: it counts as 0.
    """
    surplus = class_histogram(recognised, num_classes) * num_classes - len(recognised)
    return surplus.sign().double()[recognised] / 2


def confusion_matrix(labels: Tensor, recognised: Tensor, num_classes: int) -> Tensor:
    """How many images of label i are recognised as j, classes int64 [N]: int64 [num_classes i, num_classes j]."""
    pairs = class_histogram(labels * num_classes + recognised, num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def balance_test(histogram: Tensor) -> ChiSquare | None:
    """Whether classes counted as int64 [num_classes] may be equally frequent (Pearson 1900); None for one class.

    Samples whose labels were assigned round-robin are more even than chance: their p-value is near 1.
    """
    counts = histogram.double()
    expected = counts.mean()
    return _chi_square(((counts - expected).square() / expected).sum(), len(counts) - 1)


def same_classes_test(histogram_1: Tensor, histogram_2: Tensor) -> ChiSquare | None:
    """Whether two sets of images, counted as int64 [num_classes] each, may have the same shares of classes.

    Pearson's test of homogeneity. Classes that neither set has do not count; None if fewer than two do.
    """
    counts = torch.stack([histogram_1, histogram_2]).double()
    counts = counts[:, counts.sum(dim=0) > 0]
    expected = counts.sum(dim=1, keepdim=True) * counts.sum(dim=0) / counts.sum()
    return _chi_square(((counts - expected).square() / expected).sum(), counts.shape[1] - 1)


def _chi_square(statistic: Tensor, degrees: int) -> ChiSquare | None:
    if degrees < 1:
        return None
    # The upper tail of the chi-square law is the regularised upper incomplete gamma function.
    p_value = torch.special.gammaincc(torch.tensor(degrees / 2, dtype=torch.float64), statistic / 2)
    return ChiSquare(statistic.item(), degrees, p_value.item())
