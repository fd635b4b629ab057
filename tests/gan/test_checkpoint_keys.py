"""Which run a checkpoint belongs to: everything that decides the result is part of its key."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.gan import environment
from stages.gan.checkpoints import run_key
from tests.gan.broken_off import Files, finished, steps, stored
from tests.stage_process import Project


def test_a_run_goes_on_from_its_last_checkpoint_to_the_same_bytes(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steps(broken_off(7)) == [4, 6]
    shutil.rmtree(run_data / "train_gan")  # as DVC does before it runs a stage
    assert finished(run_data) == undisturbed
    assert "resuming from the checkpoint at 0.24 kimg" in capsys.readouterr().out
    assert not list((run_data.parent / ".checkpoints").iterdir())


def change_a_param(_run_data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"seed": 2}


def prolong(_run_data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"total_kimg": 0.4}


def change_an_input(run_data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    path = run_data / "normalize" / "train.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return {}


def change_the_processor(_run_data: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    described = environment.describe(torch.device("cpu"))
    patch.setattr(environment, "describe", lambda _device: described | {"processor": {"model": "another"}})
    return {}


@pytest.mark.parametrize(
    "change",
    [
        change_a_param,
        change_the_processor,
        *(pytest.param(change, marks=pytest.mark.slow) for change in (prolong, change_an_input)),
    ],
)
def test_whatever_decides_the_result_starts_afresh_when_it_changes(
    change: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]],
    broken_off: Callable[..., list[Path]],
    run_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder,) = {path.parent for path in broken_off(5)}
    finished(run_data, **change(run_data, monkeypatch))
    assert "going on" not in capsys.readouterr().out
    assert steps(stored(run_data.parent)) == [2, 4], "those of the other run stay, for it may come back"
    assert folder.exists()


def test_settings_that_change_no_byte_change_no_key(
    broken_off: Callable[..., list[Path]],
    run_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken_off(5)
    for name, value in (("GAN_PROCESSES", "3"), ("GAN_CHECKPOINT_KIMG", "1"), ("GAN_PROGRESS", "0")):
        monkeypatch.setenv(name, value)
    finished(run_data)
    assert "resuming from the checkpoint at 0.16 kimg" in capsys.readouterr().out


KEYS = """
import sys
from pathlib import Path
from stages import train_gan
from stages.gan.checkpoints import run_key
from stages.gan import architectures

architectures.load("dcgan")
root = Path.cwd()
(root / "stages/gan/networks/other.py").write_text("# Another architecture.")
first = run_key({}, [], {})
for path in sorted((root / "stages").rglob("*.py")):
    name = path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    text = path.read_text()
    path.write_text(text + "# Changed.")
    print("changes" if run_key({}, [], {}) != first else "keeps", "used" if name in sys.modules else "unused", name)
    path.write_text(text)
assert run_key({}, [], {}) == first
"""


def test_every_line_of_the_code_that_is_used_is_part_of_the_key(normalized: Path, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project", normalized)
    done = project.run(sys.executable, "-c", KEYS)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {(effect, use) for effect, use, _ in lines} == {("changes", "used"), ("keeps", "unused")}
    used = {name for _, use, name in lines if use == "used"}
    assert used >= {"stages", "stages.train_gan", "stages.gan.trainer", "stages.gan.networks.dcgan"}
    assert "stages.gan.networks.other" not in used


def test_the_chosen_architecture_is_loaded_before_the_key_is_made(
    broken_off: Callable[..., list[Path]], run_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("stages.gan.networks.")]:
        monkeypatch.delitem(sys.modules, name)
    (first,) = {path.parent for path in broken_off(3)}
    assert "stages.gan.networks.dcgan" in sys.modules
    shutil.rmtree(first)
    assert {path.parent for path in broken_off(3)} == {first}


@pytest.mark.slow
def test_a_link_to_the_project_leads_to_the_same_key(normalized: Path, tmp_path: Path) -> None:
    """Where the project is reached by a link, its code counts all the same."""
    project = Project.create(tmp_path / "project", normalized)
    (tmp_path / "link").symlink_to(project.root)
    code = "from stages.gan.checkpoints import run_key; print(run_key({}, [], {}))"
    keys = set()
    for path in (project.root, tmp_path / "link"):
        done = project.run("env", "-C", "/", sys.executable, "-c", code, PYTHONPATH=str(path))
        assert done.returncode == 0, done.stderr
        keys.add(done.stdout)
    assert len(keys) == 1
    assert keys != {run_key({}, [], {}) + "\n"}, "the tests' own modules make another"
