"""How a stage runs: the GAN_... settings that change no byte of a result, determinism, errors.

These settings are environment variables, not params: DVC does not see them, and no out depends on them.
"""

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common import garbage
from stages.common.errors import UserError
from stages.common.failures import Failure, failure_of
from stages.common.params import P, load_params
from stages.common.streams import keep_printing
from stages.common.temporary_copy import project_of
from stages.common.unchanged import Unchanged

MEMORY_KEYS = ("num_images", "limit", "batch_size", "width")
"""Keys by which a section of params.yaml decides how much memory its stage needs."""
FIRST_SPEAKS_S = 10.0
"""How long a process waits for the one that reports the errors of both."""


def data_source() -> str | None:
    """GAN_DATA_SOURCE: a folder or an http(s) address to look for the dataset's files first; unset: None."""
    name = os.environ.get("GAN_DATA_SOURCE")
    return _from_project(name) if name else None


def inception_weights() -> Path | None:
    """GAN_INCEPTION_WEIGHTS: a file of weights, for evaluate.protocol inception; unset: None."""
    name = os.environ.get("GAN_INCEPTION_WEIGHTS")
    return Path(_from_project(name)) if name else None


def _from_project(name: str) -> str:
    """The name of a file or folder, seen from the user's project where it exists only there."""
    other = os.path.join(project_of(Path()), name)  # noqa: PTH118 (a name may be an address, which Path would change)
    return other if not os.path.lexists(name) and os.path.lexists(other) else name


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


def cuda_graph() -> bool | None:
    """GAN_CUDA_GRAPH: 1 trains by CUDA graphs or fails, 0 without; unset: None, by graphs where that is possible."""
    value = os.environ.get("GAN_CUDA_GRAPH", "")
    if value not in ("", "0", "1"):
        raise UserError(f"GAN_CUDA_GRAPH: expected 0 or 1, found {value!r}")
    return value == "1" if value else None


def progress_lines() -> bool:
    """Whether a line now and then takes the place of bars: without a terminal, unless GAN_PROGRESS is set."""
    return not os.environ.get("GAN_PROGRESS") and not sys.stderr.isatty()


def make_deterministic() -> None:
    """One thread, deterministic kernels, no kernel chosen by timing."""
    import torch  # noqa: PLC0415 (seconds to import, which a stage without tensors spares)

    garbage.as_usual()
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
    keys = [f"{stage}.{key}" for key in MEMORY_KEYS if key in schema.model_fields]
    with report_errors(stage, less_memory=f"set less {' or '.join(keys)}" if keys else ""):
        unchanged = Unchanged(stage)
        make_deterministic()
        run(load_params(stage, schema), Path("data"))
        unchanged.confirm()


@contextmanager
def report_errors(stage: str, quiet: bool = False, less_memory: str = "") -> Iterator[None]:
    """End the process with exit code 1 and one clear line on stderr for any error of the user or the machine.

    quiet: for a process beside one that says the same, which ends both; it speaks only if that one does not.
    less_memory: what to change in params.yaml where memory is not enough.
    """
    keep_printing()
    try:
        yield
    except UserError as error:
        if quiet:
            _let_the_first_speak()
        sys.exit("\n".join(f"{stage}: {line}" for line in str(error).splitlines()))
    except KeyboardInterrupt:
        if not quiet:
            print(f"{stage}: interrupted; `dvc repro` starts the stage again", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if quiet:
            _let_the_first_speak()
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        sys.exit(f"{stage}: {explained(failure, less_memory)}{notes}")


def explained(failure: Failure, less_memory: str = "") -> str:
    """The failure, and what to do about it."""
    back = "`dvc checkout` gets the previous outs back from DVC's cache"
    remedies = {
        "memory": f"{less_memory}, or end other programs" if less_memory else "end other programs, or add memory",
        "device": "set train_gan.device to cpu, or repair the GPU's driver",
        "disk": "free some space and run `dvc repro` again, or `dvc checkout` to get the previous outs back "
        "from DVC's cache",
        "limit": "raise this shell's limits (`ulimit -a` shows them)",
        "file": back,
    }
    remedy = remedies.get(failure.kind)  # of a library, the reason says it
    return f"{failure.reason}; {remedy}" if remedy else failure.reason


def _let_the_first_speak() -> None:
    """Wait: where all processes fail alike, the first one ends meanwhile, and the launcher ends this one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(FIRST_SPEAKS_S)
