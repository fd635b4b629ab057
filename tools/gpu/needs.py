"""What `tools.gpu` needs before it begins: a GPU that works, packages, digits. What is missing is said in one line."""

import importlib.util
from pathlib import Path

from stages.common.errors import UserError

PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "pandas": "pandas",
    "pydantic": "pydantic",
    "ruamel.yaml": "ruamel-yaml",
    "safetensors": "safetensors",
    "tqdm": "tqdm",
    "psutil": "psutil",
    "filelock": "filelock",
    "PIL": "pillow",
    "matplotlib": "matplotlib",
    "requests": "requests",
}
"""Modules that the stages import, by the names of the packages that hold them. DVC is none of them."""


def missing_packages() -> list[str]:
    """The packages that the stages import and that are not there."""
    return [package for module, package in PACKAGES.items() if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


RESULTS = {
    "normalize": ("train.safetensors", "validation.safetensors", "test.safetensors"),
    "train_classifier": ("classifier.safetensors",),
}
"""What a training on the GPU may take over from stages that have run, and the files by which it is whole.

The folders themselves are in every clone, where Git tracks small files in them.
"""


def is_whole(data: Path, folder: str) -> bool:
    """Whether that folder of RESULTS has its files."""
    return all((data / folder / name).is_file() for name in RESULTS[folder])


def require_digits(data: Path, source: str | None) -> None:
    """Raises UserError if there are neither normalised digits nor a folder with the four IDX files."""
    if not is_whole(data, "normalize") and not source:
        raise UserError(
            f"expected the digits in {data}/normalize, or the folder with the four IDX files in GAN_DATA_SOURCE; "
            "found neither"
        )
