"""`dvc plots show` while a training runs in the workspace: the curves so far."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.clone import tiny_clone
from tools.profiles import PIPELINE, combined

PATIENCE_S = 900


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends the run by a signal to its group")
def test_the_curves_so_far_are_drawn(tmp_path: Path) -> None:
    """DVC deletes the table before the stage starts; the stage writes it again with every checkpoint."""
    long = {"train_gan": {"total_kimg": 2000.0, "snapshot_kimg": 500.0}}
    made = tiny_clone(tmp_path, combined(PIPELINE, long))
    table = made.root / "data" / "train_gan" / "history.csv"
    table.unlink(missing_ok=True)
    environment = made.environment | {"GAN_PROCESSES": "1", "GAN_CHECKPOINT_KIMG": "0.5"}
    command = [sys.executable, "-m", "dvc", "repro", "train_gan"]
    with subprocess.Popen(
        command, cwd=made.root, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as run:
        try:
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until and not (table.is_file() and len(table.read_text().splitlines()) > 5):
                assert run.poll() is None
                time.sleep(0.5)
            page = made.dvc("plots", "show", "losses").strip().splitlines()[-1]
            assert run.poll() is None
        finally:
            os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does: DVC waits for its stage
            run.wait(PATIENCE_S)
    shown = (made.root / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "index.html" in page
    assert "d_loss" in shown
    assert "Losses of the GAN" in shown
