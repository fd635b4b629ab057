"""An evaluation in one line of plain words: what is good, what is not, which class is the weakest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.common.records import Undefined
from stages.evaluation.details import Figures
from stages.evaluation.per_class import ClassDetails
from stages.evaluation.registry import METRICS
from stages.metrics.memorisation import NEAR_PERCENT

GOOD_RATIO = {"distance": 2.0, "fidelity": 0.9, "diversity": 0.9}
"""By aspect, the bound of the ratio to the floor; for distances also of each class by itself."""
GOOD_KL = 3.0
"""Of stacks, the bound of the ratio of reverse_kl to its floor."""
GOOD_CLASS = 0.96
"""Of the samples of the weakest class, recognised as their label."""
DEVIATIONS = 3.0
"""How far from the floor C_T must fall to speak of copying."""
NEAR_TIMES = 2.0
"""How many times more samples than real digits must lie very near to training digits to speak of copying."""
SIGNIFICANT = 0.01
OF_REAL = " of what real images reach"


@dataclass(frozen=True)
class Finding:
    """One aspect: whether it is good, and the words for it."""

    good: bool
    words: str


def in_plain_words(figures: Figures, no_judgement: str | None = None, remarks: Sequence[str] = ()) -> str:
    """The line for these figures; an aspect without figures is left out.

    no_judgement: why they say nothing of the samples, if they do not. Then the line begins with it, and nothing is
    called good; what is not good still is, for a poor judge may see what is wrong. remarks: what the samples' file
    says of how they were made, which is never good. Semicolons part the line; one in a remark or in the name of a class
    becomes a comma.
    """
    findings = _findings(figures) + [Finding(False, f"in training, {_inside(remark)}") for remark in remarks]
    good, bad = ([finding.words for finding in findings if finding.good is good] for good in (True, False))
    if no_judgement:
        return "; ".join([no_judgement, *([f"as far as it can tell, not good: {_listed(bad)}"] if bad else [])])
    return "; ".join([f"good: {_listed(good)}", f"not good: {_listed(bad)}", *_weakest(figures)])


def _findings(figures: Figures) -> list[Finding]:
    findings = [
        _modes(figures),
        *(_against_floor(figures, aspect) for aspect in GOOD_RATIO),
        _labels(figures),
        _classes(figures),
        _copying(figures),
        _class_distances(figures),
        _astray(figures),
    ]
    return [finding for finding in findings if finding]


def _listed(words: list[str]) -> str:
    return (", ".join(words) or "nothing").replace(f"{OF_REAL}, diversity", " and diversity")


def weakest_class(figures: Figures) -> ClassDetails | None:
    """The class with the least share recognised as their label; without labels, the farthest from its floor."""
    accuracies = [(each.accuracy, each) for each in figures.classes if each.accuracy is not None]
    if accuracies:
        return min(accuracies, key=lambda pair: pair[0])[1]
    ratios = [(each.distance_ratio, each) for each in figures.classes if each.distance_ratio is not None]
    return max(ratios, key=lambda pair: pair[0])[1] if ratios else None


def signs_of_copying(figures: Figures) -> list[str]:
    """What indicates copies of training digits, in words; empty if nothing does.

    C_T, of all classes or of one, must lie DEVIATIONS below both 0 and the floor; or far more samples than validation
    digits and NEAR_PERCENT lie very near to a training digit, which a few copies among many good samples show first.
    """
    signs = []
    c_t, near = figures.metrics["c_t"], figures.metrics["near_training"]
    if c_t.value is not None and _far_below(c_t.value, c_t.floor, c_t.standard_error):
        signs.append(f"C_T {c_t.value:.1f}")
    cells = [] if isinstance(figures.memorisation, Undefined) else figures.memorisation.cells
    for cell in cells:
        if cell.value is not None and _far_below(cell.value, cell.floor, 1.0):
            signs.append(f"class {_inside(cell.name)} {cell.value:.1f}")
    if near.value is not None and near.floor is not None:
        usual = max(near.floor, NEAR_PERCENT / 100)
        if near.value > NEAR_TIMES * usual:
            signs.append(f"{_percent(near.value)} very near to a training image, real images {_percent(usual)}")
    return signs


def _far_below(value: float, floor: float | None, deviation: float | None) -> bool:
    assert deviation is not None
    # The difference of two such statistics has sqrt(2) times the deviation of each.
    return value < min(0.0, floor or 0.0) - DEVIATIONS * math.sqrt(2) * deviation


def _against_floor(figures: Figures, aspect: str) -> Finding | None:
    """The worst ratio to the floor among the metrics of this aspect.

    Diversity has two: recall is sensitive to the outskirts of the digits, coverage to their bulk.
    """
    metrics = [metric for metric in METRICS.values() if metric.aspect == aspect]
    ratios = [ratio for metric in metrics if (ratio := figures.metrics[metric.name].ratio) is not None]
    if not ratios:
        return None
    bound = GOOD_RATIO[aspect]
    if metrics[0].direction == "lower":
        worst = max(ratios)
        return Finding(worst <= bound, f"{aspect} {worst:.2f} times the floor")
    worst = min(ratios)
    return Finding(worst >= bound, f"{aspect} {_percent(worst)}{OF_REAL}")


def _modes(figures: Figures) -> Finding | None:
    """Of stacks: good if every mode is reached that real digits reach, as evenly as GOOD_KL says."""
    if figures.modes is None:
        return None
    found, divergence = figures.metrics["modes_found"], figures.metrics["reverse_kl"]
    if found.value is None or found.floor is None or divergence.value is None or divergence.floor is None:
        return None
    good = found.value >= found.floor and divergence.value <= GOOD_KL * divergence.floor
    words = f"{found.value:.0f} of {figures.modes.num_modes} modes, reverse KL {divergence.value:.3g}"
    reached = f"real images {found.floor:.0f} and {divergence.floor:.3g}"
    return Finding(good, f"{words} ({reached}, equal shares {figures.modes.uniform_reverse_kl:.3g})")


def _labels(figures: Figures) -> Finding | None:
    accuracy, weakest = figures.metrics["gan_test_accuracy"].value, weakest_class(figures)
    if accuracy is None or weakest is None or weakest.accuracy is None:
        return None
    return Finding(weakest.accuracy >= GOOD_CLASS, f"{_percent(accuracy)} recognised as asked")


def _classes(figures: Figures) -> Finding | None:
    """Classes are uneven if chance does not explain it, and if they are more so than in real digits."""
    imbalance, test = figures.metrics["class_imbalance"], figures.class_tests.against_balanced
    if isinstance(test, Undefined) or imbalance.value is None or imbalance.floor is None:
        return None
    uneven = test.p_value < SIGNIFICANT and imbalance.value > imbalance.floor
    words = f"classes uneven ({_percent(imbalance.value)} would have to change)" if uneven else "classes even"
    return Finding(not uneven, words)


def _copying(figures: Figures) -> Finding | None:
    """Without C_T nothing is cleared, but a sign is still one."""
    if signs := signs_of_copying(figures):
        return Finding(False, f"signs of copying ({', '.join(signs)})")
    return None if figures.metrics["c_t"].value is None else Finding(True, "no sign of copying")


def _class_distances(figures: Figures) -> Finding | None:
    """Named only where a class is far from its test digits."""
    bound = GOOD_RATIO["distance"]
    far = [(ratio, _inside(each.name)) for each in figures.classes if (ratio := each.distance_ratio) is not None]
    named = [f"{name} ({ratio:.2f})" for ratio, name in sorted(far, key=lambda pair: -pair[0]) if ratio > bound]
    if not named:
        return None
    return Finding(False, f"more than {bound:g} times the floor of their own class: {', '.join(named)}")


def _astray(figures: Figures) -> Finding | None:
    """Named only where samples lie farther from the training digits than real digits do, as odd or bad ones do."""
    c_t = figures.metrics["c_t"]
    if c_t.value is None or not _far_below(-c_t.value, -(c_t.floor or 0.0), c_t.standard_error):
        return None
    return Finding(False, f"farther from the training images than real images are (C_T {c_t.value:.1f})")


def _weakest(figures: Figures) -> list[str]:
    weakest = weakest_class(figures)
    if weakest is None:
        return []
    name = _inside(weakest.name)
    if weakest.accuracy is None:
        return [f"weakest class: {name} (distance {weakest.distance_ratio:.2f} times the floor)"]
    return [f"weakest class: {name} ({_percent(weakest.accuracy)} recognised)"]


def _inside(text: str) -> str:
    """Text that may stand within a part of the line, whose parts end at semicolons."""
    return text.replace(";", ",")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
