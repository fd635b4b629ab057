"""Memory that runs out and GPUs that fail while training: one line, and the last checkpoint is kept and named."""

from pathlib import Path
from typing import Any

import pytest
import torch

from stages import train_gan
from stages.common import runtime
from stages.gan import devices
from stages.gan.devices import Gpu
from stages.gan.trainer import Trainer
from tests.gan.broken_off import Files, finished, run, stored
from tests.stage_process import Project

ERRORS = {
    "GPU's memory": (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has"),
        "out of memory (CUDA out of memory. Tried to allocate 2.00 GiB.); set less train_gan.batch_size, more "
        "train_gan.shards, or smaller options of the network, or end other programs",
    ),
    "memory": (MemoryError(), "out of memory; set less train_gan.batch_size, more train_gan.shards, or smaller"),
    "GPU": (
        RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"),
        "the GPU fails (CUDA error: unspecified launch failure); set train_gan.device to cpu, or repair",
    ),
}


def fail_at(step: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Trainer.step

    def failing(trainer: Trainer, number: int) -> torch.Tensor:
        if number == step:
            raise error
        return whole(trainer, number)

    monkeypatch.setattr(Trainer, "step", failing)


def line_of(run_data: Path, **changes: Any) -> str:
    """What the stage ends with."""
    with (
        pytest.raises(SystemExit) as caught,
        runtime.report_errors("train_gan", less_memory=train_gan.LESS_MEMORY),
    ):
        run(run_data, **changes)
    assert isinstance(caught.value.code, str)
    assert "\n" not in caught.value.code
    return caught.value.code


@pytest.mark.parametrize("name", ERRORS)
def test_the_last_checkpoint_is_kept_and_named(
    name: str, run_data: Path, undisturbed: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, expected = ERRORS[name]
    with monkeypatch.context() as patch:
        fail_at(5, error, patch)
        line = line_of(run_data)
    newest = stored(run_data.parent)[-1].relative_to(run_data.parent)
    assert newest.stem == "step_000000004"
    assert line.startswith(f"train_gan: {expected}")
    assert line.endswith(f"; of checkpoints, {newest} is kept, from which a run of the same params resumes")
    assert finished(run_data) == undisturbed


def test_before_the_first_checkpoint_there_is_none(run_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(0, MemoryError(), monkeypatch)
    assert line_of(run_data).endswith("; of checkpoints, there is none yet")


def test_a_mistake_in_the_code_gets_no_note(run_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    fail_at(3, error, monkeypatch)
    with pytest.raises(RuntimeError, match="mat1"):
        line_of(run_data)
    assert not hasattr(error, "__notes__")


def test_a_gpu_that_does_not_work_leaves_the_training_to_the_cpu(
    run_data: Path, undisturbed: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files are those of a run that was told to use the CPU."""
    monkeypatch.setattr(devices, "is_claimed", lambda kind: kind == "cuda")
    monkeypatch.setattr(devices, "probe", lambda _: [Gpu("cuda:0", "H", "CUDA out of memory")])
    capsys.readouterr()
    assert finished(run_data, device="auto") == undisturbed
    err = capsys.readouterr().err
    assert "train_gan.device: cuda:0 (CUDA out of memory) does not work; cpu is used instead\n" in err


def fill_the_memory_of(project: Project, condition: str) -> None:
    """Change the copy of the code: at the third step of a process on which the condition holds, memory runs out."""
    path = project.root / "stages" / "gan" / "trainer.py"
    text = path.read_text(encoding="utf-8")
    start = "        set_learning_rate(self.opt_g, given.factors.lr_g)\n"
    assert text.count(start) == 1
    fault = f"        if step == 3 and ({condition}):\n            torch.empty(10**15)\n"
    path.write_text(text.replace(start, fault + start), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "lines"), [("True", 1), ("self.team.rank == 0", 1), ("self.team.rank == 1", 2)])
def test_of_several_processes_the_one_without_memory_says_so(
    condition: str, lines: int, normalized: Path, tmp_path: Path
) -> None:
    """Where it is not the first, that one adds that another one ended."""
    project = Project.create(tmp_path / "project", normalized)
    fill_the_memory_of(project, condition)
    done = project.run(GAN_PROCESSES="2")
    assert done.returncode == 1
    found = done.stderr.splitlines()
    assert len(found) == lines
    assert found[0].startswith("train_gan: out of memory (DefaultCPUAllocator: can't allocate memory")
    assert all(line.startswith("train_gan: another process of this training ended") for line in found[1:])
