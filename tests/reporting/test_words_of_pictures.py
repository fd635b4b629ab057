"""The words beside the pictures of the report say what is in them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from stages.gan.architectures import CODES
from stages.reporting.pictures import pictures
from stages.reporting.run import Run


@pytest.mark.parametrize(
    ("meta", "label", "labels"),
    [({}, "a class in", "the classes share"), ({CODES: True}, "a code in", "the codes share")],
)
def test_codes_are_not_called_classes(meta: dict[str, Any], label: str, labels: str) -> None:
    generator = SimpleNamespace(meta=meta)
    run = SimpleNamespace(noun="digit", pictures={"generate/classes.png": b""}, generator=generator)
    shown = pictures(cast(Run, run))["classes"]
    assert label in shown.alt
    assert labels in shown.caption
