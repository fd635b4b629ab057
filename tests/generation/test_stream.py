"""Samples as a stream of files: the samples of one file, by any number of processes, in memory that does not grow."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from stages import generate
from stages.classifier.model import Classifier
from stages.common import shards
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.initialise import initialise
from stages.common.runtime import report_errors
from stages.common.shards import FIRST, FURTHER, INDEX, path_of
from stages.gan.sampler import Sampler
from stages.generation import stream
from tests.stage_process import ROOT, wait_until
from tests.test_generate import CLASSES, params, save_generator

FILES = [Path(FIRST), *(Path(FURTHER, f"samples_0000{number}.safetensors") for number in (1, 2))]


@pytest.fixture
def upstream(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generator that was never trained; files of 250 samples."""
    monkeypatch.setattr(shards, "IMAGES_PER_FILE", 250)
    monkeypatch.setattr(shards, "IMAGES_PER_CHUNK", 100)
    save_generator(data)
    return data


def generated(data: Path, count: int, **changes: Any) -> dict[str, bytes]:
    """All files of samples, by their names, and the index."""
    generate.run(params(num_images=count, **changes), data)
    folder = data / "generate"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*samples*.safetensors")
    } | {INDEX: (folder / FURTHER / INDEX).read_bytes()}


def test_several_files_hold_the_samples_of_one(
    upstream: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = generated(upstream, 630)
    assert "3 files: evaluate looks at all of them, other stages at the first, 250 samples" in capsys.readouterr().out
    assert set(written) == {*map(Path.as_posix, FILES), INDEX}
    pieces = [read_tensors(upstream / "generate" / path)[0] for path in FILES]
    assert [len(piece["labels"]) for piece in pieces] == [250, 250, 130]
    monkeypatch.setattr(shards, "IMAGES_PER_FILE", 1000)
    assert set(generated(upstream, 630)) == {FIRST, INDEX}
    whole, _ = read_tensors(upstream / "generate" / FIRST)
    for name in ("images", "labels"):
        assert torch.equal(torch.cat([piece[name] for piece in pieces]), whole[name])


def test_a_full_file_is_the_same_however_many_follow(upstream: Path) -> None:
    fewer, more = generated(upstream, 250), generated(upstream, 630)
    assert fewer[FIRST] == more[FIRST]
    assert set(generated(upstream, 250)) == {FIRST, INDEX}  # no file of the longer run is left


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_processes_writes_the_same_bytes(
    count: int, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = generated(upstream, 630, pull=0.3)
    monkeypatch.setattr(stream, "processes_for", lambda _items: count)
    assert generated(upstream, 630, pull=0.3) == alone


def test_too_little_disk_is_said_before_anything_is_drawn(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "free_disk", lambda _folder: 2**20)
    message = (
        r"^generate\.num_images: needs 7\.38 GiB of disk, and 0\.000977 GiB are there; expected less, at most about "
        r"1\.3e\+03, found 1e\+07$"
    )
    with pytest.raises(UserError, match=message):
        generate.run(params(num_images=10**7), upstream)
    assert not (upstream / "generate").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_disk_that_fills_up_leaves_whole_files(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = upstream / "generate"

    def full_later(_folder: Path) -> None:
        (folder / FURTHER).mkdir(parents=True)
        path_of(folder, 1).with_name(f"{FILES[1].name}.partial").symlink_to("/dev/full")

    monkeypatch.setattr(shards, "clear", full_later)
    with pytest.raises(SystemExit, match=r"^generate: the disk is full at .*samples_00001"), report_errors("generate"):
        generate.run(params(num_images=630), upstream)
    assert {path.name for path in folder.rglob("*") if not path.is_dir()} == {FIRST, INDEX}


def test_a_run_that_fails_in_its_first_file_leaves_no_samples_of_an_earlier_run(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever reads would take its first file for all samples. Here the second chunk of the first file fails."""
    generated(upstream, 630)
    numbered = Sampler.numbered

    def broken(self: Sampler, numbers: Any, purpose: str = "z") -> torch.Tensor:
        return numbered(self, numbers, purpose) * (torch.nan if numbers == range(100, 200) else 1)

    monkeypatch.setattr(Sampler, "numbered", broken)
    with pytest.raises(UserError, match="found pixels that are not numbers"):
        generate.run(params(num_images=630), upstream)
    with pytest.raises(UserError, match=r"samples\.safetensors is missing; .*`dvc repro generate` makes it again"):
        shards.load_first(upstream / "generate" / FIRST, 100)
    assert not list((upstream / "generate").rglob("*samples*.safetensors"))


PROGRAM = """
import sys
from pathlib import Path
from stages.common import shards
from stages.common.runtime import make_deterministic
from stages.evaluation.all_samples import Looking, streamed
from stages.generation.stream import Drawing, write_samples
make_deterministic()
shards.IMAGES_PER_FILE = 2500
data = Path(sys.argv[1])
drawing = Drawing(data / "train_gan" / "generator.safetensors", 1, (0, 1, 2, 3), None, 0.0)
for count in map(int, sys.argv[2:]):
    write_samples(data / "generate", count, drawing, drawing.subject())
    files = shards.sample_files(data / "generate")
    moments, _ = streamed(Looking(files, data / "classifier.safetensors", None, 4))
    assert moments.count == count
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
"""Generates and looks at all samples, in one process; prints the most memory that it has had so far, in kB."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak of memory there")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_samples(data: Path) -> None:
    """Images of 40,000 more samples would be 30 MiB as levels and 120 MiB as floats. Peaks vary by some MiB."""
    save_generator(data)
    made = Classifier([1, 28, 28], 4, width=1, num_features=8)
    initialise(made, 0, "classifier")
    write_tensors(data / "classifier.safetensors", made.state_dict(), {"arguments": made.arguments, "classes": CLASSES})
    command = [sys.executable, "-c", PROGRAM, str(data), "10000", "50000"]
    environment = {"GAN_PROCESSES": "1", "PYTHONPATH": str(ROOT), "PATH": "", "GAN_PROGRESS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (int(peak) / 1024 for peak in done.stdout.split())
    assert second - first < 20


ENDLESS = """
import sys
from pathlib import Path
from stages.common import shards, workers
from stages.common.runtime import make_deterministic, report_errors
from stages.generation.stream import Drawing, write_samples
if __name__ == "__main__":
    make_deterministic()
    shards.IMAGES_PER_FILE = 1500
    data = Path(sys.argv[1])
    drawing = Drawing(data / "train_gan" / "generator.safetensors", 1, (0, 1, 2, 3), None, 0.0)
    with report_errors("generate"):
        write_samples(data / "generate", 10**6, drawing, drawing.subject())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups and no SIGKILL")
@pytest.mark.parametrize(("name", "count"), [("SIGKILL", 1), pytest.param("SIGINT", 2, marks=pytest.mark.slow)])
def test_stopped_in_the_middle_it_leaves_whole_files(
    name: str, count: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "IMAGES_PER_FILE", 1500)  # as in the program
    save_generator(data)
    program = data / "endless.py"
    program.write_text(ENDLESS, encoding="utf-8")
    environment = {"GAN_PROCESSES": str(count), "PYTHONPATH": str(ROOT), "PATH": "", "GAN_PROGRESS": "0"}
    with subprocess.Popen(
        [sys.executable, str(program), str(data)], env=environment, stderr=-1, text=True, start_new_session=True
    ) as stage:
        wait_until(path_of(data / "generate", 2).exists)
        helpers = psutil.Process(stage.pid).children()
        assert bool(helpers) == (count > 1)
        os.killpg(stage.pid, signal.Signals[name])
        _, err = stage.communicate(timeout=60)
    assert err == ("" if name == "SIGKILL" else "generate: interrupted; `dvc repro` starts the stage again\n")
    wait_until(lambda: not any(helper.is_running() for helper in helpers), patience_s=30)
    whole = [path for path in (data / "generate").rglob("*samples*") if path.suffix == ".safetensors"]
    assert len(whole) >= 3
    assert {len(read_tensors(path)[0]["labels"]) for path in whole} == {1500}
    files = shards.sample_files(data / "generate")
    assert files
    with pytest.raises(UserError, match=r"samples_\d+\.safetensors is missing; "):
        files.read(10**6 - 1, 1)
