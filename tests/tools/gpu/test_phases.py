"""`python -m tools.gpu` on the CPU: every phase in a tiny training, faults that it has to tell, and no GPU."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from stages.common.errors import UserError
from stages.gan import environment
from stages.gan.inputs import DrawnAhead
from tests.stage_process import wait_until
from tools.gpu import phases as module
from tools.gpu import speed
from tools.gpu.needs import PACKAGES, RESULTS, is_whole, missing_packages, require_digits
from tools.gpu.phases import PHASES, Bench, run_phases
from tools.gpu.project import PhaseError, Project, Training
from tools.gpu.speed import Task, covered, measure
from tools.profiles import TRAINING, combined, params_with

ROOT = Path(__file__).parents[3]
SOON = time.monotonic() + 1e6
"""A time by which nothing has to end."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.gpu", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def contents(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def a_run(data: Path) -> dict[str, bytes]:
    """Add what a clone and a run leave in data/; gives all that it then holds."""
    for folder, name in {
        "normalize": ".gitignore",
        "train_classifier": "history.csv",
        "train_gan": "history.csv",
        "generate": "samples.safetensors",
        "evaluate": "details.json",
    }.items():
        (data / folder).mkdir(parents=True, exist_ok=True)
        (data / folder / name).write_text(f"of the user's {folder}", encoding="utf-8")
    return contents(data)


def with_stage(project: Project, stage: str, code: str) -> Project:
    """The project with another program in place of that stage."""
    (project.root / "stages" / f"{stage}.py").write_text(code, encoding="utf-8")
    return project


def bench(tmp_path: Path, data: Path = Path("nowhere")) -> Bench:
    content = params_with(TRAINING, {"train_gan": {"total_kimg": 2.4, "snapshot_kimg": 1.2}})
    return Bench(content, data, None, 4, 0.4, SOON, tmp_path / "scratch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line_and_fails(tmp_path: Path) -> None:
    done = command("--result", str(tmp_path / "gpu.json"))
    assert done.returncode == 1
    line = "gpu: there is no GPU to measure (cuda is not available); --rehearse runs all phases on the CPU\n"
    assert done.stderr == line
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.slow
def test_all_phases_are_rehearsed_on_the_cpu(tmp_path: Path, normalized: Path) -> None:
    """The real stages as processes: trained twice, kernel by kernel, stopped, resumed, measured and judged.

    The run that data/ holds stays as it was.
    """
    result, data = tmp_path / "gpu.json", tmp_path / "data"
    shutil.copytree(normalized / "normalize", data / "normalize")
    before = a_run(data)
    done = command("--rehearse", "--data", str(data), "--result", str(result), "--minutes", "30")
    assert contents(data) == before
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["rehearsal"]
    assert list(found["phases"]) == list(PHASES)
    assert all(phase["ok"] for phase in found["phases"].values())
    same = ("again", "eager", "resumed", "graph_then_eager", "eager_then_graph")
    assert all(found["phases"][name]["same_bytes"] for name in same)


@pytest.mark.slow
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


@pytest.mark.slow
def test_steps_are_measured(normalized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that must not wait include one that sends a block of draws."""
    content = params_with(TRAINING)
    seen: list[str] = []
    send, strict = DrawnAhead._send, speed.without_waiting

    def sent(ahead: DrawnAhead) -> None:
        seen.append("block")
        send(ahead)

    def noted(*arguments: Any) -> None:
        seen.append("begin")
        strict(*arguments)
        seen.append("end")

    monkeypatch.setattr(DrawnAhead, "_send", sent)
    monkeypatch.setattr(speed, "without_waiting", noted)
    figures = measure(Task(content, str(normalized), "cpu", graph=True, steps=3))
    assert "block" in seen[seen.index("begin") : seen.index("end")]
    assert figures["images_per_s"] == pytest.approx(40_000 / figures["step_ms"])
    assert set(figures) == {"first_steps_s", "images_per_s", "step_ms"}


def test_a_phase_that_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_bench: Bench) -> dict[str, Any]:
        raise RuntimeError("CUDA error:\n  unspecified launch failure")

    monkeypatch.setitem(module.PHASES, "first", failing)
    monkeypatch.setitem(module.PHASES, "ready", lambda _bench: {})
    saved: list[list[str]] = []
    found = run_phases(bench(tmp_path), ["first", "quality", "ready"], lambda results: saved.append(list(results)))
    assert saved == [["first"], ["first", "quality"], ["first", "quality", "ready"]]
    assert found["first"]["error"] == "CUDA error: unspecified launch failure"
    assert found["quality"]["error"] == "there is no finished training in float32"
    assert [phase["ok"] for phase in found.values()] == [False, False, True]


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


def test_the_first_training_of_all_is_compared_with_nothing(tmp_path: Path) -> None:
    ready = bench(tmp_path)
    assert ready.same(Training(1.0, {"a": "1"})) == {"seconds_of_training": 1.0, "bytes": "nothing to compare with"}
    assert ready.same(Training(2.0, {"a": "1"})) == {"seconds_of_training": 2.0, "same_bytes": True}
    with pytest.raises(PhaseError, match="other bytes"):
        ready.same(Training(1.0, {"a": "2"}))


WRITES = """
import pathlib
for folder in ("train_gan", "generate", "evaluate"):
    pathlib.Path("data", folder).mkdir(exist_ok=True)
    for name in ("history.csv", "samples.safetensors", "details.json"):
        pathlib.Path("data", folder, name).write_text(pathlib.Path.cwd().name)
"""


def test_a_run_in_the_data_stays_as_it_is_and_trainings_share_no_file(tmp_path: Path, normalized: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(normalized / "normalize", data / "normalize")
    before = a_run(data)
    ready = bench(tmp_path, data)
    projects = [with_stage(ready.project(name), "train_gan", WRITES) for name in ("one", "two")]
    for project in projects:
        project.train("1")
    assert contents(data) == before
    written = [(project.root / "data" / "train_gan" / "history.csv").read_text() for project in projects]
    assert written == ["one", "two"]
    assert {path.name for path in (projects[0].root / "data").iterdir() if path.is_symlink()} == {"normalize"}


MAKES = """
import pathlib
folder = pathlib.Path("data", {stage!r})
folder.mkdir(exist_ok=True)
for name in {names}:
    (folder / name).write_text("made")
"""


def test_in_a_clone_digits_and_classifier_are_made_beside_the_folders_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    before = a_run(data)
    ready, create = bench(tmp_path, data), Project.create
    ready.source = "the IDX files"

    def created(*arguments: Any) -> Project:
        project = with_stage(create(*arguments), "download", "")
        for stage, names in RESULTS.items():
            with_stage(project, stage, MAKES.format(stage=stage, names=names))
        return project

    monkeypatch.setattr(Project, "create", created)
    module.digits(ready)
    assert ready.classifier
    assert ready.classifier.wait() == 0
    first = ready.project("first").root / "data"
    assert (first / "normalize" / "test.safetensors").read_text() == "made"
    assert not (first / "train_classifier").exists()  # judged() links it when it has learned
    assert is_whole(ready.scratch / "classifier" / "data", "train_classifier")
    assert contents(data) == before


def test_a_training_without_a_checkpoint_ends_with_the_time(tmp_path: Path) -> None:
    ready = bench(tmp_path)
    ready.end = time.monotonic() + 1
    project = with_stage(ready.project("slow"), "train_gan", "import time; time.sleep(1000)")
    with pytest.raises(PhaseError, match="the time was up before the first checkpoint"):
        project.train_interrupted("1", "1", 0.4)
    assert not of_project(project.root)


def of_project(root: Path) -> list[psutil.Process]:
    """Processes of stages that run in that folder or below it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(root)):
                found.append(process)
    return found


HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)
"""Of a closed terminal; Windows has none."""


@pytest.mark.slow
@pytest.mark.parametrize("number", [HANGUP, signal.SIGTERM, signal.SIGINT])
def test_stopped_it_leaves_what_it_found_and_no_process(
    number: signal.Signals, tmp_path: Path, normalized: Path
) -> None:
    """And no remedy of a stage: `dvc repro` has nothing to do with it."""
    result, scratch = tmp_path / "gpu.json", tmp_path / "scratch"
    scratch.mkdir()
    arguments = ["machine", "first", "--rehearse", "--data", str(normalized), "--result", str(result)]
    with subprocess.Popen(
        [sys.executable, "-m", "tools.gpu", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: of_project(scratch))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == f"gpu: stopped; {result} has the phases that had ended\n"
    assert not of_project(scratch)
    assert list(scratch.iterdir()) == []
    found = json.loads(result.read_text(encoding="utf-8"))["phases"]
    assert list(found) == ["machine"]
    assert found["machine"]["ok"]


@pytest.mark.slow
def test_the_machine_is_asked_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that this one never holds the GPU."""

    def held(_device: torch.device) -> dict[str, Any]:
        raise AssertionError("by this process")

    monkeypatch.setattr(environment, "describe", held)
    found = run_phases(bench(tmp_path), ["machine"])["machine"]
    assert found["environment"]["device"] == "cpu"


@pytest.mark.slow
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


# --- quality ---

EVALUATED = """
import json, pathlib
folder = pathlib.Path("data/evaluate")
folder.mkdir(parents=True)
metrics = {"coverage": {"value": 0.3, "floor": 0.9, "ratio": 0.33}}
(folder / "details.json").write_text(json.dumps({"metrics": metrics, "in_plain_words": "not good"}))
"""


@pytest.mark.parametrize(("high", "seed", "fails"), [(0.5, 1, False), (0.2, 1, True), (0.2, 2, False)])
def test_metrics_outside_of_the_spread_fail_the_phase(
    high: float, seed: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the spread is of other params, which says nothing of these."""
    ready = bench(tmp_path)
    project = with_stage(with_stage(ready.project("judged"), "generate", ""), "evaluate", EVALUATED)
    ready.trained["float32"] = project
    spread = {
        "params": {"generate": {"seed": seed}},
        "seeds": [1, 2],
        "metrics": {"coverage": {"by": "ratio", "mean": 0.2, "low": 0.1, "high": high}},
    }
    monkeypatch.setattr("tools.gpu.quality.read_spread", lambda _: spread)
    assert ready.content["generate"]["seed"] == 1
    (figures,) = run_phases(ready, ["quality"]).values()
    assert figures["ok"] is not fails
    assert figures["metrics"]["coverage"]["ratio"] == 0.33
    assert ("other metrics than those of 2 seeds: coverage" in figures.get("error", "")) is fails


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
    (tmp_path / "normalize").mkdir()  # which is in every clone
    if there:
        for name in RESULTS["normalize"]:
            (tmp_path / "normalize" / name).touch()
    if source or there:
        require_digits(tmp_path, source)
        return
    with pytest.raises(UserError, match=r"^expected the digits in .*normalize, or the folder .* GAN_DATA_SOURCE"):
        require_digits(tmp_path, source)


def test_the_files_of_the_first_training_are_those_of_the_committed_params() -> None:
    """`make gpu` changes the device alone."""
    content = params_with({"train_gan": {"device": "cuda"}})
    assert combined(content, {"train_gan": {"device": "auto"}}) == params_with()
