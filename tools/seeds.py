"""Repeat a setting for several seeds, and say whether two settings differ by more than seeds do: `make seeds`.

    make seeds SEEDS=5                                  the committed setting
    make seeds SEEDS=5 SET="train_gan.loss=hinge"       that beside it

Runs train_gan to evaluate in a clean clone of the committed state, each seed as an experiment. Prints, for every
metric, mean, standard deviation and the 95 % confidence interval of the mean; of two settings also the difference
with its interval after Welch (1947): settings differ where that does not hold 0. Seeds are the only thing that varies:
the classifier stays, so that all distances are on the same features (of two settings, if the second leaves normalize
and train_classifier as they are).
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.fresh import interruptible
from tools.intervals import t_quantile
from tools.repeat import check_seeds, clone_of_head, run_seed
from tools.repository import find_project, git
from tools.tables import markdown

CONFIDENCE = 0.95
SEEDED = ("train_gan",)
"""The stage whose seed varies."""

Values = dict[str, list[float]]
"""Of each metric, its value for every seed."""


def run_seeds(clone: Path, seeds: int, changes: list[str]) -> Values:
    """Run the setting with the seeds 1, 2, ... Returns the metrics that have a value for all of them."""
    records = [run_seed(clone, seed, SEEDED, changes) for seed in range(1, seeds + 1)]
    runs = [{name: entry["value"] for name, entry in record.metrics.items()} for record in records]
    return {name: [run[name] for run in runs] for name in runs[0] if all(run.get(name) is not None for run in runs)}


def mean_reach(values: list[float]) -> float:
    """Half the width of the confidence interval of the mean of at least two values: t s / sqrt(n)."""
    return t_quantile(CONFIDENCE, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def welch_reach(one: list[float], other: list[float], confidence: float = CONFIDENCE) -> float:
    """Half the width of the confidence interval of the difference of two means, of unequal variances.

    The degrees of freedom after Welch (1947) and Satterthwaite (1946), rounded down, which errs on the wide side.
    """
    shares = [statistics.variance(values) / len(values) for values in (one, other)]
    if sum(shares) == 0:
        return 0.0
    parts = sum(share**2 / (len(values) - 1) for share, values in zip(shares, (one, other), strict=True))
    return t_quantile(confidence, max(1, int(sum(shares) ** 2 / parts))) * math.sqrt(sum(shares))


def table_of_one(found: Values) -> str:
    """Mean, spread and confidence interval of each metric."""
    rows = []
    for name, values in found.items():
        mean, reach = statistics.fmean(values), mean_reach(values)
        cells = [f"{value:.4g}" for value in (mean, statistics.stdev(values), mean - reach, mean + reach)]
        rows.append([name, *cells])
    return markdown(["metric", "mean", "standard deviation", "from", "to"], rows)


def table_of_two(one: Values, other: Values) -> str:
    """The difference of two settings for each metric, and whether it is more than seeds explain.

    With so many metrics one would differ by chance: each interval is widened so that all hold at once (Bonferroni).
    """
    rows, names = [], [name for name in one if name in other]
    confidence = 1 - (1 - CONFIDENCE) / len(names)
    for name in names:
        means = [statistics.fmean(values[name]) for values in (one, other)]
        difference, reach = means[1] - means[0], welch_reach(one[name], other[name], confidence)
        verdict = "differs" if abs(difference) > reach else "within the spread"
        cells = [f"{value:.4g}" for value in (*means, difference, difference - reach, difference + reach)]
        rows.append([name, *cells, verdict])
    return markdown(["metric", "committed", "changed", "difference", "from", "to", ""], rows)


def seeds(root: Path, count: int, changes: list[str]) -> str:
    """Run what is asked for and return the tables."""
    with clone_of_head(root) as clone:
        committed = run_seeds(clone, count, [])
        told = f"\n{count} seeds of the committed setting\n\n{table_of_one(committed)}"
        if changes:
            git(clone, "checkout", "--quiet", "--force", "HEAD", throw_away=True)
            changed = run_seeds(clone, count, changes)
            told += f"\n\n{count} seeds of {' '.join(changes)}\n\n{table_of_one(changed)}"
            told += f"\n\nthe two beside each other\n\n{table_of_two(committed, changed)}"
    return told


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.seeds", description="Repeat a setting for several seeds")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each setting, at least 2")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="params of a second setting")
    asked = parser.parse_args()
    with interruptible():
        try:
            check_seeds(asked.seeds)
            print(seeds(find_project(Path()), asked.seeds, asked.changes))
        except UserError as error:
            sys.exit(f"seeds: {error}")


if __name__ == "__main__":
    main()
