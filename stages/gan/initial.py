"""Networks of an earlier run, to start a training from or to draw from: data/init/<name>, which the user provides."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import read_packed, read_tensors, unpack_tensors
from stages.common.shown import listed, plain
from stages.common.weights import require_fitting

INIT, NO_INIT = "init", "none"
"""The folder under data/ that holds them, and the name under it that means none."""
OWN_RUN = "train_gan"
REMEDY = "copy it again from data/train_gan of the run that made it (data/init/README.md says how)"


def require_origin(origin: str) -> str:
    """The folder under data/ of networks that a stage only reads: of this run, or of an earlier one.

    Raises ValueError if it can be neither.
    """
    if origin != OWN_RUN and not re.fullmatch(rf"{INIT}/[A-Za-z0-9_][A-Za-z0-9_.-]*", origin):
        raise ValueError(f"expected {OWN_RUN}, or {INIT}/ and the name of a folder in data/{INIT}")
    return origin


def initial_files(data: Path, init_from: str) -> list[Path]:
    """The files of the generator and discriminator to start from, if any."""
    names = [] if init_from == NO_INIT else ["generator", "discriminator"]
    return [data / INIT / init_from / f"{name}.safetensors" for name in names]


def read_net(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and description of a network. Raises UserError if the file is missing, damaged or of another kind."""
    if not path.exists():
        raise UserError(f"{path} is missing; `dvc pull {path.parent}.dvc` gets it if it was added, else {REMEDY}")
    try:
        tensors, meta = unpack_tensors(read_packed(path))
    except ValueError as error:
        raise UserError(f"{path}: expected a {path.stem} of this pipeline, found {error}; {REMEDY}") from None
    if not {"network", "arguments"} <= meta.keys():
        described = f"a description of {listed(list(meta)) or 'nothing'}"
        raise UserError(f"{path}: expected the network and the arguments of a {path.stem}, found {described}; {REMEDY}")
    return tensors, meta


def read_stored(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and description of a network of this run or of an earlier one. Raises UserError as read_net."""
    return read_net(path) if is_of_earlier_run(path) else read_tensors(path)


def remedy_for(path: Path) -> str:
    """What to do about a file that holds no network that this code can rebuild."""
    return REMEDY if is_of_earlier_run(path) else f"dvc repro {OWN_RUN}"


def is_of_earlier_run(path: Path) -> bool:
    """Whether a network's file is in a folder of data/init."""
    return path.parts[-3:-2] == (INIT,)


def load_net(path: Path, net: nn.Module, network: str, arguments: dict[str, object]) -> None:
    """Load a file of an earlier run into the network, in place. Raises UserError if it holds a different network."""
    tensors, meta = read_net(path)
    require_described(path, meta, network, arguments)
    try:
        require_fitting(net, tensors)
    except ValueError as error:
        raise UserError(f"{path}: expected the tensors of a {network} {path.stem}, found {error}; {REMEDY}") from None
    net.load_state_dict(tensors)


def require_described(path: Path, meta: dict[str, Any], network: str, arguments: dict[str, object]) -> None:
    """Raise UserError if the file, by its description, holds another network or one that has other arguments."""
    actual, expected = _described(meta["network"], meta["arguments"]), _described(network, arguments)
    if actual != expected:
        keys = _differing(actual, expected)
        raise UserError(
            f"{path}: expected {_listed(expected, keys)}, as params.yaml and the images say, found "
            f"{_listed(actual, keys)}; set train_gan and networks to these, or train_gan.init_from to others"
        )


def _described(network: object, arguments: object) -> dict[str, object]:
    return {"network": network, **(arguments if isinstance(arguments, dict) else {"arguments": arguments})}


def _differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """The keys that only one of the two has, or whose values differ."""
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def _listed(values: dict[str, object], keys: list[str]) -> str:
    return listed([f"{plain(key)} {plain(values.get(key))}" for key in keys])
