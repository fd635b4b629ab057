"""What a checkpoint costs by the length of the run: `python -m tools.checkpoint_cost 512 10000`.

For each length in thousands of images, a process makes the snapshots, pictures and rows of the history that a run of
the committed params has by then, without training, and measures the next few checkpoints.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from stages import train_gan
from stages.common.errors import UserError
from stages.common.files import pack_tensors
from stages.common.images import ImageSet
from stages.common.params import validate_section
from stages.common.runtime import checkpoint_kimg
from stages.gan import architectures
from stages.gan.checkpoints import FINISHED, Checkpoints
from stages.gan.loop import SNAPSHOT, Loop
from stages.gan.pictures import real_grid
from stages.gan.team import Team
from stages.gan.trainer import FIGURES
from tools.cost import MAXRSS_BYTES, MIB
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.profiles import params_with
from tools.tables import markdown

DIGITS = 50_000
CHECKPOINTS = 6
"""Of which the first writes what all before it would have written; the figures are medians of the others."""
COLUMNS = ["kimg", "snapshots, pictures and history, MiB", "a checkpoint, MiB", "seconds", "peak MiB"]


def measure(kimg: float, folder: Path) -> list[str]:
    """A row of the table, measured in this process with checkpoints in that folder."""
    content = params_with({"train_gan": {"total_kimg": 2 * kimg, "device": "cpu"}})
    params = validate_section(content, "train_gan", train_gan.Params)
    options = architectures.read_options(content, params.network)
    labels = torch.arange(DIGITS) % 10
    digits = ImageSet(torch.zeros(DIGITS, 1, 28, 28), labels, [str(label) for label in range(10)])
    loop = train_gan.build_loop(params, options, digits, torch.device("cpu"), Team(params.shards), [])
    loop.step()
    checkpoints, done = Checkpoints("k" * 64), params.steps_near(kimg)
    checkpoints.folder = folder
    advance(loop, checkpoints, digits, done)
    between, seconds, written = params.steps_near(checkpoint_kimg()), [], []
    for steps in range(done, done + CHECKPOINTS * between, between):
        advance(loop, checkpoints, digits, steps)
        begun, finished = time.monotonic(), size_of(folder / FINISHED)
        loop.settle_rows()
        checkpoints.save(steps, *loop.state(), loop.journal)
        seconds.append(time.monotonic() - begun)
        written.append(size_of(folder / FINISHED) - finished + size_of(folder / f"step_{steps:09}.checkpoint"))
    loop.journal.close()
    in_mib = (size_of(folder / FINISHED) / MIB, median(written[1:]) / MIB)
    return [f"{kimg:g}", *(f"{size:.1f}" for size in in_mib), f"{median(seconds[1:]):.2f}", f"{peak_bytes() / MIB:.0f}"]


def peak_bytes() -> int:
    """The most memory that this process has had."""
    import resource  # noqa: PLC0415 (Windows has none: its `--help` is there, too)

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES


def size_of(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def advance(loop: Loop, checkpoints: Checkpoints, digits: ImageSet, steps: int) -> None:
    """Let the loop keep what a run keeps up to that number of steps, without training."""
    present = set(loop.journal.names())
    for name in loop.names_due(steps):
        if name not in present:
            snapshot = name.startswith(SNAPSHOT)
            loop.journal.add(name, pack_tensors(loop.trainer.ema.state_dict(), {}) if snapshot else real_grid(digits))
        checkpoints.write_finished(loop.journal)
    every = loop.trainer.settings.history_steps
    for step in range(loop.steps_done // every, steps // every):
        loop.history.rows.append([loop.trainer.settings.kimg_shown(step), *torch.randn(len(FIGURES)).tolist()])
    loop.steps_done = steps


def measured_alone(kimg: float) -> list[str]:
    """A row, measured in a process of its own. Raises UserError if that fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tools.checkpoint_cost", "--alone", folder, f"{kimg:g}"]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
    if done.returncode:
        raise UserError(f"{kimg:g} kimg failed (exit code {done.returncode}); see its message above")
    return done.stdout.rstrip("\n").split("\t")


def main() -> None:
    """Print the table; each row is measured in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tools.checkpoint_cost", description="Cost of a checkpoint")
    parser.add_argument("kimg", nargs="+", type=float, help="lengths of a run so far, in thousands of images")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with interruptible(), errors_in_one_line("checkpoint_cost"):
        if arguments.alone:
            print("\t".join(measure(arguments.kimg[0], arguments.alone)))
        else:
            print(markdown(COLUMNS, [measured_alone(kimg) for kimg in arguments.kimg]))


if __name__ == "__main__":
    main()
