"""Networks of an earlier run to start a training from: data/init/<name>, which the user provides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import unpack_tensors

NO_INIT = "none"
REMEDY = "copy it again from data/train_gan of the run that made it (data/init/README.md says how)"
SHOWN = 3
"""How many wrong tensors a message lists."""


def initial_files(data: Path, init_from: str) -> list[Path]:
    """The files of the generator and discriminator to start from, if any."""
    names = [] if init_from == NO_INIT else ["generator", "discriminator"]
    return [data / "init" / init_from / f"{name}.safetensors" for name in names]


def read_net(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and description of a network. Raises UserError if the file is missing, damaged or of another kind."""
    if not path.is_file():
        raise UserError(f"{path} is missing; `dvc pull {path.parent}.dvc` gets it if it was added, else {REMEDY}")
    try:
        tensors, meta = unpack_tensors(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: expected a {path.stem} of this pipeline, found {error}; {REMEDY}") from None
    if not {"network", "arguments"} <= meta.keys():
        described = f"a description of {', '.join(meta) or 'nothing'}"
        raise UserError(f"{path}: expected the network and the arguments of a {path.stem}, found {described}; {REMEDY}")
    return tensors, meta


def load_net(path: Path, net: nn.Module, network: str, arguments: dict[str, object]) -> None:
    """Load a file of an earlier run into the network, in place. Raises UserError if it holds a different network."""
    tensors, meta = read_net(path)
    actual, expected = _described(meta["network"], meta["arguments"]), _described(network, arguments)
    if actual != expected:
        keys = _differing(actual, expected)
        raise UserError(
            f"{path}: expected {_listed(expected, keys)}, as params.yaml and the digits say, found "
            f"{_listed(actual, keys)}; set train_gan and networks to these, or train_gan.init_from to others"
        )
    needed, stored = ({name: _kind(t) for name, t in state.items()} for state in (net.state_dict(), tensors))
    if needed != stored:
        names = _differing(needed, stored)
        pairs = [f"{name} {stored.get(name, 'missing')} in place of {needed.get(name, 'nothing')}" for name in names]
        raise UserError(f"{path}: expected the tensors of a {network} {path.stem}, found {_some(pairs)}; {REMEDY}")
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{path}: expected finite weights, found others in {_some(broken)}; {REMEDY}")
    net.load_state_dict(tensors)


def _described(network: object, arguments: object) -> dict[str, object]:
    return {"network": network, **(arguments if isinstance(arguments, dict) else {"arguments": arguments})}


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """The keys that only one of the two has, or whose values differ."""
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def _listed(values: dict[str, object], keys: list[str]) -> str:
    return ", ".join(f"{key} {values.get(key)}" for key in keys)


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
