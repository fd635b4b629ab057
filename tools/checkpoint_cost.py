"""What a checkpoint costs by the length of the run: `python -m tools.checkpoint_cost 512 10000`.

For each length in thousands of images, a process makes the snapshots, pictures and rows of the history that a run of
the committed params has by then, without training, writes one checkpoint with all of them, and measures the next one.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from stages import train_gan
from stages.common.files import pack_tensors
from stages.common.images import ImageSet
from stages.common.params import validate_section
from stages.common.runtime import checkpoint_kimg
from stages.gan import architectures
from stages.gan.checkpoints import FINISHED, Checkpoints
from stages.gan.loop import PICTURE, SNAPSHOT, Loop
from stages.gan.pictures import real_grid
from stages.gan.team import Team
from stages.gan.trainer import FIGURES
from tools.cost import MAXRSS_BYTES, MIB
from tools.profiles import params_with
from tools.tables import markdown

DIGITS = 50_000
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
    between = params.steps_near(checkpoint_kimg())
    advance(loop, digits, done - between)
    loop.settle_rows()
    checkpoints.save(loop.steps_done, *loop.state(), loop.journal)
    finished = (folder / FINISHED).stat().st_size
    advance(loop, digits, done)
    begun = time.monotonic()
    loop.settle_rows()
    checkpoints.save(loop.steps_done, *loop.state(), loop.journal)
    seconds = time.monotonic() - begun
    grown = (folder / FINISHED).stat().st_size
    written = grown - finished + (folder / f"step_{done:09}.checkpoint").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES
    return [f"{kimg:g}", f"{grown / MIB:.1f}", f"{written / MIB:.1f}", f"{seconds:.2f}", f"{peak / MIB:.0f}"]


def advance(loop: Loop, digits: ImageSet, steps: int) -> None:
    """Let the loop keep what a run keeps up to that number of steps, without training."""
    present = set(loop.journal.names())
    for name in loop.names_due(steps):
        if name not in present:
            snapshot = name.startswith(SNAPSHOT)
            loop.journal.add(name, pack_tensors(loop.trainer.ema.state_dict(), {}) if snapshot else real_grid(digits))
    assert any(name.startswith(PICTURE) for name in present)
    every = loop.trainer.settings.history_steps
    for step in range(loop.steps_done // every, steps // every):
        loop.history.rows.append([loop.trainer.settings.kimg_shown(step), *torch.randn(len(FIGURES)).tolist()])
    loop.steps_done = steps


def main() -> None:
    """Print the table; each row is measured in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tools.checkpoint_cost", description="Cost of a checkpoint")
    parser.add_argument("kimg", nargs="+", type=float, help="lengths of a run so far, in thousands of images")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        with tempfile.TemporaryDirectory() as folder:
            print("\t".join(measure(arguments.kimg[0], Path(folder))))
        return
    rows = []
    for kimg in arguments.kimg:
        command = [sys.executable, "-m", "tools.checkpoint_cost", "--alone", f"{kimg:g}"]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
        rows.append(done.stdout.rstrip("\n").split("\t"))
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()
