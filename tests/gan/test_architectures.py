"""What every architecture must keep to, and the registry that is a folder's listing."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.checking.nets import net_cost
from stages.common.errors import UserError
from stages.common.params import read_params_file
from stages.gan import architectures

STAGES = Path(architectures.__file__).parents[1]
ROOT = STAGES.parent
Z_DIM, BATCH = 6, 5
# A new architecture is tested by an entry here: small options.
SMALL: dict[str, dict[str, Any]] = {
    "dcgan": {"width": 4},
    "dcgan_2015": {"width": 4, "d_normalisation": "none"},
    "mlp": {
        "g_hidden": [9, 8],
        "d_hidden": [8, 9],
        "g_normalisation": "batch",
        "d_normalisation": "layer",
        "norm_eps": 1e-5,
        "slope": 0.2,
        "class_input": "embedding",
    },
    "resnet": {
        "width": 4,
        "blocks": 1,
        "expansion": 2,
        "group_channels": 4,
        "normalisation": "none",
        "attention": False,
    },
}
NAMES = architectures.names()
# What options change of it: the name of the architecture, and other options.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp, one-hot": ("mlp", {"class_input": "one_hot"}),
    "resnet, spectral, attention": ("resnet", {"normalisation": "spectral", "attention": True, "blocks": 2}),
}
CASES = {name: (name, options) for name, options in SMALL.items()} | {
    case: (name, SMALL[name] | changes) for case, (name, changes) in VARIANTS.items()
}
IMAGE_SHAPES = ([1, 28, 28], [3, 32, 32], [1, 64, 64], [3, 4, 20])


def build(case: str, image_shape: list[int], num_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D with weights of the pipeline's own initialisation, which must know each of their layers.

    Factors that begin at 0 are moved away from it: nothing behind them would matter.
    """
    players = architectures.build_players(CASES[case][0], arguments(case, image_shape, num_classes), seed=0)
    for net in players:
        for parameter in net.parameters():
            if not parameter.any():
                nn.init.constant_(parameter, 0.1)
    return players


def arguments(case: str, image_shape: list[int], num_classes: int) -> dict[str, Any]:
    name, options = CASES[case]
    shapes = {"image_shape": image_shape, "num_classes": num_classes, "z_dim": Z_DIM}
    return shapes | architectures.load(name).Options.model_validate(options).model_dump()


def latents(batch: int = BATCH) -> Tensor:
    return torch.linspace(-20, 23, batch * Z_DIM).sin().view(batch, Z_DIM)


def pictures(image_shape: list[int], batch: int = BATCH) -> Tensor:
    values = torch.arange(batch * torch.Size(image_shape).numel(), dtype=torch.float32)
    return (values * 0.37).sin().view(batch, *image_shape)


def labels(num_classes: int, batch: int = BATCH) -> Tensor:
    return torch.arange(batch) % max(num_classes, 1)


def test_registry_is_the_listing_of_the_folder() -> None:
    assert sorted(path.stem for path in (STAGES / "gan" / "networks").glob("*.py")) == NAMES == sorted(SMALL)


@pytest.mark.parametrize("name", ["__init__.py", "_shared.py", "notes.txt"])
def test_other_files_of_the_folder_are_no_architectures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (name, "real.py"):
        (tmp_path / file).touch()
    monkeypatch.setattr(architectures, "FOLDER", tmp_path)
    assert architectures.names() == ["real"]


def test_unknown_name_is_refused_with_the_list_of_names() -> None:
    with pytest.raises(ValueError, match=rf"{', '.join(NAMES)}.*'perceptron'"):
        architectures.load("perceptron")


def test_only_the_chosen_module_is_imported(tmp_path: Path) -> None:
    """In a copy with one more architecture, which cannot be imported, the others work."""
    shutil.copytree(STAGES, tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages" / "gan" / "networks" / "broken.py").write_text("raise RuntimeError('imported')\n")
    code = (
        "import json, sys; from stages.gan import architectures;"
        "names = architectures.names(); architectures.load('dcgan');"
        "prefix = 'stages.gan.networks.';"
        "print(json.dumps([names, [name for name in sys.modules if name.startswith(prefix)]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [sorted([*NAMES, "broken"]), ["stages.gan.networks.dcgan"]]


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("image_shape", IMAGE_SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_shapes_ranges_and_gradients(case: str, image_shape: list[int], num_classes: int) -> None:
    G, D = build(case, image_shape, num_classes)
    y = labels(num_classes)
    images = G(latents(), y)
    assert images.shape == (BATCH, *image_shape)
    assert images.abs().max() <= 1
    logits = D(pictures(image_shape), y)
    assert logits.shape == (BATCH,)
    D(images, y).sum().backward()
    for player, net in {"G": G, "D": D}.items():
        idle = [key for key, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
        assert not idle, f"{player} has parameters that no gradient reaches"


@pytest.mark.parametrize("case", CASES)
def test_classes_matter_if_and_only_if_there_are_any(case: str) -> None:
    for num_classes in (0, 4):
        G, D = (net.eval() for net in build(case, [1, 28, 28], num_classes))
        first, second = torch.zeros(BATCH, dtype=torch.int64), torch.full((BATCH,), 3)
        x = pictures([1, 28, 28])
        same = [torch.equal(net(inputs, first), net(inputs, second)) for net, inputs in ((G, latents()), (D, x))]
        assert same == [num_classes == 0] * 2


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("case", CASES)
def test_a_sample_does_not_depend_on_its_neighbours(case: str, num_classes: int) -> None:
    G, D = (net.eval() for net in build(case, [1, 28, 28], num_classes))
    z, x, y = latents(), pictures([1, 28, 28]), labels(num_classes)
    images, logits = G(z, y), D(x, y)
    for row in range(BATCH):
        one = slice(row, row + 1)
        assert_close(G(z[one], y[one]), images[one])
        assert_close(D(x[one], y[one]), logits[one])
    assert len(set(logits.tolist())) == BATCH


@pytest.mark.parametrize("case", CASES)
def test_in_training_d_does_not_depend_on_neighbours_either(case: str) -> None:
    """Else the gradient of one logit would not be that of one image, and R1 not what it says."""
    _, D = build(case, [1, 28, 28], 4)
    x = pictures([1, 28, 28]).requires_grad_()
    (gradient,) = torch.autograd.grad(D.train()(x, labels(4))[0], x)
    assert gradient[0].any()
    assert not gradient[1:].any()


@pytest.mark.parametrize("name", NAMES)
def test_options_in_params_are_those_of_the_schema(name: str) -> None:
    content = read_params_file(ROOT / "params.yaml")
    assert architectures.read_options(content, name).model_dump() == content["networks"][name]


def test_missing_options_are_one_line_that_names_them() -> None:
    with pytest.raises(UserError, match=r"^params.yaml: section networks.dcgan is missing; it needs the keys width$"):
        architectures.read_options({"networks": {}}, "dcgan")


def test_a_network_may_own_its_initial_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a module with a layer that the common rules refuse."""

    class Scale(nn.Module):
        def __init__(self, **_: object) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    class OwnScale(Scale):
        def initialise(self, seed: int, purpose: str) -> None:
            nn.init.constant_(self.scale, seed + len(purpose))

    own = SimpleNamespace(Generator=OwnScale, Discriminator=OwnScale)
    monkeypatch.setattr(architectures, "load", lambda _: own)
    G, _ = architectures.build_players("own", {}, seed=5)
    assert G.get_parameter("scale").tolist() == [5.0 + len("train_gan.G")] * 3
    monkeypatch.setattr(architectures, "load", lambda _: SimpleNamespace(Generator=OwnScale, Discriminator=Scale))
    with pytest.raises(UserError, match=r"^networks.half: no rule to initialise Scale"):
        architectures.build_players("half", {}, seed=5)


def test_options_that_a_network_refuses_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> nn.Module:
        raise ValueError("expected width to be a multiple of heads")

    monkeypatch.setattr(architectures, "load", lambda _: SimpleNamespace(Generator=refuse, Discriminator=refuse))
    with pytest.raises(UserError, match=r"^networks.attention: expected width to be a multiple of heads$"):
        architectures.build_players("attention", {}, seed=0)


@pytest.mark.parametrize("case", CASES)
def test_generator_is_rebuilt_from_its_arguments(case: str) -> None:
    G, _ = build(case, [1, 28, 28], 4)
    twin = architectures.build_generator(CASES[case][0], arguments(case, [1, 28, 28], 4))
    twin.load_state_dict(G.state_dict())
    assert torch.equal(twin.eval()(latents(), labels(4)), G.eval()(latents(), labels(4)))


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("case", CASES)
def test_logits_are_made_from_the_features(case: str, num_classes: int) -> None:
    _, D = build(case, [1, 28, 28], num_classes)
    x, y = pictures([1, 28, 28]), labels(num_classes)
    features = D.features(x, y)  # type: ignore[operator]
    assert features.shape == (BATCH, D.num_features)
    assert_close(D.logits(features, y), D(x, y), rtol=0, atol=0)  # type: ignore[operator]


def inputs_like(x: Tensor) -> tuple[Tensor, Tensor]:
    """On the device of the context."""
    return torch.zeros(x.shape), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize("case", CASES)
def test_costs_are_measured_without_memory(case: str) -> None:
    """As check measures them: the numbers of parameters and buffers are those of the real nets."""
    name, made = CASES[case][0], arguments(case, [1, 28, 28], 4)
    inputs = torch.zeros(2, Z_DIM), torch.zeros(2, 1, 28, 28)
    for kind, net, x in zip(("Generator", "Discriminator"), build(case, [1, 28, 28], 4), inputs, strict=True):
        build_net = partial(getattr(architectures.load(name), kind), **made)
        cost = net_cost("G", build_net, partial(inputs_like, x))
        assert cost is not None
        assert cost.parameters == sum(tensor.numel() for tensor in (*net.parameters(), *net.buffers()))
        assert cost.outputs > 0
