"""How a stage runs: the GAN_... settings that change no byte of a result, the device, determinism, errors.

These settings are environment variables, not params: DVC does not see them, and no out depends on them.
"""

import errno
import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.errors import UserError
from stages.common.params import P, load_params
from stages.common.unchanged import Unchanged

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def data_source() -> str | None:
    """GAN_DATA_SOURCE: a folder or an http(s) address to look for the dataset's files first; unset: None."""
    name = os.environ.get("GAN_DATA_SOURCE")
    return _from_project(name) if name else None


def inception_weights() -> Path | None:
    """GAN_INCEPTION_WEIGHTS: a file of weights, for evaluate.protocol inception; unset: None."""
    name = os.environ.get("GAN_INCEPTION_WEIGHTS")
    return Path(_from_project(name)) if name else None


def _from_project(name: str) -> str:
    """The name of a file or folder, seen from the user's project where it exists only there.

    `dvc exp run --temp` runs stages in a copy of the project; DVC_ROOT is the project itself.
    """
    project = os.environ.get("DVC_ROOT")
    if project and not os.path.lexists(name) and os.path.lexists(other := os.path.join(project, name)):  # noqa: PTH118
        return other
    return name


def processes() -> int | None:
    """GAN_PROCESSES: number of processes that train together; unset: None, as many as help."""
    return int(_number("GAN_PROCESSES", 1, whole=True) or 0) or None


def checkpoint_kimg() -> float:
    """GAN_CHECKPOINT_KIMG: thousands of images between two checkpoints; unset: 10."""
    return _number("GAN_CHECKPOINT_KIMG", 0.001) or 10.0


def _number(name: str, least: float, whole: bool = False) -> float | None:
    text = os.environ.get(name, "")
    if not text:
        return None
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = math.nan
    if not (least <= value < math.inf):
        raise UserError(f"{name}: expected a {'whole ' if whole else ''}number, at least {least:g}, found {text!r}")
    return value


def show_progress() -> bool:
    """GAN_PROGRESS: 1 draws progress bars, 0 does not; unset: only on a terminal."""
    value = os.environ.get("GAN_PROGRESS", "")
    if value not in ("", "0", "1"):
        raise UserError(f"GAN_PROGRESS: expected 0 or 1, found {value!r}")
    return value == "1" or (value == "" and sys.stderr.isatty())


def progress_lines() -> bool:
    """Whether a line now and then takes the place of bars: without a terminal, unless GAN_PROGRESS is set."""
    return not os.environ.get("GAN_PROGRESS") and not sys.stderr.isatty()


def find_device(name: str) -> "torch.device":
    """The device of that name; auto is the GPU if there is one, else the CPU.

    Raises UserError if a device that is named is not there.
    """
    import torch  # noqa: PLC0415 (a second to import, which a stage without tensors spares)

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if present[kind]))
    if not present[name]:
        have = ", ".join(kind for kind, there in present.items() if there)
        raise UserError(f"train_gan.device: {name} is not available; this machine has {have}: set one of them, or auto")
    return torch.device(name)


def make_deterministic() -> None:
    """One thread, deterministic kernels, no kernel chosen by timing."""
    import torch  # noqa: PLC0415 (see find_device)

    torch.set_num_threads(1)
    # For kernels the same as use_deterministic_algorithms(True), which imports torch's compilers: another second.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor would only help code that reads memory it never wrote; tests leave it on.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def run_stage(stage: str, schema: type[P], run: Callable[[P, Path], None]) -> None:
    """Load the stage's params and run it on data/."""
    with report_errors(stage):
        unchanged = Unchanged(stage)
        make_deterministic()
        run(load_params(stage, schema), Path("data"))
        unchanged.confirm()


@contextmanager
def report_errors(stage: str, quiet: bool = False) -> Iterator[None]:
    """End the process with exit code 1 and one clear line on stderr for any user error.

    quiet: without the line, for the process beside one that says the same.
    """
    print_whatever_the_terminal_can_show()
    try:
        yield
    except UserError as error:
        sys.exit(1 if quiet else "\n".join(f"{stage}: {line}" for line in str(error).splitlines()))
    except OSError as error:
        sys.exit(1 if quiet else f"{stage}: {_explain(error)}")
    except KeyboardInterrupt:
        print(f"{stage}: interrupted; `dvc repro` starts the stage again", file=sys.stderr)
        sys.exit(130)


def print_whatever_the_terminal_can_show() -> None:
    """Let stdout replace the characters that its encoding lacks, as stderr does: names of classes may be in kana."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _explain(error: OSError) -> str:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full{where}; free some space and run `dvc repro` again, "
            "or `dvc checkout` to get the previous outs back from DVC's cache"
        )
    return f"{error.strerror or error}{where}; `dvc checkout` gets the previous outs back from DVC's cache"
