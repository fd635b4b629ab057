"""The classification accuracy score (CAS) beside that of real digits: ratio, interval, halves, and in plain words.

Both are measured on the same test digits, so that these are drawn again together (paired): a digit that no
classifier recognises lowers both. The seeds of the trainings stay as they are; their spread stands beside.
"""

from typing import Any

import torch
from torch import Tensor

from stages.evaluation.beside_floor import Score, estimated, metric_entry
from stages.metrics.resampling import Estimate, Influences, Resampler, centred, halved


def shares_recognised(wrong: list[list[int]], num_test: int) -> Tensor:
    """Of each of num_test digits the share of seeds that recognise it, float64 [num_test] in [0, 1].

    wrong: for each seed, the rows of the test digits that it takes for another class.
    """
    rights = torch.ones(len(wrong), num_test, dtype=torch.float64)
    for right, rows in zip(rights, wrong, strict=True):
        right[torch.tensor(rows, dtype=torch.int64)] = 0
    return rights.mean(dim=0)


def cas_entry(samples: Tensor, real: Tensor, seed: int) -> dict[str, Any]:
    """What the details say of CAS: value, floor, ratio with its interval, and both figures on each half of the digits.

    samples, real: shares_recognised by what learned from samples, and from real digits; float64 [N], on the same test
    digits, N at least 2. standard_error: over test digits; seed: of halves and resampling.
    """
    value, floor = (_score(shares) for shares in (samples, real))
    entry = metric_entry(value, floor, None, Resampler(seed))
    del entry["undefined"]["halves"]  # no halves against each other here: the same classifiers, asked about each half
    return entry | {"halves": _on_halves(samples, seed), "floor_halves": _on_halves(real, seed)}


def in_plain_words(entry: dict[str, Any], num_samples: int, num_real: int) -> str:
    """The entry of CAS in a line; counts that differ are told, for fewer samples than real digits teach less."""
    line = (
        f"{_percent(entry['value'])} of the test digits recognised after {num_samples:,} samples alone, "
        f"{_percent(entry['floor'])} after {num_real:,} real digits"
    )
    if entry["ratio"] is not None:
        low, high = ("open" if bound is None else f"{bound:.4f}" for bound in entry["ratio_interval"])
        line += f": ratio {entry['ratio']:.4f} ({low} to {high})"
    if num_samples < num_real:
        line += "; fewer samples than real digits, which alone lowers the ratio (generate.num_images)"
    return line


def _score(shares: Tensor) -> Score:
    return estimated(Estimate(shares.mean().item(), Influences(reference=centred(shares))))


def _on_halves(shares: Tensor, seed: int) -> list[float]:
    return [shares[rows].mean().item() for rows in halved(seed, len(shares))]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
