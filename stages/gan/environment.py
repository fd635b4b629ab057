"""What decides a result's bytes besides code, params and data: the kind of processor or GPU, and library versions."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

CPUINFO = Path("/proc/cpuinfo")
LIMITS = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ATEN_CPU_CAPABILITY",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
)
"""Variables that make libraries use other instructions than the processor's best, which may give other bytes."""


def describe(device: torch.device) -> dict[str, Any]:
    """A JSON-able description of the machine as far as it can change a result: no host name, core count or time."""
    return {
        "device": device.type,
        "gpu": _gpu(device) if device.type == "cuda" else None,
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "limits": {name: os.environ[name] for name in LIMITS if name in os.environ},
        "system": platform.system(),
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    return {
        "model": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver(),
    }


def _driver() -> str | None:
    """The kernel driver's version, where Linux gives it."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _processor() -> dict[str, str]:
    """Vendor, family and model of the processor; what the platform module says where there is no /proc/cpuinfo."""
    if not CPUINFO.exists():
        return {"description": platform.processor()}
    lines = CPUINFO.read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0].splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    names = ("vendor_id", "cpu family", "model", "model name")
    return {key.replace(" ", "_"): fields[key] for key in names if key in fields} or {
        "description": platform.processor()
    }
