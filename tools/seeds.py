"""Repeat a setting with several seeds, and say whether two settings differ by more than seeds do: `make seeds`.

    make seeds SEEDS=5                                  the committed setting
    make seeds SEEDS=5 SET="train_gan.loss=hinge"       this setting as well, and a comparison

Runs the stages up to evaluate in a clean clone of the committed state, each seed as an experiment. Prints the mean, the
standard deviation and the 95 % confidence interval of the mean for every metric. For two settings it also prints the
difference with its interval (Welch 1947): they differ if that interval excludes 0. Only the seed of train_gan varies.
The classifier stays the same, so all distances are on the same features, as long as the second setting leaves normalize
and train_classifier alone.
"""

import argparse
import math
import statistics
from pathlib import Path

from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.intervals import t_quantile
from tools.repeat import check_changes, check_seeds, clone_of_head, run_seed
from tools.repository import find_project
from tools.tables import markdown

CONFIDENCE = 0.95
SEEDED = ("train_gan",)
"""The stage whose seed varies."""

Values = dict[str, list[float]]
"""The values of each metric, one for each seed."""


def run_seeds(clone: Path, seeds: int, changes: list[str]) -> Values:
    """Run the setting with the seeds 1, 2, ... Returns the metrics that are defined for all of them."""
    records = [run_seed(clone, seed, SEEDED, changes) for seed in range(1, seeds + 1)]
    runs = [{name: entry["value"] for name, entry in record.metrics.items()} for record in records]
    return {name: [run[name] for run in runs] for name in runs[0] if all(run.get(name) is not None for run in runs)}


def mean_reach(values: list[float]) -> float:
    """Half the width of the confidence interval of the mean: t s / sqrt(n), for at least two values."""
    return t_quantile(CONFIDENCE, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def welch_reach(first: list[float], second: list[float], confidence: float = CONFIDENCE) -> float:
    """Half the width of the confidence interval of the difference of two means with unequal variances.

    The degrees of freedom by Welch (1947) and Satterthwaite (1946) are rounded down, which makes the interval wider.
    """
    shares = [statistics.variance(values) / len(values) for values in (first, second)]
    if sum(shares) == 0:
        return 0.0
    parts = sum(share**2 / (len(values) - 1) for share, values in zip(shares, (first, second), strict=True))
    return t_quantile(confidence, max(1, int(sum(shares) ** 2 / parts))) * math.sqrt(sum(shares))


def table_of_setting(metrics: Values) -> str:
    """Mean, standard deviation and confidence interval of each metric."""
    rows = []
    for name, values in metrics.items():
        mean, reach = statistics.fmean(values), mean_reach(values)
        cells = [f"{value:.4g}" for value in (mean, statistics.stdev(values), mean - reach, mean + reach)]
        rows.append([name, *cells])
    return markdown(["metric", "mean", "standard deviation", "from", "to"], rows)


def table_of_difference(committed: Values, changed: Values) -> str:
    """The difference of two settings for each metric, and whether it is more than seeds explain.

    Among a dozen metrics, one may differ by chance. The intervals are widened so that all hold together (Bonferroni).
    """
    rows, names = [], [name for name in committed if name in changed]
    confidence = 1 - (1 - CONFIDENCE) / len(names)
    for name in names:
        means = [statistics.fmean(values[name]) for values in (committed, changed)]
        difference, reach = means[1] - means[0], welch_reach(committed[name], changed[name], confidence)
        verdict = "differs" if abs(difference) > reach else "within the spread"
        cells = [f"{value:.4g}" for value in (*means, difference, difference - reach, difference + reach)]
        rows.append([name, *cells, verdict])
    return markdown(["metric", "committed", "changed", "difference", "from", "to", ""], rows)


def seeds(root: Path, count: int, changes: list[str]) -> None:
    """Run one or two settings and print each table as soon as it is known. Raises UserError if a run fails."""
    with clone_of_head(root) as clone:
        check_changes(clone, changes)
        committed = run_seeds(clone, count, [])
        print(f"\n{count} seeds of the committed setting\n\n{table_of_setting(committed)}", flush=True)
        if changes:
            changed = run_seeds(clone, count, changes)
            print(f"\n{count} seeds of {' '.join(changes)}\n\n{table_of_setting(changed)}")
            print(f"\ncomparison\n\n{table_of_difference(committed, changed)}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.seeds", description="Repeat a setting with several seeds")
    parser.add_argument("--seeds", type=int, default=5, help="number of runs of each setting, at least 2")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="params of a second setting")
    arguments = parser.parse_args()
    with interruptible(), errors_in_one_line("seeds"):
        check_seeds(arguments.seeds)
        seeds(find_project(Path()), arguments.seeds, arguments.changes)


if __name__ == "__main__":
    main()
