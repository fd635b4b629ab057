"""An evaluation in one line of plain words: what is good, what is not, which class is the weakest."""

import math
from dataclasses import dataclass
from typing import Any

from stages.metrics.memorisation import NEAR_PERCENT

GOOD_SHARE = 0.9
"""Of what real digits reach, for precision, recall and coverage."""
GOOD_DISTANCE = 2.0
"""Times the floor, for fd_classifier, of all classes together and of each."""
GOOD_CLASS = 0.96
"""Of the samples of the weakest class, recognised as asked."""
DEVIATIONS = 3.0
"""How far from the floor C_T must fall to speak of copying."""
NEAR_TIMES = 2.0
"""How many times more samples than real digits must lie very near to training digits to speak of copying."""
SIGNIFICANT = 0.01
OF_REAL = " of what real digits reach"


@dataclass(frozen=True)
class Finding:
    """One aspect: whether it is good, and the words for it."""

    good: bool
    words: str


def in_plain_words(details: dict[str, Any]) -> str:
    """The line for what the details say; an aspect that has no figures is passed over."""
    aspects = (_distance, _fidelity, _diversity, _labels, _classes, _copying, _class_distances, _astray)
    findings = [finding for aspect in aspects if (finding := aspect(details))]
    parts = []
    for title, kind in (("good", True), ("not good", False)):
        listed = ", ".join(one.words for one in findings if one.good is kind) or "nothing"
        parts.append(f"{title}: {listed.replace(f'{OF_REAL}, diversity', ' and diversity')}")
    return "; ".join(parts + _weakest(details))


def weakest_class(details: dict[str, Any]) -> dict[str, Any] | None:
    """The class with the least share recognised as asked; without asked classes, the farthest from its floor."""
    classes = details["classes"]
    if known := [one for one in classes if accuracy_of(one) is not None]:
        return min(known, key=accuracy_of)
    known = [one for one in classes if _distance_of(one) is not None]
    return max(known, key=_distance_of) if known else None


def accuracy_of(one_class: dict[str, Any]) -> Any:
    """The share of a class's samples that is recognised as it; None where no class was asked for."""
    return one_class["metrics"]["gan_test_accuracy"]["value"]


def _distance_of(one_class: dict[str, Any]) -> Any:
    """How many times the floor the distance of one class is; None where that is not known."""
    return one_class["metrics"]["fd_classifier"]["ratio"]


def signs_of_copying(details: dict[str, Any]) -> list[str]:
    """What speaks for copies of training digits, in words; empty if nothing does.

    C_T, of all classes or of one, must lie DEVIATIONS below both 0 and the floor; or far more samples than validation
    digits and NEAR_PERCENT lie very near to a training digit, which a few copies among many good samples show first.
    """
    signs = []
    c_t, near = details["metrics"]["c_t"], details["metrics"]["near_training"]
    if c_t["value"] is not None and _far_below(c_t["value"], c_t["floor"], c_t["standard_error"]):
        signs.append(f"C_T {c_t['value']:.1f}")
    for cell in details["memorisation"].get("cells", []):
        if cell["value"] is not None and _far_below(cell["value"], cell["floor"], 1.0):
            signs.append(f"class {cell['class']} {cell['value']:.1f}")
    if near["value"] is not None:
        usual = max(near["floor"], NEAR_PERCENT / 100)
        if near["value"] > NEAR_TIMES * usual:
            signs.append(f"{_percent(near['value'])} very near to a training digit, real digits {_percent(usual)}")
    return signs


def _far_below(value: float, floor: float | None, deviation: float) -> bool:
    # The difference of two such statistics has sqrt(2) times the deviation of one.
    return value < min(0.0, floor or 0.0) - DEVIATIONS * math.sqrt(2) * deviation


def _distance(details: dict[str, Any]) -> Finding | None:
    ratio = details["metrics"]["fd_classifier"]["ratio"]
    if ratio is None:
        return None
    return Finding(ratio <= GOOD_DISTANCE, f"distance {ratio:.2f} times the floor")


def _fidelity(details: dict[str, Any]) -> Finding | None:
    return _share("fidelity", details["metrics"]["precision"]["ratio"])


def _diversity(details: dict[str, Any]) -> Finding | None:
    """The lower of recall, which asks for the outskirts of the digits, and coverage, which asks for their bulk."""
    ratios = [details["metrics"][name]["ratio"] for name in ("recall", "coverage")]
    return _share("diversity", min((ratio for ratio in ratios if ratio is not None), default=None))


def _share(what: str, ratio: float | None) -> Finding | None:
    return None if ratio is None else Finding(ratio >= GOOD_SHARE, f"{what} {_percent(ratio)}{OF_REAL}")


def _classes(details: dict[str, Any]) -> Finding | None:
    """Classes are uneven if that is no chance, and more so than in real digits."""
    imbalance, test = details["metrics"]["class_imbalance"], details["class_tests"]["against_balanced"]
    if "p_value" not in test:
        return None
    uneven = test["p_value"] < SIGNIFICANT and imbalance["value"] > imbalance["floor"]
    words = f"classes uneven ({_percent(imbalance['value'])} would have to change)" if uneven else "classes even"
    return Finding(not uneven, words)


def _copying(details: dict[str, Any]) -> Finding | None:
    if details["metrics"]["c_t"]["value"] is None:
        return None
    signs = signs_of_copying(details)
    words = f"signs of copying ({', '.join(signs)})" if signs else "no sign of copying"
    return Finding(not signs, words)


def _class_distances(details: dict[str, Any]) -> Finding | None:
    """Named only where a class is far from its test digits."""
    ratios = {one["class"]: _distance_of(one) for one in details["classes"]}
    far = {name: ratio for name, ratio in ratios.items() if ratio is not None and ratio > GOOD_DISTANCE}
    if not far:
        return None
    named = ", ".join(f"{name} ({ratio:.2f})" for name, ratio in sorted(far.items(), key=lambda item: -item[1]))
    return Finding(False, f"more than {GOOD_DISTANCE:g} times the floor of their own class: {named}")


def _astray(details: dict[str, Any]) -> Finding | None:
    """Named only where samples lie farther from the training digits than real digits do, as odd or bad ones do."""
    c_t = details["metrics"]["c_t"]
    if c_t["value"] is None or not _far_below(-c_t["value"], -(c_t["floor"] or 0.0), c_t["standard_error"]):
        return None
    return Finding(False, f"farther from the training digits than real digits are (C_T {c_t['value']:.1f})")


def _labels(details: dict[str, Any]) -> Finding | None:
    accuracy, weakest = details["metrics"]["gan_test_accuracy"]["value"], weakest_class(details)
    if accuracy is None or weakest is None:
        return None
    return Finding(accuracy_of(weakest) >= GOOD_CLASS, f"{_percent(accuracy)} recognised as asked")


def _weakest(details: dict[str, Any]) -> list[str]:
    found = weakest_class(details)
    if found is None:
        return []
    if (accuracy := accuracy_of(found)) is None:
        return [f"weakest class: {found['class']} (distance {_distance_of(found):.2f} times the floor)"]
    return [f"weakest class: {found['class']} ({_percent(accuracy)} recognised)"]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
