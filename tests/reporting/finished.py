"""A finished run for the tests of the report: figures of the committed run, and a generator of random weights."""

import io
import math
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from stages.common.files import write_bytes, write_json, write_tensors
from stages.common.grids import grid, grid_png
from stages.common.images import load_image_set, save_image_set, to_levels
from stages.common.initialise import initialise
from stages.common.params import read_params_file
from stages.evaluation.animation import Frame, animation
from stages.gan.architectures import build_generator
from stages.reporting.page import render
from stages.reporting.run import PICTURES, read_run
from tests.reporting.browser import Page, find_browser, opened_browser

ROOT = Path(__file__).parents[2]
SAMPLES = 200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-browser", action="store_true", help="fail where there is no Chromium")


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Any:
    """A headless Chromium. Without one, tests are skipped as NOT RUN, or fail with --require-browser."""
    program = find_browser()
    if program is None:
        missing = "NOT RUN: no Chromium on this machine (on Debian: apt-get install chromium)"
        if request.config.getoption("--require-browser"):
            pytest.fail(missing)
        pytest.skip(missing)
    with opened_browser(program) as page:
        yield page


def every_param() -> dict[str, Any]:
    return read_params_file(ROOT / "params.yaml")


def random_generator(network: str = "dcgan", **arguments: Any) -> tuple[nn.Module, dict[str, Any]]:
    """A generator with initial weights and the running statistics of no training, and its description.

    Its images use all of the grey scale.
    """
    arguments = {"image_shape": [1, 28, 28], "num_classes": 10, "z_dim": 64, "width": 32} | arguments
    generator = build_generator(network, arguments)
    initialise(generator, 1, "report")
    random = torch.Generator().manual_seed(1)
    for norm in generator.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(generator=random)
            norm.running_var.uniform_(0.02, 0.2, generator=random)
            norm.weight.data.uniform_(0.5, 1.5, generator=random)
            norm.bias.data.normal_(generator=random)
    meta = {"network": network, "arguments": arguments, "classes": list("0123456789")}
    return generator.eval(), meta


def write_generator(data: Path, network: str = "dcgan", **arguments: Any) -> None:
    generator, meta = random_generator(network, **arguments)
    write_tensors(data / "train_gan" / "generator.safetensors", generator.state_dict(), meta)


@pytest.fixture(scope="session")
def finished(normalized: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, to read only, with all that the stage report reads. Real digits stand for samples."""
    root = tmp_path_factory.mktemp("finished")
    archive = subprocess.run(["git", "archive", "HEAD", "data"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(root, filter="data")
    data = root / "data"
    for name in ("dataset.json", "test.safetensors"):
        write_bytes(data / "normalize" / name, (normalized / "normalize" / name).read_bytes())
    digits = load_image_set(normalized / "normalize" / "validation.safetensors")
    levels, labels = to_levels(digits.images[:SAMPLES]), digits.labels[:SAMPLES]
    save_image_set(data / "generate" / "samples.safetensors", levels, labels, digits.classes)
    write_json(data / "check" / "ok.json", {"schema": "ok", "numpy": "2", "torch": "2"})
    write_generator(data)
    for number, name in enumerate(PICTURES):
        write_bytes(data / name, grid_png(digits.images[number : number + 2], 2))
    moments = pd.read_csv(data / "track" / "track.csv")["kimg"].tolist()
    frames = [Frame(kimg, math.exp(-i), grid(digits.images[i : i + 50], 10)) for i, kimg in enumerate(moments)]
    write_bytes(data / "track" / "training.gif", animation(frames, 0.1))
    return data


@pytest.fixture
def opened(browser: Page, page_file: Path) -> Page:
    """The browser with the page of the finished run, and no event yet but those of its loading."""
    browser.events.clear()
    browser.open(page_file)
    return browser


@pytest.fixture(scope="session")
def page_file(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the finished run, outside of the data folder."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render(read_run(finished, every_param()), 1), encoding="utf-8")
    return path
