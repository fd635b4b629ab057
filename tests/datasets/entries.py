"""Adds datasets to the registry for the time of a test."""

import pytest

from stages.datasets import registry
from stages.datasets.registry import Dataset


def register(patch: pytest.MonkeyPatch, name: str, dataset: Dataset) -> None:
    """Make the registry list and load a dataset, beside those of its folder."""
    names, load = registry.names, registry.load
    patch.setattr(registry, "names", lambda: sorted({*names(), name}))
    patch.setattr(registry, "load", lambda chosen, folder=None: dataset if chosen == name else load(chosen, folder))
