"""What figures were measured on: processor, cores, torch and commit."""

from pathlib import Path

import torch

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.gan.processor import describe
from tools.repository import git

DECIDING = ("stages", "tools", "recipes", "params.yaml")
"""What figures depend on, of the files in Git."""


def processor() -> str:
    """The processor's model, as the system names it."""
    kind = describe(Path("/proc/cpuinfo"))
    return kind.get("model_name") or kind.get("description") or kind.get("cpu_part") or "unknown processor"


def machine() -> str:
    """Processor, number of cores and version of torch."""
    return f"{processor()}, {available_cores()} cores, torch {torch.__version__}"


def commit(root: Path) -> str:
    """The short hash of the commit checked out there; with a + if code, params or recipes differ from it."""
    try:
        changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", *DECIDING)
        return git(root, "rev-parse", "--short", "HEAD").strip() + ("+" if changed.strip() else "")
    except UserError:
        return "unknown commit"
