"""Tiny settings with which tests and tools run stages in seconds: two profiles, of which all others are changes."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from stages.common.params import read_params_file

PARAMS_FILE = Path(__file__).parents[1] / "params.yaml"
Changes = dict[str, dict[str, Any]]
"""Other values for keys of params.yaml, by section."""


def combined(*parts: Changes) -> Changes:
    """Several changes as one; where two set the same key, the later one wins. Nested mappings are combined too."""
    result: Changes = {}
    for part in parts:
        for key, value in part.items():
            nested = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = combined(result[key], value) if nested else value
    return result


def network_width(width: int) -> Changes:
    """Channels of G and D at full width. Only this function knows where params.yaml has that key."""
    return {"networks": {"dcgan": {"width": width}}}


def params_with(*changes: Changes) -> Changes:
    """All of the committed params.yaml with these changes."""
    return deepcopy(combined(_committed(), *changes))


@cache
def _committed() -> Changes:
    """Read once, for hundreds of tests begin with it."""
    return read_params_file(PARAMS_FILE)


PIPELINE = combined(
    {
        "normalize": {"limit": 400},
        "train_classifier": {"width": 8, "epochs": 2, "batch_size": 50},
        "train_gan": {
            "z_dim": 16,
            "batch_size": 100,
            "total_kimg": 1.0,
            "history_steps": 1,
            "snapshot_kimg": 0.3,
            "device": "cpu",
        },
        "generate": {"num_images": 200},
        "inspect": {"num_images": 100, "neighbours": 3, "cuts": [1.0], "pulls": [0.3]},
        "track": {"num_images": 100, "neighbours": 3},
        "evaluate": {"num_images": 200, "neighbours": 3},
        "baseline": {"width": 8, "epochs": 1, "batch_size": 50, "seeds": [1]},
        "two_sample": {"width": 8, "epochs": 1, "batch_size": 20},
    },
    network_width(8),
)
"""Every stage. 400 training digits, so that 1,000 images end two epochs and begin a third."""

TRAINING = combined(
    {
        "normalize": {"limit": 1000},
        "train_gan": {
            "z_dim": 8,
            "batch_size": 40,
            "shards": 4,
            "total_kimg": 2.44,
            "lr_decay": 0.1,
            "history_steps": 7,
            "ema_halflife_kimg": 0.4,
            "snapshot_kimg": 1.0,
            "device": "cpu",
        },
    },
    network_width(4),
)
"""The stage train_gan alone. 61 steps over 1,000 digits: two epochs end, the learning rate falls with every step, and
no checkpoint falls on the end of a row of the history."""
