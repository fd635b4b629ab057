"""What decides a result's bytes besides code, params and data: the kind of processor or GPU, and library versions."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.common.user_settings import PRELOADED, RECORDED
from stages.gan import processor
from stages.gan.layout import image_layout

CPUINFO = Path("/proc/cpuinfo")


def describe(device: torch.device) -> dict[str, Any]:
    """A JSON-able description of the machine as far as it can change a result: no host name, core count or time."""
    return {
        "device": device.type,
        "gpu": GPUS[device.type](device) if device.type in GPUS else None,
        "processor": processor.describe(CPUINFO),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "limits": _limits(),
        "system": platform.system(),
        "c_library": _c_library(),
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _c_library() -> str:
    """Name and version of what gives exp, log and the like; on macOS and Windows it comes with the system."""
    if macos := platform.mac_ver()[0]:
        return f"macOS {macos}"
    if platform.system() == "Windows":
        return f"Windows {platform.version()}"
    return " ".join(part for part in platform.libc_ver() if part) or "unknown"


def _gpu(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    return {
        "model": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver(),
    }


def _apple_gpu(device: torch.device) -> dict[str, Any]:
    """The processor's name is the GPU's too, and its kernels come with macOS, whose version is beside it."""
    return {"layout": str(image_layout(device))}


GPUS = {"cuda": _gpu, "mps": _apple_gpu}


def _driver() -> str | None:
    """The kernel driver's version, where Linux gives it."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _limits() -> dict[str, str]:
    """What the user sets that may give other bytes; of libraries that are loaded first, the names without folders."""
    limits = {name: os.environ[name] for name in RECORDED if os.environ.get(name)}
    for name in PRELOADED:
        if libraries := os.environ.get(name, "").replace(":", " ").split():
            limits[name] = " ".join(os.path.basename(library) for library in libraries)  # noqa: PTH119
    return limits
