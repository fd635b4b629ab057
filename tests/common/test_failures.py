"""What is the machine's failure and what is a mistake in the code, by the errors that libraries really raise."""

import ctypes
import errno
from collections.abc import Callable

import numpy as np
import pytest
import torch

from stages.common.failures import MOST_CHARACTERS, failure_of, telling_line

HUGE = 10**15


def raised(action: Callable[[], object]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "action",
    [
        lambda: torch.empty(HUGE),
        lambda: torch.ones(3).expand(10**18, 3).clone(),
        lambda: np.zeros(HUGE),
        lambda: bytearray(10**18),
    ],
    ids=["torch", "more than 64 bits", "numpy", "Python"],
)
def test_no_memory_for_real(action: Callable[[], object]) -> None:
    failure = failure_of(raised(action))
    assert failure is not None
    assert failure.kind == "memory"
    assert failure.reason.startswith("out of memory")


def test_a_library_that_is_missing_for_real() -> None:
    for action in (lambda: ctypes.CDLL("libnone.so.7"), lambda: __import__("nonexistent_package")):
        failure = failure_of(raised(action))
        assert failure is not None
        assert failure.kind == "library"
        assert "libnone.so.7" in failure.reason or "nonexistent_package" in failure.reason


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("memory", "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 8.00 GiB"),
        ("memory", "MPS backend out of memory (MPS allocated: 5.05 GB, other allocations: 3.9 GB)"),
        ("memory", "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        ("memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        ("memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ("memory", "[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory: you tried to"),
        ("memory", "[enforce fail at CPUAllocator.cpp:68] . DefaultCPUAllocator: can't allocate memory"),
        ("memory", "could not create a primitive"),
        ("memory", "std::bad_alloc"),
        ("memory", "unable to mmap 400 bytes from file </x>: Cannot allocate memory (12)"),
        ("device", "CUDA error: no kernel image is available for execution on the device"),
        ("device", "CUDA error: device-side assert triggered"),
        ("device", "CUDA error: all CUDA-capable devices are busy or unavailable"),
        ("device", "CUDA error: uncorrectable ECC error encountered"),
        ("device", "CUDA error: unspecified launch failure"),
        ("device", "CUDA error: an illegal memory access was encountered"),
        ("device", "CUDA driver error: unknown error"),
        ("device", "HIP error: invalid device function"),
        ("device", "Unable to determine the device handle for GPU0000:3B:00.0: GPU has fallen off the bus"),
        ("device", "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        ("device", "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        ("device", "GET was unable to find an engine to execute this computation"),
        ("device", "Unexpected error from cudaGetDeviceCount(). CUDA initialization: CUDA unknown error - this may be"),
        ("device", "The NVIDIA driver on your system is too old (found version 11040)."),
        ("device", "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
        ("device", "NCCL error in: ProcessGroupNCCL.cpp:93, unhandled system error"),
        ("device", "MPS backend failed to build a pipeline"),
        ("device", "Could not run 'aten::empty.memory_format' with arguments from the 'MPS' backend."),
        ("device", "The operator 'aten::x' is not currently implemented for the MPS device."),
        ("limit", "can't start new thread"),
    ],
)
def test_messages_of_runtime_errors(kind: str, message: str) -> None:
    failure = failure_of(RuntimeError(message))
    assert failure is not None
    assert failure.kind == kind
    assert "\n" not in failure.reason
    assert len(failure.reason) <= MOST_CHARACTERS + 30


def test_torch_s_own_classes_count_whatever_they_say() -> None:
    for error, kind in ((torch.OutOfMemoryError("?"), "memory"), (torch.AcceleratorError("?"), "device")):
        failure = failure_of(error)
        assert failure is not None
        assert failure.kind == kind
    assert failure_of(AssertionError("Torch not compiled with CUDA enabled")) is not None


@pytest.mark.parametrize(
    "action",
    [
        lambda: torch.ones(2, 3) @ torch.ones(2, 3),
        lambda: torch.ones(2).view(3),
        lambda: torch.ones(1, requires_grad=True).sum().backward(torch.ones(2)),
        lambda: torch.nn.Linear(2, 3).load_state_dict({}),
        lambda: torch.ones(2)[5],
        lambda: np.ones(2) @ np.ones(3),
        lambda: None.x,  # type: ignore[attr-defined]
        lambda: __import__("stages.nonexistent"),
    ],
)
def test_mistakes_in_code_are_no_failure(action: Callable[[], object]) -> None:
    assert failure_of(raised(action)) is None


@pytest.mark.parametrize(
    "message",
    [
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
        "cumsum_cuda_kernel does not have a deterministic implementation, but you set 'torch.use_deterministic'",
        "could not create a primitive descriptor for a convolution forward propagation primitive",
        "Could not run 'aten::add' with arguments from the 'SparseCPU' backend.",
    ],
)
def test_messages_that_only_name_a_device_are_no_failure(message: str) -> None:
    assert failure_of(RuntimeError(message)) is None
    assert failure_of(ValueError("CUDA error: out of memory")) is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, "disk"),
        (errno.EDQUOT, "disk"),
        (errno.ENOMEM, "memory"),
        (errno.EMFILE, "limit"),
        (errno.EFBIG, "limit"),
        (errno.EAGAIN, "limit"),
        (errno.EACCES, "file"),
        (errno.EIO, "file"),
    ],
)
def test_errors_of_the_system(number: int, kind: str) -> None:
    failure = failure_of(OSError(number, "what it says", "data/x"))
    assert failure is not None
    assert failure.kind == kind


def test_the_line_that_says_most() -> None:
    error = RuntimeError("\n  at source.cpp:5\nCUDA error: device-side assert triggered\nFor debugging consider")
    assert telling_line(error) == "CUDA error: device-side assert triggered"
    assert telling_line(raised(lambda: torch.empty(HUGE))).startswith("DefaultCPUAllocator: can't allocate memory")
    assert telling_line(ValueError()) == "ValueError"
    assert telling_line(FileNotFoundError(errno.ENOENT, "No such file", "x")).endswith("'x'")
