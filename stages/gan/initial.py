"""Nets of an earlier run to start a training from: data/init/<name>, which a user puts there."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import unpack_tensors

NO_INIT = "none"
REMEDY = "copy it anew from data/train_gan of the run that made it (data/init/README.md says how)"
SHOWN = 3
"""How many wrong tensors a message names."""


def initial_files(data: Path, init_from: str) -> list[Path]:
    """The generator and discriminator to start from, or nothing."""
    names = [] if init_from == NO_INIT else ["generator", "discriminator"]
    return [data / "init" / init_from / f"{name}.safetensors" for name in names]


def read_net(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the description of a net. Raises UserError if the file is missing, damaged or another kind."""
    if not path.is_file():
        raise UserError(f"{path} is missing; `dvc pull {path.parent}.dvc` gets it if it was added, else {REMEDY}")
    try:
        tensors, meta = unpack_tensors(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: expected a {path.stem} of this pipeline, found {error}; {REMEDY}") from None
    if not {"network", "arguments"} <= meta.keys():
        found = f"a description of {', '.join(meta) or 'nothing'}"
        raise UserError(f"{path}: expected the network and the arguments of a {path.stem}, found {found}; {REMEDY}")
    return tensors, meta


def load_net(path: Path, net: nn.Module, network: str, arguments: dict[str, object]) -> None:
    """Fill the net, in place, from a file of an earlier run. Raises UserError if that holds another one."""
    tensors, meta = read_net(path)
    found, expected = _described(meta["network"], meta["arguments"]), _described(network, arguments)
    if found != expected:
        differ = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        wanted, there = ({key: one.get(key) for key in differ} for one in (expected, found))
        raise UserError(
            f"{path}: expected {_listed(wanted)}, as the section train_gan and the digits say, found {_listed(there)}; "
            "set train_gan to what the nets are, or train_gan.init_from to others"
        )
    kinds, stored = ({name: _kind(tensor) for name, tensor in one.items()} for one in (net.state_dict(), tensors))
    if kinds != stored:
        differ = sorted(name for name in kinds.keys() | stored.keys() if kinds.get(name) != stored.get(name))
        pairs = [f"{name} {stored.get(name, 'missing')} in place of {kinds.get(name, 'nothing')}" for name in differ]
        raise UserError(f"{path}: expected the tensors of a {network} {path.stem}, found {_some(pairs)}; {REMEDY}")
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{path}: expected finite weights, found others in {_some(broken)}; {REMEDY}")
    net.load_state_dict(tensors)


def _described(network: object, arguments: object) -> dict[str, object]:
    return {"network": network, **(arguments if isinstance(arguments, dict) else {"arguments": arguments})}


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _listed(values: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
