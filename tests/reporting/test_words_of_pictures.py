"""The words beside the pictures of the report say what is in them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from stages.gan.architectures import CODES
from stages.reporting.pictures import pictures
from stages.reporting.run import Run


@pytest.mark.parametrize(
    ("meta", "label", "labels"),
    [
        ({"arguments": {"num_classes": 10}}, "a class in", "the classes share"),
        ({"arguments": {"num_classes": 10}, CODES: True}, "a code in", "the codes share"),
        ({"arguments": {"num_classes": 0}}, "a latent in each row.", "has no classes"),
    ],
)
def test_columns_are_named_by_what_the_generator_reads(meta: dict[str, Any], label: str, labels: str) -> None:
    generator = SimpleNamespace(meta=meta)
    run = SimpleNamespace(noun="digit", pictures={"generate/classes.png": b""}, generator=generator)
    shown = pictures(cast(Run, run))["classes"]
    assert label in shown.alt
    assert labels in shown.caption
