"""Failures of the machine as one line: memory, disk, GPU, libraries. A mistake in the code is none of them.

torch reports most of them as RuntimeError, so that they are told from its other errors by their text.
"""

import errno
import re
from dataclasses import dataclass

from stages.common.loading import remedy, unloadable

MOST_CHARACTERS = 120
"""Of a library's own message."""
MEMORY = re.compile(
    r"out of memory|not enough memory|can(no|')t allocate|(unable|failed|could not) to allocate|failed to allocate"
    r"|allocation failed|alloc_cpu|bad_alloc|STATUS_ALLOC_FAILED|OUT_OF_RESOURCES"
    # More bytes than a number of 64 bits counts; the last is how oneDNN says that it got no memory.
    r"|storage size calculation overflowed|could not create a (primitive(?! descriptor)|memory)",
    re.IGNORECASE,
)
DEVICE = re.compile(
    r"\b(CUDA|HIP|CU(BLAS|DNN|FFT|SOLVER|SPARSE|RAND)|HIPBLAS|ROCBLAS|MIOPEN|NCCL|NVML|NVRTC|MPS|Metal)\b[^.\n]*"
    r"\b(error|fail(ed|ure)|failing)|_STATUS_[A-Z]|\bdevice-side assert|no kernel image is available"
    r"|unable to find an engine|unspecified launch failure|misaligned address|illegal memory access|ECC error"
    r"|fallen off the bus|command buffer|not compiled with|no (CUDA|HIP) GPUs are available"
    r"|found no NVIDIA driver|NVIDIA driver on your system is too old|driver version is insufficient"
    r"|from the '(CUDA|HIP|MPS)' backend|not (currently )?(implemented|supported) (for|on) (the )?MPS"
    r"|convert a MPS tensor",
    re.IGNORECASE,
)
TORCH_OF_DEVICES = ("AcceleratorError", "DistBackendError")
TORCH_OF_MEMORY = ("OutOfMemoryError",)


@dataclass(frozen=True)
class Failure:
    """kind: `memory`, `device`, `disk`, `limit`, `file` or `library`; reason: a few words, and the library's own."""

    kind: str
    reason: str


def failure_of(error: BaseException) -> Failure | None:
    """What failed, if the error is the machine's; None if it is a mistake in the code, or the user's."""
    if isinstance(error, ImportError):
        ours = (error.name or "stages").startswith("stages")
        return None if ours else Failure("library", f"{unloadable(error)}; {remedy(error)}")
    if isinstance(error, OSError):
        return _failure_of_system(error)
    if isinstance(error, MemoryError):
        return Failure("memory", f"out of memory{_in_brackets(error)}")
    return _failure_of_torch(error) if isinstance(error, RuntimeError | AssertionError) else None


def _failure_of_torch(error: RuntimeError | AssertionError) -> Failure | None:
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("torch")}
    if names.intersection(TORCH_OF_MEMORY) or MEMORY.search(_message(error)):
        return Failure("memory", f"out of memory{_in_brackets(error)}")
    if names.intersection(TORCH_OF_DEVICES) or DEVICE.search(_message(error)):
        return Failure("device", f"the GPU fails{_in_brackets(error)}")
    if "can't start new thread" in _message(error):
        return Failure("limit", "no further thread can be started")
    return None


def _failure_of_system(error: OSError) -> Failure:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("disk", f"the disk is full{where}")
    if error.errno == errno.ENOMEM:
        return Failure("memory", f"out of memory{_in_brackets(error)}")
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EAGAIN):
        return Failure("limit", f"{error.strerror}{where}")
    if error.errno is None and "shared object" in str(error):
        return Failure("library", f"{unloadable(error)}; {remedy(error)}")
    return Failure("file", f"{error.strerror or error}{where}")


def _in_brackets(error: BaseException) -> str:
    return f" ({telling_line(error)})" if _message(error).strip() else ""


def telling_line(error: BaseException) -> str:
    """The line of the message that says most: torch begins some with a path of its own source, and adds advice."""
    lines = [line.strip() for line in _message(error).splitlines() if line.strip()] or [type(error).__name__]
    telling = next((line for line in lines if MEMORY.search(line) or DEVICE.search(line)), lines[0])
    return re.sub(r"^\[enforce fail at [^\]]*\]\s*(err == 0\.\s*)?", "", telling)[:MOST_CHARACTERS]


def _message(error: BaseException) -> str:
    """The text alone where an error holds more, such as a code of CUDA."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) else str(error)
