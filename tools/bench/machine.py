"""What figures were measured on: processor, GPU, cores, torch and commit."""

from pathlib import Path

import torch

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.gan import devices
from stages.gan.processor import describe
from tools.repository import git

DECIDING = ("stages", "tools", "recipes", "params.yaml")
"""What figures depend on, of the files in Git."""


def processor() -> str:
    """The processor's model, as the system names it."""
    kind = describe(Path("/proc/cpuinfo"))
    return kind.get("model_name") or kind.get("description") or kind.get("cpu_part") or "unknown processor"


def gpu(device: str) -> str | None:
    """The model of the GPU that trains; None on the processor. device: as train_gan.device. Raises UserError."""
    kind = devices.choose(device).kind
    if kind == "cpu":
        return None
    # Asked in another process: this one would hold the GPU, which the training may need for itself.
    return next((found.model for found in devices.probe(kind) if not found.problem), kind)


def machine(device: str = "auto") -> str:
    """Processor, GPU if one trains, number of cores and version of torch. device: as train_gan.device."""
    parts = [processor(), gpu(device), f"{available_cores()} cores", f"torch {torch.__version__}"]
    return ", ".join(filter(None, parts))


def commit(root: Path) -> str:
    """The short hash of the commit checked out there; with a + if code, params or recipes differ from it."""
    try:
        changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", *DECIDING)
        return git(root, "rev-parse", "--short", "HEAD").strip() + ("+" if changed.strip() else "")
    except UserError:
        return "unknown commit"
