"""The pictures of an evaluation: confusions, and the samples that lie nearest to a training digit."""

import torch
from torch import Tensor

from stages.common.images import to_colours, to_levels
from stages.evaluation.drawing import Axes, Figure, new_figure
from stages.evaluation.embedded import Embedded
from stages.evaluation.scores import NO_LABELS
from stages.evaluation.shown_names import shown_names
from stages.metrics.classes import confusion_matrix

PADDING = 8
"""White pixels around each digit of a grid: room for a number."""
WHITE = 255
ROW_CHARACTERS = 60
"""Characters that fit below a row of columns."""
FEW = 20
"""Classes that fit into a figure of the usual size; more make it larger."""
MOST_NAMED = 100
"""Of more classes, as stacks have, no cell is labelled, and those of the ten nearest samples are shown."""
SHOWN_OF_MANY = 10


def confusion_figure(names: list[str], samples: Embedded, floor: Embedded) -> Figure:
    """The confusion matrices of the samples and of real digits in their place, side by side, in percent of a row."""
    scale = _scale(len(names))
    figure = new_figure(12 * scale, 6.4 * scale)
    left, right = figure.subplots(1, 2)
    _draw_confusion(left, "samples", names, samples)
    _draw_confusion(right, "validation images", names, floor)
    return figure


def _draw_confusion(axes: Axes, title: str, names: list[str], digits: Embedded) -> None:
    axes.set_title(title)
    if digits.labels is None:
        axes.text(0.5, 0.5, NO_LABELS, ha="center", va="center")
        axes.set_axis_off()
        return
    counts = confusion_matrix(digits.labels, digits.recognised, len(names)).double()
    percent = 100 * counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    axes.imshow(percent.numpy(), cmap="Blues", vmin=0, vmax=100)
    axes.set(xlabel="recognised", ylabel="asked for")
    if len(names) > MOST_NAMED:
        return
    for label, row in enumerate(percent.tolist()):
        for recognised, share in enumerate(row):
            if share >= 0.05:  # 0.0 would hide the few cells that matter
                colour = "white" if share > 50 else "black"
                axes.text(recognised, label, f"{share:.1f}", ha="center", va="center", color=colour, fontsize=8)
    texts = shown_names(names)
    axes.set_xticks(range(len(names)), texts, rotation=_rotation(texts))
    axes.set_yticks(range(len(names)), texts)


def _scale(num_classes: int) -> float:
    """How many times the usual size a figure of that many classes has."""
    return 1 if num_classes > MOST_NAMED else max(1, num_classes / FEW)


def _rotation(texts: list[str]) -> int:
    """Degrees by which names below columns are turned: long ones would run into each other."""
    return 90 if len(texts) * max(len(text) + 1 for text in texts) > ROW_CHARACTERS else 0


def nearest_figure(names: list[str], sets: dict[str, tuple[Embedded, Tensor]], training: Tensor) -> Figure:
    """Of each set and recognised class the image nearest to a training digit, above that digit, with the distance.

    sets: by their names, images as seen, with their closeness, and as pixels float32 [N, C, H, W] in [-1, 1];
    training: the training digits' pixels. A class that is nowhere recognised stays black. Of more than MOST_NAMED
    classes, those with the nearest images of the first set are shown.
    """
    rows, captions = [], []
    labels = _labels_shown(next(iter(sets.values()))[0], len(names))
    names = [names[label] for label in labels]
    for seen, pixels in sets.values():
        near = seen.known_closeness
        chosen = [_nearest_of_class(seen, label) for label in labels]
        blank = torch.full_like(training[:1], -1)
        rows += [blank if image is None else pixels[image : image + 1] for image in chosen]
        rows += [blank if image is None else training[near.rows[image]][None] for image in chosen]
        captions.append(["-" if image is None else f"{near.distances[image]:.2f}" for image in chosen])
    grid = _padded(to_colours(to_levels(torch.cat(rows))), columns=len(names))
    return _draw_nearest(grid, names, list(sets), captions, tuple(training.shape[2:]))


def _labels_shown(seen: Embedded, num_classes: int) -> list[int]:
    """All labels, or of many those whose nearest images are the nearest, in their own order."""
    if num_classes <= MOST_NAMED:
        return list(range(num_classes))
    nearest = seen.recognised[seen.known_closeness.nearest.argsort(stable=True)].tolist()
    return sorted(list(dict.fromkeys(nearest))[:SHOWN_OF_MANY])


def _nearest_of_class(seen: Embedded, label: int) -> int | None:
    of_class = torch.nonzero(seen.recognised == label).squeeze(1)
    return int(of_class[seen.known_closeness.nearest[of_class].argmin()]) if len(of_class) else None


def _padded(levels: Tensor, columns: int) -> Tensor:
    """uint8 [N, 3, H, W] as one picture [3, rows * (H + PADDING) + PADDING, columns * (W + PADDING) + PADDING].

    As torchvision's make_grid, the import of which takes longer than all else here. N is a multiple of columns.
    """
    _, channels, height, width = levels.shape
    cells = levels.new_full((len(levels), channels, height + PADDING, width + PADDING), WHITE)
    cells[..., PADDING:, PADDING:] = levels
    joined = cells.unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    return torch.nn.functional.pad(joined, (0, PADDING, 0, PADDING), value=WHITE)


def _draw_nearest(
    grid: Tensor, names: list[str], sets: list[str], captions: list[list[str]], size: tuple[int, ...]
) -> Figure:
    height, width = (pixels + PADDING for pixels in size)
    figure = new_figure(9 * _scale(len(names)), 1.2 + 1.6 * len(sets))
    axes = figure.subplots()
    axes.imshow(grid.permute(1, 2, 0).numpy())  # [H, W, 3]
    labels = [label for name in sets for label in (name, "nearest training image")]
    axes.set_yticks([height * (row + 0.5) + PADDING / 2 for row in range(len(labels))], labels)
    classes = shown_names(names)
    columns = [width * (column + 0.5) + PADDING / 2 for column in range(len(names))]
    axes.set_xticks(columns, classes, rotation=_rotation(classes))
    axes.set(xlabel="recognised class; above the pictures: the distance to the nearest training image, in features")
    for row, texts in enumerate(captions):
        for column, text in enumerate(texts):
            x, y = width * (column + 0.5) + PADDING / 2, 2 * height * row + PADDING / 2
            axes.text(x, y, text, fontsize=8, ha="center", va="center")
    return figure
