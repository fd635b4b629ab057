"""The committed section train_gan and the options of its network, with other values for a test."""

from typing import Any

from stages import train_gan
from stages.common.params import StageParams, validate_section
from stages.gan import architectures
from tools.profiles import Changes, params_with

GanParams = tuple[train_gan.Params, StageParams]


def gan_content(profile: Changes | None = None, **changes: Any) -> dict[str, dict[str, Any]]:
    """The sections train_gan and networks with a profile; a change to an option of the network goes to its section."""
    content = params_with(profile or {})
    section = content["train_gan"]
    network: Any = changes.get("network", section["network"])
    options = dict(content[architectures.SECTION][network])
    own = {key: value for key, value in changes.items() if key not in options}
    options |= {key: value for key, value in changes.items() if key in options}
    return {"train_gan": section | own, architectures.SECTION: {network: options}}


def gan_params(profile: Changes | None = None, **changes: Any) -> GanParams:
    """Both, validated."""
    content = gan_content(profile, **changes)
    params = validate_section(content, "train_gan", train_gan.Params)
    return params, architectures.read_options(content, params.network)
