"""What every architecture must keep to, and the registry that is a folder's listing."""

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.common.initialise import initialise
from stages.gan import architectures

STAGES = Path(architectures.__file__).parents[1]
Z_DIM, WIDTH, BATCH = 6, 4, 5
NAMES = architectures.names()
IMAGE_SHAPES = ([1, 28, 28], [1, 32, 32], [3, 32, 32])


def build(name: str, image_shape: list[int], num_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D with weights of the pipeline's own initialisation, which must know each of their layers."""
    module = architectures.load(name)
    nets = [net(image_shape, num_classes, Z_DIM, WIDTH) for net in (module.Generator, module.Discriminator)]
    for player, net in zip("GD", nets, strict=True):
        initialise(net, 0, player)
    return nets[0], nets[1]


def latents(batch: int = BATCH) -> Tensor:
    return torch.linspace(-20, 23, batch * Z_DIM).sin().view(batch, Z_DIM)


def pictures(image_shape: list[int], batch: int = BATCH) -> Tensor:
    values = torch.arange(batch * torch.Size(image_shape).numel(), dtype=torch.float32)
    return (values * 0.37).sin().view(batch, *image_shape)


def labels(num_classes: int, batch: int = BATCH) -> Tensor:
    return torch.arange(batch) % max(num_classes, 1)


def test_registry_is_the_listing_of_the_folder() -> None:
    assert sorted(path.stem for path in (STAGES / "gan" / "networks").glob("*.py")) == NAMES
    assert "dcgan" in NAMES


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
@pytest.mark.parametrize("name", NAMES)
def test_shapes_ranges_and_gradients(name: str, image_shape: list[int], num_classes: int) -> None:
    G, D = build(name, image_shape, num_classes)
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


@pytest.mark.parametrize("name", NAMES)
def test_classes_matter_if_and_only_if_there_are_any(name: str) -> None:
    for num_classes in (0, 4):
        G, D = (net.eval() for net in build(name, [1, 28, 28], num_classes))
        first, second = torch.zeros(BATCH, dtype=torch.int64), torch.full((BATCH,), 3)
        x = pictures([1, 28, 28])
        same = [torch.equal(net(inputs, first), net(inputs, second)) for net, inputs in ((G, latents()), (D, x))]
        assert same == [num_classes == 0] * 2


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_does_not_depend_on_its_neighbours(name: str, num_classes: int) -> None:
    G, D = (net.eval() for net in build(name, [1, 28, 28], num_classes))
    z, x, y = latents(), pictures([1, 28, 28]), labels(num_classes)
    images, logits = G(z, y), D(x, y)
    for row in range(BATCH):
        one = slice(row, row + 1)
        assert_close(G(z[one], y[one]), images[one])
        assert_close(D(x[one], y[one]), logits[one])
    assert len(set(logits.tolist())) == BATCH


@pytest.mark.parametrize("name", NAMES)
def test_in_training_d_does_not_depend_on_neighbours_either(name: str) -> None:
    """Else the gradient of one logit would not be that of one image, and R1 not what it says."""
    _, D = build(name, [1, 28, 28], 4)
    x = pictures([1, 28, 28]).requires_grad_()
    (gradient,) = torch.autograd.grad(D.train()(x, labels(4))[0], x)
    assert gradient[0].any()
    assert not gradient[1:].any()


@pytest.mark.parametrize("name", NAMES)
def test_every_player_takes_the_same_arguments(name: str) -> None:
    module = architectures.load(name)
    expected = ["image_shape", "num_classes", "z_dim", "width"]
    for player in (module.Generator, module.Discriminator):
        assert list(inspect.signature(player).parameters) == expected


@pytest.mark.parametrize("name", NAMES)
def test_generator_is_rebuilt_from_its_arguments(name: str) -> None:
    arguments = {"image_shape": [1, 28, 28], "num_classes": 4, "z_dim": Z_DIM, "width": WIDTH}
    G, _ = build(name, [1, 28, 28], 4)
    twin = architectures.build_generator(name, arguments)
    twin.load_state_dict(G.state_dict())
    assert torch.equal(twin.eval()(latents(), labels(4)), G.eval()(latents(), labels(4)))
