"""What a child of Python prints is read, whatever encoding and path the user has."""

from pathlib import Path

import pytest

from tools.process_group import output_of_python


@pytest.mark.parametrize("encoding", ["utf-16", "ascii"])
def test_the_user_s_encoding_is_no_matter(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    folder = tmp_path / "größe"
    folder.mkdir()
    done = output_of_python(folder, "-c", "import os; print(os.getcwd())")
    assert (done.returncode, done.stdout.strip()) == (0, str(folder.resolve()))
