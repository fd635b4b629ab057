"""Write a trained generator as a folder to share: `make export`, or `make export GENERATOR=init/mine FOLDER=mine`.

A command and no stage: nothing in the pipeline depends on the folder, and no run needs the packages that write ONNX.
"""

import argparse
import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.files import write_bytes
from stages.common.runtime import make_deterministic, report_errors
from stages.gan.initial import read_net, read_stored, require_origin
from stages.gan.sampler import sampler_from
from tools.export.card import Card
from tools.export.lineage import GENERATOR, lineage_of
from tools.export.onnx_model import NUM_CHECKED, interface, largest_difference, onnx_bytes
from tools.in_step import commit_in_step

MODEL, CARD, PICTURE = "generator.onnx", "README.md", "samples.png"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def export(root: Path, path: Path, folder: Path, stored: tuple[dict[str, Tensor], dict[str, Any]]) -> float:
    """Write the folder. Returns the largest difference of a pixel from torch's. Raises UserError.

    root: the project, whose files say what the generator is; stored: what the generator's file at path holds.
    """
    require_own(folder)
    tensors, meta = stored
    sampler, content = sampler_from(tensors, meta, 1, str(path)), path.read_bytes()
    shape = interface(sampler, meta, class_names(meta["classes"]))
    lineage = lineage_of(root, content)
    onnx = onnx_bytes(sampler, shape, shape.metadata(meta, _sha256(content)))
    difference = largest_difference(onnx, sampler, shape)
    files = {MODEL: onnx, GENERATOR: content}
    if lineage.picture:
        files[PICTURE] = lineage.picture
    hashes = {name: _sha256(each) for name, each in files.items()}
    commit = commit_in_step(root, folder) if lineage.training else None
    card = Card(shape, meta, lineage, hashes, sampler.remarks, commit)
    files |= {"LICENSE": (root / "LICENSE").read_bytes(), CARD: card.text().encode()}
    for name in (CARD, PICTURE):  # of an earlier generator: neither may stand beside this one if a write fails
        (folder / name).unlink(missing_ok=True)
    for name, each in files.items():
        write_bytes(folder / name, each)
    return difference


def require_own(folder: Path) -> None:
    """Raises UserError if a file in the folder is none of an earlier export, and would be overwritten."""
    others = [] if (folder / MODEL).exists() else [name for name in (CARD, "LICENSE") if (folder / name).exists()]
    if (folder / "dvc.yaml").exists():  # whose README.md is no model card
        others = ["dvc.yaml"]
    if others:
        actual = f"{folder}, which holds a {others[0]} of something else"
        raise UserError(f"FOLDER: expected a folder for the export alone, found {actual}; name another folder")


def read_generator(root: Path, name: str) -> tuple[Path, tuple[dict[str, Tensor], dict[str, Any]]]:
    """Path and content of a generator: of train_gan, of init/<name>, or of a file elsewhere. Raises UserError."""
    if name.endswith(".safetensors"):
        path = Path(name)
        return path, read_net(path)
    try:
        path = root / "data" / require_origin(name) / GENERATOR
    except ValueError as error:
        raise UserError(f"GENERATOR: {error}, or the path of a .safetensors file; found {name!r}") from None
    return path, read_stored(path)


def require_packages() -> None:
    """Raises UserError if what writes and runs ONNX is not installed: it is not among what runs need."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        install = "`make export` installs them, and so does `pip install --require-hashes -r requirements-dev.txt`"
        raise UserError(f"ONNX needs {' and '.join(missing)}: {install}")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Write the folder and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m tools.export", description="A generator as a folder to share")
    parser.add_argument("--generator", default="train_gan", help="train_gan, init/<name>, or a .safetensors file")
    parser.add_argument("--folder", default="export", type=Path, help="where to write")
    chosen = parser.parse_args()
    with report_errors("export"):
        require_packages()
        make_deterministic()
        root = Path()
        path, stored = read_generator(root, chosen.generator)
        difference = export(root, path, chosen.folder, stored)
        print(f"{chosen.folder}: {path} as ONNX and safetensors, with a model card")
        print(f"onnxruntime's pixels differ from torch's by at most {difference:.1g} ({NUM_CHECKED:,} samples)")


if __name__ == "__main__":
    main()
