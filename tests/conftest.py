"""Fixtures of all tests. Tests compute as stages do: on one thread, with deterministic kernels."""

# First of all, because it sets what numpy and torch read when they load.
import stages

# isort: split

import gc
import multiprocessing.process
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages import download, normalize
from stages.common.runtime import make_deterministic
from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.folder import Folder
from tests.datasets.entries import register
from tools.repository import throw_away_environment

pytest_plugins = [
    "tests.web_server",
    "tests.feature_sets",
    "tests.evaluation_inputs",
    "tests.gan.broken_off",
    "tests.reporting.finished",
    "tests.warm.fixture",
]

assert stages
# Repositories that tests make follow no configuration of the user.
_of_throw_away = throw_away_environment(os.environ)
os.environ.clear()
os.environ.update(_of_throw_away)
# Whatever takes longer than half a minute on a slow machine prints nothing.
os.environ["GAN_PROGRESS"] = "0"
make_deterministic()
gc.freeze()  # what is loaded by now is no garbage, and Python need not look through it again and again
torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-processes", action="store_true", help="skip a test as soon as it starts a process")


@pytest.fixture(autouse=True, scope="session")
def _without_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """For `make test-fast`: what starts processes takes longest, and this way nobody keeps a list of it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("--no-processes"):
            patch.setattr(subprocess.Popen, "__init__", _skip)
            patch.setattr(multiprocessing.process.BaseProcess, "start", _skip)
        yield


def _skip(*_arguments: object, **_options: object) -> None:
    pytest.skip("starts a process")


@pytest.fixture(scope="session")
def digits() -> Path:
    """A folder with the tests' own small IDX file set of real digits (1,200 for training, 400 for tests), as .gz."""
    return Path(__file__).parent / "digits"


@pytest.fixture(scope="session")
def tiny_dataset(digits: Path) -> Dataset:
    """Those digits as an entry of the registry."""
    return Dataset(
        sources=(Folder(digits),),
        classes=tuple("0123456789"),
        files={
            "train-images-idx3-ubyte": File(
                940_816, "47c0541247919cc9528ec0654e3717c826c4e66b788fc711095f7edad72cc55e"
            ),
            "train-labels-idx1-ubyte": File(1208, "d749ccf37ad1ce62ef29dd144c3db0303c1c2102a062bdd14271b9da8f079dc2"),
            "t10k-images-idx3-ubyte": File(313_616, "c4deee0bda8da7241453411865cd2a3899fd2f62ba130d51291bcd6f8eb24bc6"),
            "t10k-labels-idx1-ubyte": File(408, "a448fb86e5bcd5bfc69080011308ab2e2ef2409e2ac711bf36014242efe72849"),
        },
        format=idx.unchanged,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The path of a data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def normalized(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, to read only, after download and normalize: 1,000 training, 200 validation, 400 test digits."""
    data = tmp_path_factory.mktemp("normalized") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GAN_DATA_SOURCE", raising=False)
        register(patch, "tiny", tiny_dataset)
        download.run(download.Params(dataset="tiny", folder="none"), data)
        normalize.run(normalize.Params(limit=1000, classes="all", size=28, stack=1, num_stacks=1, seed=1), data)
    return data


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: gzip data hold the time, and processes that collect tests must agree on names."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None


LONGEST = (
    "test_pipeline",
    "test_exactness",
    "test_browser",
    "test_launch",
    "test_checkpoints",
    "test_train_gan",
    "test_verify",
    "test_evaluate",
    "test_stream",
    "test_usefulness",
    "test_checkpoint_keys",
    "test_graph",
    "test_deps",
    "test_report_tool",
    "test_unchanged",
    "test_export",
    "test_phases",
    "test_plots_page",
)
"""Files of tests that take long; run first, so that at the end no core waits for one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, whole and in this order."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
