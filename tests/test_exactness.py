"""The same bytes with 1, 2, 3 and 4 processes, interrupted or not; and faults in the code that these tests notice.

Whole runs are compared with real processes. What takes many runs, one for each fault, uses threads in place of
processes: the same code, except for torch.distributed.
"""

import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import train_gan
from stages.common.files import pack_tensors, unpack_tensors
from stages.common.images import ImageSet, load_image_set
from stages.gan.exchange import Exchange
from stages.gan.loop import HISTORY, Loop
from stages.gan.team import Team
from tests.faults import SHOWN_BY_INTERRUPTION, SHOWN_BY_PROCESSES, Fault, inject
from tests.gan_params import GanParams, gan_params
from tests.stage_process import PATIENCE_S, Project, wait_until
from tools.profiles import TRAINING

# --- real processes ---


@pytest.fixture(scope="module")
def reference(normalized: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed run in one process."""
    project = Project.create(tmp_path_factory.mktemp("exactness") / "reference", normalized)
    files = project.run_checked(GAN_PROCESSES="1")
    samples = {"real", "epoch_0001", "epoch_0002", "final"}
    assert {name for name in files if name.startswith("samples/")} == {f"samples/{name}.png" for name in samples}
    assert not (project.root / ".checkpoints").exists() or not list((project.root / ".checkpoints").iterdir())
    return files


@pytest.fixture
def project(normalized: Path, tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project", normalized)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [3, 4])
def test_any_number_of_processes_gives_the_same_bytes(
    processes: int, project: Project, reference: dict[str, bytes]
) -> None:
    """Two: below, in a run that is stopped. Four parts go unevenly into three processes; four have one each."""
    assert project.run_checked(GAN_PROCESSES=str(processes)) == reference


@pytest.mark.slow
def test_two_runs_at_once_do_not_meet_and_give_the_same_bytes(
    project: Project, normalized: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    """Of two processes each: one run starts its own, those of the other are started by someone else's launcher."""
    other = Project.create(tmp_path / "other", normalized, seed=2)
    alone = other.run_checked(GAN_PROCESSES="1")
    launcher = ("python", "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "stages.train_gan")
    with other.started(*launcher) as second:
        assert project.run_checked(GAN_PROCESSES="2") == reference
        out, err = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, out + err
    assert other.written() == alone
    assert alone["generator.safetensors"] != reference["generator.safetensors"]


@pytest.mark.slow
def test_launchers_on_two_machines_give_the_same_bytes(
    project: Project, normalized: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    """Two folders in the place of two machines: to the processes, memory is then not shared. The first one writes."""
    other = Project.create(tmp_path / "other", normalized)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])

    def launcher(rank: int) -> tuple[str, ...]:
        machine = ("--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1")
        meeting = ("--master-addr", "127.0.0.1", "--master-port", port)
        return ("python", "-m", "torch.distributed.run", *machine, *meeting, "-m", "stages.train_gan")

    with other.started(*launcher(1)) as second:
        assert project.run_checked(*launcher(0)) == reference
        out, err = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, out + err
    assert other.written() == {}


@dataclass(frozen=True)
class Stop:
    """A run of so many processes that is asked to stop: by a signal to the parent, to every process, or to a worker."""

    processes: int
    number: signal.Signals
    target: str


@pytest.mark.parametrize(
    "stops",
    [
        (Stop(2, signal.SIGTERM, "worker"),),
        # Every process at once is what a service manager asks.
        pytest.param(
            (Stop(1, signal.SIGINT, "stage"), Stop(2, signal.SIGINT, "all"), Stop(3, signal.SIGTERM, "stage")),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_asked_to_stop_it_says_how_to_go_on_and_goes_on_to_the_same_bytes(
    stops: tuple[Stop, ...], project: Project, reference: dict[str, bytes]
) -> None:
    """Stopped once or several times, with another number of processes each time, and ended in one."""
    kimg = None
    for stop in stops:
        kimg = stopped(project, stop, since=kimg)
    done = project.run(GAN_PROCESSES="1")
    assert done.returncode == 0, done.stderr
    assert f"resuming from the checkpoint at {kimg} kimg" in done.stdout
    assert project.written() == reference


def stopped(project: Project, stop: Stop, since: str | None) -> str:
    """Go on from that many kimg, if any, and stop after a further checkpoint. Returns the kimg at which it stopped."""
    before = project.checkpoints()
    with project.started(GAN_PROCESSES=str(stop.processes), GAN_CHECKPOINT_KIMG="0.2") as stage:
        wait_until(lambda: project.checkpoints()[-1:] > before[-1:])
        processes = project.processes()
        assert len(processes) == (1 if stop.processes == 1 else 1 + stop.processes)
        for process in {"stage": processes[:1], "worker": processes[-1:], "all": processes}[stop.target]:
            process.send_signal(stop.number)
        out, err = stage.communicate(timeout=60)
    assert stage.returncode == 128 + stop.number, err
    (line,) = err.splitlines()
    assert line.startswith("train_gan: stopped at ")
    assert line.endswith("kimg; `dvc repro` resumes from there")
    assert "Traceback" not in out + err
    assert since is None or f"resuming from the checkpoint at {since} kimg" in out
    assert project.processes() == []
    return line.split()[3]


@pytest.mark.slow
def test_a_real_run_with_the_parts_in_another_order_gives_other_bytes(
    project: Project, reference: dict[str, bytes]
) -> None:
    """With real processes, for one of the faults below."""
    inject(project.root, "parts in another order")
    files = project.run_checked(GAN_PROCESSES="4")
    assert {name for name in files if files[name] != reference[name]} >= {"generator.safetensors", "history.csv"}


# --- threads in the place of processes ---

DIGITS, STEPS, STOP_AFTER = 120, 8, 5
THREADED = {"total_kimg": 0.32, "history_steps": 3, "snapshot_kimg": 0.16}
"""Steps of 40 digits. After 5 of 8 an epoch is over, a snapshot is kept, and a row of the history is open."""


NO_CHANGES: Mapping[str, Any] = {}
OPTIONS: dict[str, Mapping[str, Any]] = {
    "what D sees": {
        "penalties": {},
        "clip_weights": 0.05,
        "packing": 2,
        "translation": 3,
        "instance_noise": {"std": 0.2, "until": 0.9},
        "label_smoothing": 0.1,
    },
    "differences and burn-in": {
        "penalties": {
            "r1": {"weight": 1.0, "part": 0.5, "interval": 2, "difference": 0.03},
            "r2": {"weight": 1.0, "part": 1.0, "interval": 1, "difference": 0.03},
        },
        "loss": "relativistic_average",
        "burn_in": {"kimg": 0.2, "lr": 2.0, "penalty": 4.0, "ema_halflife": 0.5},
    },
    "codes, beside a D with BatchNorm": {
        "network": "dcgan_2015",
        "width": 4,
        "penalties": {},
        "auxiliary": "infogan",
        "conditional": False,
    },
    "classes that D names": {"network": "mlp", "g_hidden": [8], "d_hidden": [8], "auxiliary": "acgan"},
}
"""Options that are off in params.yaml, in as few runs as they go together in."""
SPECTRAL = {
    "network": "resnet",
    "width": 4,
    "group_channels": 4,
    "normalisation": "spectral",
    "loss": "hinge",
    "penalties": {},
}


class Threads:
    """The exchange of a team of threads."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=60)
        self._shown: list[tuple[list[Tensor], int]] = [([], 0)] * size

    def of(self, rank: int) -> Exchange:
        """What the Team of that rank calls to show its vectors to all."""

        def exchange(vectors: list[Tensor], slots: int, stop: int) -> tuple[list[Tensor], int]:
            self._shown[rank] = ([vector.clone() for vector in vectors], stop)
            self._barrier.wait()
            shown = list(self._shown)
            self._barrier.wait()
            blank = torch.zeros_like(vectors[0])
            tables = [torch.stack([*mine, *[blank] * (slots - len(mine))]) for mine, _ in shown]
            return tables, max(signal_number for _, signal_number in shown)

        return exchange

    def run(self, work: Callable[[int], None]) -> None:
        """Do the work of each rank in a thread of its own, named by the rank; an error in one is raised here."""
        errors: list[BaseException] = []

        def guarded(rank: int) -> None:
            try:
                work(rank)
            except BaseException as error:
                errors.append(error)
                self._barrier.abort()

        threads = [threading.Thread(target=guarded, args=(rank,), name=str(rank)) for rank in range(len(self._shown))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


@pytest.fixture(scope="module")
def digits_set(normalized: Path) -> ImageSet:
    digits = load_image_set(normalized / "normalize" / "train.safetensors")
    return ImageSet(digits.images[:DIGITS], digits.labels[:DIGITS], digits.classes)


@dataclass(frozen=True)
class Left:
    """What a training leaves, of which the outs are made: its state, what is finished, and where that is in the file.

    The rows of the history are one text: into how many records they go depends on the interruption.
    """

    state: bytes
    finished: dict[str, bytes]
    mark: dict[str, Any] = field(compare=False)


def trained(
    digits: ImageSet,
    size: int,
    fault: Fault | None = None,
    stop_after: int = 0,
    changes: Mapping[str, Any] = NO_CHANGES,
) -> Left:
    """What is left after STEPS steps of `size` threads; interrupted after stop_after steps, if any."""
    params, options = gan_params(TRAINING, **{**THREADED, **changes})
    assert params.total_steps == STEPS
    left = None
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        if fault:
            fault(patch.setattr)
        for steps in (stop_after, STEPS) if stop_after else (STEPS,):
            left = leg((params, options), digits, size, left, steps, Path(folder) / "finished")
    assert left
    return left


def leg(settings: GanParams, digits: ImageSet, size: int, before: Left | None, steps: int, path: Path) -> Left:
    """Build everything anew, continue from what was left, if anything, and train until that many steps are done."""
    torch.manual_seed(0)  # as in a new process
    params, options = settings
    threads, loops = Threads(size), dict[int, Loop]()

    def work(rank: int) -> None:
        team = Team(params.shards, rank, size, threads.of(rank))
        training = train_gan.build_loop(params, options, digits, torch.device("cpu"), team, [])
        if before:
            training.load_state(*unpack_tensors(before.state))
            if rank == 0:
                training.journal.take_up(path, before.mark)
        while training.steps_done < steps:
            training.step()
        loops[rank] = training

    threads.run(work)
    assert [loop.journal.names() for rank, loop in loops.items() if rank] == [[]] * (size - 1)
    return left_by(loops[0], path)


def left_by(loop: Loop, path: Path) -> Left:
    """What process 0 leaves, with what is finished in the file at that path."""
    loop.settle_rows()
    mark, finished = loop.journal.write(path), dict[str, bytes]()
    for name in loop.journal.names():
        key = HISTORY if name.startswith(HISTORY) else name
        finished[key] = finished.get(key, b"") + loop.journal.read(name)
    loop.journal.close()
    return Left(pack_tensors(*loop.state()), finished, mark)


@pytest.fixture(scope="module")
def sound(digits_set: ImageSet) -> Left:
    return trained(digits_set, 1)


@pytest.mark.parametrize(
    "size", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow), 4]
)
def test_threads_stand_for_processes(size: int, digits_set: ImageSet, sound: Left) -> None:
    """The comparisons that the faults below must break: without one they hold."""
    assert trained(digits_set, size) == sound
    assert trained(digits_set, size, stop_after=STOP_AFTER) == sound


@pytest.mark.parametrize(
    "changes",
    [*OPTIONS.values(), pytest.param(SPECTRAL, marks=pytest.mark.slow)],
    ids=[*OPTIONS, "spectral normalisation"],
)
def test_every_option_gives_the_same_bytes_for_two_and_interrupted(
    changes: Mapping[str, Any], digits_set: ImageSet, sound: Left
) -> None:
    alone = trained(digits_set, 1, changes=changes)
    assert alone != sound
    assert trained(digits_set, 2, stop_after=STOP_AFTER, changes=changes) == alone


@pytest.mark.parametrize(("size", "fault"), SHOWN_BY_PROCESSES.values(), ids=SHOWN_BY_PROCESSES)
def test_faults_that_the_number_of_processes_shows(size: int, fault: Fault, digits_set: ImageSet) -> None:
    assert trained(digits_set, size, fault) != trained(digits_set, 1, fault)


FAULTS_SHOWN = SHOWN_BY_INTERRUPTION.items()
SIBLINGS = ("no optimiser of D in the checkpoint", "no step count of the optimisers", "no pictures", "no snapshots")
"""Faults like others of the list, which show their kind in `make test`; these are in `make test-all`."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=pytest.mark.slow) if name in SIBLINGS else fault for name, fault in FAULTS_SHOWN],
    ids=SHOWN_BY_INTERRUPTION,
)
def test_faults_that_an_interruption_shows(fault: Fault, digits_set: ImageSet) -> None:
    assert trained(digits_set, 1, fault, STOP_AFTER) != trained(digits_set, 1, fault)


# --- sums ---


def summed(vectors: list[Tensor]) -> Tensor:
    """By a tree that halves, the larger half first, written down once more."""
    if len(vectors) == 1:
        return vectors[0]
    half = -(-len(vectors) // 2)
    return summed(vectors[:half]) + summed(vectors[half:])


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5, 6, 7, 8, 12, 16])
def test_teams_of_any_size_sum_the_parts_by_the_same_tree(shards: int) -> None:
    vectors = list(torch.randn(shards, 257, generator=torch.Generator().manual_seed(shards)))
    expected = summed(vectors) / shards
    for size in range(1, shards + 1):
        threads, means = Threads(size), dict[int, Tensor]()

        def work(rank: int, size: int = size, threads: Threads = threads, means: dict[int, Tensor] = means) -> None:
            team = Team(shards, rank, size, threads.of(rank))
            team.stop = signal.SIGTERM if rank == size - 1 else 0
            means[rank] = team.tree_mean([vectors[part] for part in team.parts])
            assert team.agreed_stop == signal.SIGTERM

        threads.run(work)
        assert len(means) == size
        for mean in means.values():
            assert torch.equal(mean, expected), f"{size} processes"
