"""The registry of architectures: the listing of the folder networks. Only the chosen module is imported.

A file whose name begins with an underscore is no architecture; what networks share is in layers.py.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

from pydantic import Field, ValidationError
from torch import Tensor, nn

from stages.common.class_names import MOST_CLASSES
from stages.common.errors import UserError
from stages.common.images import require_image_shape
from stages.common.initialise import initialise
from stages.common.params import PARAMS_FILE, StageParams, validate_section
from stages.common.records import first_mistake
from stages.common.shown import one_line, shown
from stages.common.weights import built_to_fit

FOLDER = Path(__file__).parent / "networks"
SECTION = "networks"
"""Of params.yaml: the options of each architecture, by its name."""
CODES = "labels_are_codes"
"""In a generator's description: its labels are codes that it learned the meaning of, not the classes of the images."""


class SharedArguments(StageParams):
    """What every network is called with beside its own options, within the bounds of any that this code trains."""

    image_shape: Annotated[list[int], Field(min_length=3, max_length=3, description="[C, H, W]")]
    num_classes: Annotated[int, Field(ge=0, le=MOST_CLASSES, description="0 for an unconditional GAN")]
    z_dim: Annotated[int, Field(ge=1, le=4096, description="entries of the latent z, as train_gan.z_dim")]


class Architecture(Protocol):
    """What a module in networks/ holds.

    Options: the schema of its section in params.yaml. Generator and Discriminator take image_shape ([C, H, W]),
    num_classes (0 for an unconditional GAN), z_dim, and each of the options, by these names, and raise ValueError for
    values that do not go together. D's forward is logits(features(images, y), y), and features gives [B, num_features]:
    what an auxiliary objective reads. A network that needs other initial weights than `initialise` gives has a method
    initialise(seed: int, purpose: str) -> None. Where D may normalise over a batch, Options has a property
    mixes_images.
    """

    Options: type[StageParams]
    Generator: type[nn.Module]
    Discriminator: type[nn.Module]


def names() -> list[str]:
    """The names of all architectures, sorted."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def load(name: str) -> Architecture:
    """The module of that architecture. Raises ValueError, with the list of names, if there is none."""
    if name not in names():
        raise ValueError(f"expected an architecture of {', '.join(names())}, found {shown(name)}")
    return cast("Architecture", importlib.import_module(f"stages.gan.networks.{name}"))


def read_options(content: dict[str, Any], name: str, path: Path = PARAMS_FILE) -> StageParams:
    """The options of that architecture in params.yaml. Raises UserError with a line for each key that is wrong."""
    options = content.get(SECTION)
    named = (
        [(key, value) for key, value in options.items() if isinstance(key, str)] if isinstance(options, dict) else []
    )
    by_key = {f"{SECTION}.{key}": value for key, value in named}
    return validate_section(by_key, f"{SECTION}.{name}", load(name).Options, path)


def net_arguments(image_shape: list[int], num_classes: int, z_dim: int, options: StageParams) -> dict[str, Any]:
    """What Generator and Discriminator are called with, and what their files say of them."""
    return {"image_shape": image_shape, "num_classes": num_classes, "z_dim": z_dim, **options.model_dump()}


def d_arguments(arguments: dict[str, Any], packing: int, num_classes: int) -> dict[str, Any]:
    """What Discriminator is called with, where it judges packs of that many images as more channels.

    num_classes: of D, which may be given no class where G is.
    """
    channels, height, width = arguments["image_shape"]
    return arguments | {"image_shape": [packing * channels, height, width], "num_classes": num_classes}


def build_generator(network: str, arguments: dict[str, Any]) -> nn.Module:
    """An untrained G of that architecture."""
    return load(network).Generator(**arguments)


def rebuilt_generator(network: object, arguments: object, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The G of a file that anyone may have written: its description's network and arguments, and its tensors.

    Raises ValueError, in one line, if they make no generator; nothing larger than the tensors is built to find out.
    """
    return _rebuilt("Generator", network, arguments, tensors)


def rebuilt_discriminator(network: object, arguments: object, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The D of such a file, likewise."""
    return _rebuilt("Discriminator", network, arguments, tensors)


def _rebuilt(player: str, network: object, arguments: object, tensors: Mapping[str, Tensor]) -> nn.Module:
    if not isinstance(network, str) or not isinstance(arguments, dict):
        raise ValueError(f"expected a network and its arguments, found {shown(network)} and {shown(arguments)}")
    architecture = load(network)
    shared = {key: arguments[key] for key in SharedArguments.model_fields if key in arguments}
    options = {key: value for key, value in arguments.items() if key not in shared}
    try:
        require_image_shape(SharedArguments.model_validate(shared).image_shape)
        # As JSON, where a list may stand for a tuple.
        architecture.Options.model_validate_json(json.dumps(options))
    except ValidationError as error:
        raise ValueError(first_mistake("arguments", error)) from None
    try:
        return built_to_fit(partial(getattr(architecture, player), **arguments), tensors)
    except (TypeError, RuntimeError) as error:  # of a network that refuses its arguments
        raise ValueError(one_line(error)) from None


def build_players(
    network: str, arguments: dict[str, Any], seed: int, of_d: dict[str, Any] | None = None
) -> tuple[nn.Module, nn.Module]:
    """G and D of that architecture with their initial weights, a function of the seed.

    of_d: what D is called with, if that is something else.

    Raises UserError if the architecture refuses the arguments or has a layer that nobody initialises.
    """
    architecture = load(network)
    with refused_options(network):
        players = architecture.Generator(**arguments), architecture.Discriminator(**(of_d or arguments))
        for name, net in zip("GD", players, strict=True):
            initialise_net = getattr(net, "initialise", None) or partial(initialise, net)
            initialise_net(seed, f"train_gan.{name}")
    return players


def require_separate_images(network: str, options: StageParams, penalties: Mapping[str, float]) -> None:
    """Raises UserError if D, normalised over a batch, is to be penalised for its slope at each single image.

    penalties: their weights by name; 0 leaves one out.
    """
    due = [name for name, weight in penalties.items() if weight]
    if due and getattr(options, "mixes_images", False):
        reason = "a penalty is on D's slope at one image, and BatchNorm makes it depend on all images of a part"
        expected = f"expected another, or weight 0 for {' and '.join(due)} of train_gan.penalties"
        raise UserError(f"{SECTION}.{network}.d_normalisation: {reason}; {expected}, found batch")


@contextmanager
def refused_options(network: str) -> Iterator[None]:
    """Raises UserError for what a network raises that cannot be built with its options."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UserError(f"{SECTION}.{network}: {' '.join(str(error).split())[:200]}") from None
