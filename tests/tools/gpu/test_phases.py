"""`python -m tools.gpu` on the CPU: every phase in a tiny training, faults that it has to tell, and no GPU."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.common.errors import UserError
from tools.gpu import phases as module
from tools.gpu import speed
from tools.gpu.needs import PACKAGES, missing_packages, require_digits
from tools.gpu.phases import PHASES, Bench, run_phases
from tools.gpu.project import PhaseError, Project, Training
from tools.gpu.speed import Task, covered, measure
from tools.profiles import TRAINING, combined, params_with

ROOT = Path(__file__).parents[3]
SOON = 1e12
"""A time by which nothing has to end."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.gpu", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def bench(tmp_path: Path, data: Path = Path("nowhere")) -> Bench:
    content = params_with(TRAINING, {"train_gan": {"total_kimg": 2.4, "snapshot_kimg": 1.2}})
    return Bench(content, data, None, 4, 0.4, SOON, tmp_path / "scratch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line_and_fails(tmp_path: Path) -> None:
    done = command("--result", str(tmp_path / "gpu.json"))
    assert done.returncode == 1
    assert done.stderr.startswith("gpu: train_gan.device: cuda is not available; this machine has cpu")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.slow
def test_all_phases_are_rehearsed_on_the_cpu(tmp_path: Path, normalized: Path) -> None:
    """The real stages as processes: trained twice, kernel by kernel, stopped, resumed, measured and judged."""
    result = tmp_path / "gpu.json"
    done = command("--rehearse", "--data", str(normalized), "--result", str(result), "--minutes", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["rehearsal"]
    assert list(found["phases"]) == list(PHASES)
    assert all(phase["ok"] for phase in found["phases"].values())
    same = ("again", "eager", "resumed", "graph_then_eager", "eager_then_graph")
    assert all(found["phases"][name]["same_bytes"] for name in same)


def test_trainings_that_must_agree_are_run_and_compared(tmp_path: Path, normalized: Path) -> None:
    """The phases in which processes are started and stopped, without the metrics."""
    ready = bench(tmp_path, normalized)
    found = run_phases(ready, ["machine", "first", "graph_then_eager"])
    assert [(name, phase.get("error")) for name, phase in found.items()] == [
        ("machine", None),
        ("first", None),
        ("graph_then_eager", None),
    ]
    assert found["graph_then_eager"]["same_bytes"]
    assert len(found["first"]["generator_sha256"]) == 64


def test_steps_are_measured(normalized: Path) -> None:
    content = params_with(TRAINING)
    figures = measure(Task(content, str(normalized), "cpu", graph=True, steps=3))
    assert figures["images_per_s"] == pytest.approx(40_000 / figures["step_ms"])
    assert set(figures) == {"first_steps_s", "images_per_s", "step_ms"}


def test_a_phase_that_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_bench: Bench) -> dict[str, Any]:
        raise RuntimeError("CUDA error:\n  unspecified launch failure")

    monkeypatch.setitem(module.PHASES, "first", failing)
    found = run_phases(bench(tmp_path), ["machine", "first", "quality", "machine"])
    assert found["first"]["error"] == "CUDA error: unspecified launch failure"
    assert found["quality"]["error"] == "there is no finished training in float32"
    assert [phase["ok"] for phase in found.values()] == [True, False, False]


def test_when_the_time_is_up_no_phase_begins(tmp_path: Path) -> None:
    late = bench(tmp_path)
    late.end = 0.0
    found = run_phases(late, ["machine", "first"])
    assert {phase["error"] for phase in found.values()} == {"the time was up"}


def test_a_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    project = Project(tmp_path, end=0.0)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with pytest.raises(PhaseError, match="the time was up before a process had ended"):
        project.wait(process)
    assert process.poll() is not None


def test_other_bytes_are_named(tmp_path: Path) -> None:
    ready = bench(tmp_path)
    ready.reference = {"generator.safetensors": "a", "history.csv": "b"}
    ready.same(Training(1.0, dict(ready.reference)))
    with pytest.raises(PhaseError, match=r"^other bytes than the first training's: history\.csv, more$"):
        ready.same(Training(1.0, {"generator.safetensors": "a", "history.csv": "c", "more": "d"}))


def test_a_stage_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    project = bench(tmp_path).project("broken")
    (project.root / "params.yaml").write_text("train_gan: {}\n", encoding="utf-8")
    with pytest.raises(PhaseError, match=r"^train_gan ended with 1: .*params.yaml: train_gan"):
        project.train("1")


@pytest.mark.parametrize(
    ("spans", "length"),
    [([], 0), ([(0, 2)], 2), ([(0, 2), (1, 3)], 3), ([(0, 9), (1, 3), (4, 5)], 9), ([(0, 1), (5, 7)], 3)],
)
def test_kernels_that_run_at_once_count_once(spans: list[tuple[float, float]], length: float) -> None:
    assert covered(spans) == length


def test_steps_are_strict_on_a_gpu_alone_and_torch_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    speed.without_waiting(torch.device("cpu"), lambda: torch.zeros(()))
    assert modes == []

    def waits() -> torch.Tensor:
        raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="synchronizing"):
        speed.without_waiting(torch.device("cuda"), waits)
    assert modes == ["error", "default"]


# --- what it needs ---


def test_what_is_missing_is_said_before_anything_is_imported() -> None:
    code = (
        "import importlib.util, runpy, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'pydantic' else found(name, *rest)\n"
        "runpy.run_module('tools.gpu', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "gpu: the stages need pydantic: install them, or unpack their wheels in a folder that PYTHONPATH names\n"
    )


@pytest.mark.slow
def test_nothing_is_missing_here_and_the_list_is_that_of_the_imports() -> None:
    """What the stages load of the project's own dependencies; among them no DVC."""
    assert missing_packages() == []
    code = (
        "import sys, stages.download, stages.normalize, stages.train_classifier, stages.train_gan, stages.generate\n"
        "import stages.evaluate, tools.gpu.command, tools.gpu.speed\n"
        "print(*sorted(set(name.partition('.')[0] for name in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dvc" not in loaded
    named = {name.partition(".")[0] for name in PACKAGES}
    others = {"torchvision", "torch_fidelity", "jinja2", "markupsafe", "scipy", "urllib3", "onnx", "yaml"}
    assert named - loaded <= {"PIL", "matplotlib", "requests"}  # which are imported when they are used
    assert loaded & others <= {"urllib3"}  # of requests


@pytest.mark.parametrize(("source", "there"), [(None, False), ("idx", False), (None, True)])
def test_digits_are_needed(source: str | None, there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "normalize").mkdir()
        (tmp_path / "normalize" / "train.safetensors").touch()
    if source or there:
        require_digits(tmp_path, source)
        return
    with pytest.raises(UserError, match=r"^expected the digits in .*normalize, or the folder .* GAN_DATA_SOURCE"):
        require_digits(tmp_path, source)


def test_the_files_of_the_first_training_are_those_of_the_committed_params() -> None:
    """`make gpu` changes the device alone."""
    content = params_with({"train_gan": {"device": "cuda"}})
    assert combined(content, {"train_gan": {"device": "auto"}}) == params_with()
