"""The tiny profiles: keys of params.yaml, and how changes combine."""

import copy

import pytest

from tools.profiles import PIPELINE, TRAINING, Changes, combined, network_width, params_with


def keys(content: object, prefix: str = "") -> set[str]:
    if not isinstance(content, dict):
        return {prefix}
    return set().union(*(keys(value, f"{prefix}.{key}") for key, value in content.items()))


@pytest.mark.parametrize("profile", [PIPELINE, TRAINING, network_width(2)])
def test_a_profile_sets_keys_that_params_yaml_has(profile: Changes) -> None:
    assert keys(profile) <= keys(params_with())


def test_the_later_change_wins_at_every_depth_and_the_rest_stays() -> None:
    first: Changes = {"a": {"x": 1, "deep": {"y": 2, "z": 3}}, "b": {"list": [1, 2]}}
    second: Changes = {"a": {"deep": {"y": 4}}, "b": {"list": [5]}, "c": {"new": 6}}
    before = copy.deepcopy((first, second))
    assert combined(first, second) == {
        "a": {"x": 1, "deep": {"y": 4, "z": 3}},
        "b": {"list": [5]},
        "c": {"new": 6},
    }
    assert (first, second) == before


def test_params_with_changes_keep_all_other_values() -> None:
    changed = params_with({"train_gan": {"seed": 99}})
    assert changed["train_gan"].pop("seed") == 99
    committed = params_with()
    del committed["train_gan"]["seed"]
    assert changed == committed
