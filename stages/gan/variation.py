"""How much images vary, by their pixels alone: pure functions of images and labels."""

import torch
from torch import Tensor

LEAST_GROUP = 2
"""Images of which one can be nearest to another."""


def first_of_each_class(labels: Tensor, count: int, multiple: int = 1) -> Tensor:
    """The row numbers of the first `count` images of each label, or of as many as there are, in order of the labels.

    multiple: what the number of images of a label must be a multiple of.
    """
    rows = ((labels == label).nonzero().flatten()[:count] for label in labels.unique())
    return torch.cat([of_label[: len(of_label) // multiple * multiple] for of_label in rows])


def class_means(images: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The mean image of each class, [num_classes, C * H * W]; infinitely far away where a class has none."""
    pixels = images.flatten(1)
    means = pixels.new_full((num_classes, pixels.shape[1]), float("inf"))
    for label in labels.unique().tolist():
        means[label] = pixels[labels == label].mean(dim=0)
    return means


def spread(images: Tensor, groups: Tensor) -> float:
    """Variance of the pixels within groups (int64 [N]): the mean over pixels, then over groups; nan without any."""
    variances = [group.var(dim=0).mean() for group in _members(images, groups)]
    return torch.stack(variances).mean().item() if variances else float("nan")


def nearest(images: Tensor, groups: Tensor) -> float:
    """Euclidean distance of an image to the nearest other one of its group: the mean; nan without any."""
    distances = []
    for group in _members(images, groups):
        between = torch.cdist(group, group)
        distances.append(between.fill_diagonal_(float("inf")).min(dim=1).values)
    return torch.cat(distances).mean().item() if distances else float("nan")


def sharpness(images: Tensor) -> float:
    """How much neighbouring pixels differ: the mean square of the differences to the right and below."""
    return sum(images.diff(dim=dim).square().mean().item() for dim in (2, 3))


def nearest_class(images: Tensor, means: Tensor) -> Tensor:
    """For each image the class whose mean is nearest, int64 [N]; means as from class_means."""
    # |x|^2 is the same for every class. An infinite mean is no class at all.
    known = means.isfinite().all(dim=1)
    scores = images.flatten(1) @ means[known].T - means[known].square().sum(dim=1) / 2
    return known.nonzero().flatten()[scores.argmax(dim=1)]


def typical(images: Tensor, labels: Tensor, means: Tensor, by_label: bool) -> Tensor:
    """For each class the share of images that are nearest to its mean, [num_classes].

    by_label: of the images with that label (nan if there is none); otherwise of all images.
    """
    classes = nearest_class(images, means)
    if not by_label:
        return classes.bincount(minlength=len(means)) / len(classes)
    right = labels[classes == labels].bincount(minlength=len(means))
    return right / labels.bincount(minlength=len(means))


def _members(images: Tensor, groups: Tensor) -> list[Tensor]:
    """The images of each group with enough of them, [M, C * H * W]."""
    pixels = images.flatten(1)
    members = (pixels[groups == group] for group in groups.unique())
    return [group for group in members if len(group) >= LEAST_GROUP]
