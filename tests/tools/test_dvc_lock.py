"""dvc.lock as bytes of strangers: what cannot be read is refused in one line."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.dvc_lock import Lock, lock_content

REFUSED = r"^dvc\.lock cannot be read \(.+\); `git checkout dvc\.lock` brings back the committed one, then `dvc repro`$"
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
    with pytest.raises(UserError, match=REFUSED) as caught:
        Lock(content)
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_file_is_refused_as_dvc_does(tmp_path: Path) -> None:
    assert lock_content(tmp_path) == b""
    (tmp_path / "dvc.lock").write_bytes(b"\n")
    with pytest.raises(UserError, match=REFUSED):
        lock_content(tmp_path)
