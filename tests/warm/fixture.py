"""The fixture `warm`: variables with which DVC runs stages in processes that need not load torch first.

For tests of what stages and DVC do together. That a stage runs the same in a new interpreter is shown by those that do
without.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage_process import ROOT

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A PATH on which `python` asks a server; nothing where processes cannot be forked safely."""
    if sys.platform != "linux":
        yield {}
        return
    folder = tmp_path_factory.mktemp("warm")
    program, address = folder / "python", f"gan_tests_{os.getpid()}"
    command = shlex.join([sys.executable, "-ES", str(HERE / "client.py"), address])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    server = [sys.executable, "-E", "-m", "tests.warm.server", address]
    with subprocess.Popen(server, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield {"PATH": os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])}
        finally:
            process.stdin.close()
