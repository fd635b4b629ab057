"""dvc.lock as bytes of strangers: what cannot be read is refused in one line."""

import pytest

from stages.common.errors import UserError
from tools.dvc_lock import Lock

UNREADABLE = {
    "nested": b"stages: " + b"[" * 600,
    "bytes": b"stages: \xff",
    "YAML": b"stages: {",
    "list": b"- stages",
    "stage": b"stages: {download: 3}",
    "out": b"stages: {download: {outs: [{path: data}]}}",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_lock_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^dvc\.lock cannot be read \(.+\); `dvc repro` writes it again$") as caught:
        Lock(content)
    assert len(str(caught.value).splitlines()) == 1
