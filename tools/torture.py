"""Kill the training at random moments, let `dvc repro` finish it, and compare every file: `make torture KILLS=100`.

In a temporary clone with a tiny profile, train_gan first runs undisturbed. Then, again and again from the beginning,
a run of `dvc repro` is ended with SIGKILL. The victim is DVC, the stage, one of its workers or all of them; the moment
is during start, training, the writing of a checkpoint or of the outs, or while DVC takes over the outs. Sometimes a bit
of the newest checkpoint is flipped, or of what all of them rely on. The next `dvc repro`, with the same number of
processes or another, has to produce the bytes of the undisturbed run, and no process or file may be left behind.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from tools.clone import Clone, tiny_clone
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.kills import Plan, choose, descendants, exists_in, is_stage, wait_until
from tools.profiles import TRAINING, combined, network_width

REPRO = (sys.executable, "-m", "dvc", "repro", "--single-item", "train_gan")
PROFILE = combined(TRAINING, {"train_gan": {"total_kimg": 2.4, "snapshot_kimg": 0.8}}, network_width(16))
"""60 steps over two epochs and a half; with CHECKPOINT_KIMG, 11 checkpoints before the end."""
CHECKPOINT_KIMG = "0.2"
OUTS = ("history.csv", "generator.safetensors", "discriminator.safetensors", "snapshots.safetensors")
TRIES = 4
ORPHANS_S = 15.0
"""How long the processes of a killed run may take to notice it and end."""


@dataclass
class Outcome:
    """What happened; problems is empty if nothing went wrong.

    caught_writing: whether a half-written file was left; turned: whether a bit of a checkpoint was flipped; resumed:
    whether the next run continued from a checkpoint.
    """

    plan: Plan
    caught_writing: bool
    turned: bool
    resumed: bool
    problems: list[str]


class Torture:
    """A clone, the files that an undisturbed run writes there, and how long that takes."""

    def __init__(self, clone: Clone) -> None:
        self.clone, self.root = clone, clone.root
        self.out, self.log = clone.root / "data" / "train_gan", clone.root.parent / "log"
        clone.run_checked(sys.executable, "-m", "dvc", "repro", "normalize")
        self.lock_before = (self.root / "dvc.lock").read_bytes()
        self._durations = {1: self._undisturbed(1)}
        self.reference = self._result()

    def durations(self, processes: int) -> dict[str, float]:
        """Seconds before training, of training, and until DVC ends, in an undisturbed run."""
        if processes not in self._durations:
            self._durations[processes] = self._undisturbed(processes)
        return self._durations[processes]

    def _undisturbed(self, processes: int) -> dict[str, float]:
        self._reset()
        begun = time.monotonic()
        with self._started(processes) as dvc:
            wait_until(self._is_training, dvc)
            training = time.monotonic()
            wait_until((self.out / "environment.json").exists, dvc)
            trained = time.monotonic()
        if dvc.returncode:
            sys.exit(f"the undisturbed run ended with {dvc.returncode}:\n{self.log.read_text(encoding='utf-8')}")
        return {"start": training - begun, "training": trained - training, "taking over": time.monotonic() - trained}

    def run(self, plan: Plan) -> Outcome:
        """Kill as planned, let `dvc repro` finish, and compare."""
        durations = self.durations(plan.processes)
        for _ in range(TRIES):
            self._reset()
            if self._kill(plan, durations):
                break
        else:
            return Outcome(plan, False, False, False, ["the moment to kill was missed every time"])
        caught = any(self.root.rglob("*.partial"))
        turned = plan.turn_a_bit and self._turn_a_bit(plan)
        # Processes that are still ending may yet write the last out and remove the checkpoint.
        sound = 0 if turned and plan.turns_journal else len(self._checkpoints()) - turned
        must_resume = not self._stages_running() and sound > 0
        problems: list[str] = []
        printed = self._repeat(plan.processes_after, problems)
        resumed = "resuming from the checkpoint" in printed
        if must_resume and not resumed:
            problems.append("training started from the beginning although a sound checkpoint existed")
        if printed and self._result() != self.reference:
            different = {name for name, _ in self.reference.items() ^ self._result().items()}
            problems.append(f"different bytes: {', '.join(sorted(different))}")
        problems += [f"left behind: {path.relative_to(self.root)}" for path in self._litter()]
        problems += [f"still runs: {process}" for process in self._stages_running()]
        return Outcome(plan, caught, turned, resumed, problems)

    def _kill(self, plan: Plan, durations: dict[str, float]) -> bool:
        """Start a run and kill it as planned. Returns whether it was still running by then."""
        with self._started(plan.processes) as dvc:
            begun = time.monotonic()
            if plan.moment == "start":
                deadline = begun + plan.when * durations["start"]
                wait_until(lambda: time.monotonic() > deadline and bool(choose(plan, dvc.pid)), dvc)
            else:
                wait_until(self._is_training, dvc)
            # Looked up before the moment, which may be shorter than looking them up takes.
            victims = choose(plan, dvc.pid)
            wait_until(self._moment(plan, durations), dvc)
            in_time = dvc.poll() is None
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
            if plan.victim in ("dvc", "all"):
                dvc.wait()
        if not plan.hasty:
            end = time.monotonic() + ORPHANS_S
            while self._stages_running() and time.monotonic() < end:
                time.sleep(0.05)
        return in_time

    def _moment(self, plan: Plan, durations: dict[str, float]) -> Callable[[], bool]:
        """A function that says whether the plan's moment has come."""
        now = time.monotonic()
        if plan.moment == "training":
            return lambda: time.monotonic() > now + plan.when * durations["training"]
        if plan.moment == "checkpoint":
            name = f"step_{5 * (1 + int(plan.when * 11)):09}.checkpoint"
            return lambda: exists_in(self.root / ".checkpoints", name, f"{name}.partial")
        if plan.moment == "outs":
            name = OUTS[int(plan.when * len(OUTS))]
            if name == "history.csv":  # also written at each checkpoint; the last picture is not
                return (self.out / "samples" / "final.png").exists
            return lambda: exists_in(self.out, name, f"{name}.partial")
        if plan.moment == "taking over":
            ready: list[float] = []

            def has_come() -> bool:
                if not ready and (self.out / "environment.json").exists():
                    ready.append(time.monotonic() + plan.when * durations["taking over"])
                return bool(ready) and time.monotonic() > ready[0]

            return has_come
        return lambda: True

    def _turn_a_bit(self, plan: Plan) -> bool:
        """Flip a bit of the newest checkpoint, or of what all of them rely on. Returns whether there was one."""
        finished = sorted((self.root / ".checkpoints").glob("*/finished.journal"))
        paths = finished if plan.turns_journal else self._checkpoints()
        if not paths or not (content := bytearray(paths[-1].read_bytes())):
            return False
        bit = int(plan.when * 1e9) % (8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        paths[-1].write_bytes(content)
        return True

    def _checkpoints(self) -> list[Path]:
        """All checkpoints, the newest last."""
        return sorted((self.root / ".checkpoints").glob("*/step_*.checkpoint"))

    def _repeat(self, processes: int, problems: list[str]) -> str:
        """Run `dvc repro` until it succeeds. Returns what it printed, or "" if it failed TRIES times."""
        for number in range(TRIES):
            with self._started(processes) as dvc:
                dvc.wait()
            printed = self.log.read_text(encoding="utf-8")
            if dvc.returncode == 0:
                return printed
            last_words = printed.strip()[-600:]
            print(f"try {number + 1} of dvc repro ended with {dvc.returncode}: {last_words}", flush=True)
        problems.append(f"dvc repro did not succeed in {TRIES} tries")
        return ""

    @contextlib.contextmanager
    def _started(self, processes: int) -> Iterator[subprocess.Popen[bytes]]:
        """A running `dvc repro` of train_gan whose output goes to the log; the block ends when it has ended."""
        environment = self.clone.environment | {
            "GAN_PROCESSES": str(processes),
            "GAN_CHECKPOINT_KIMG": CHECKPOINT_KIMG,
        }
        with self.log.open("wb") as log:
            dvc = subprocess.Popen(
                REPRO, cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield dvc
            dvc.wait()
        finally:
            if dvc.poll() is None:
                for process in descendants(dvc.pid):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()

    def _is_training(self) -> bool:
        return b"training on cpu" in self.log.read_bytes()

    def _reset(self) -> None:
        """As if train_gan had never run: no outs, no cache, no run cache, no entry in the lock, no checkpoint."""
        for folder in (self.out, self.root / ".checkpoints", self.root / ".dvc" / "cache"):
            shutil.rmtree(folder, ignore_errors=True)
        (self.root / "dvc.lock").write_bytes(self.lock_before)

    def _result(self) -> dict[str, str]:
        """The hash of each file of the stage, and the hashes of its outs in dvc.lock."""
        hashes = {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.out.rglob("*")
            if path.is_file() and path.name != ".gitignore"
        }
        lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text(encoding="utf-8"))
        outs = lock["stages"].get("train_gan", {}).get("outs", [])
        return hashes | {f"dvc.lock: {out['path']}": out["md5"] for out in outs}

    def _litter(self) -> list[Path]:
        partial = (self.root / "data").rglob("*.partial")
        return [*partial, *(path for path in (self.root / ".checkpoints").rglob("*") if path.is_file())]

    def _stages_running(self) -> list[psutil.Process]:
        """The processes of train_gan that run in this clone."""
        return [process for process in psutil.process_iter() if is_stage(process) and self._is_here(process)]

    def _is_here(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return Path(process.cwd()) == self.root
        return False


def report(outcomes: list[Outcome]) -> str:
    """A line for each kind of kill, and the totals."""
    tried: Counter[tuple[str, str]] = Counter((o.plan.victim, o.plan.moment) for o in outcomes)
    good = Counter((o.plan.victim, o.plan.moment) for o in outcomes if not o.problems)
    lines = [f"{v:7} killed, {m:12}: {good[v, m]} of {tried[v, m]} identical" for v, m in sorted(tried)]
    for text, chosen in (
        ("left a half-written file", [o for o in outcomes if o.caught_writing]),
        ("continued from a checkpoint", [o for o in outcomes if o.resumed]),
        ("had a bit of a checkpoint, or of what it relies on, flipped", [o for o in outcomes if o.turned]),
        ("were followed by dvc repro at once", [o for o in outcomes if o.plan.hasty]),
    ):
        lines.append(f"{len(chosen)} {text}")
    lines.append(f"{sum(good.values())} of {len(outcomes)} identical")
    return "\n".join(lines)


def torture(plans: dict[int, Plan], prepare: Callable[[Clone], None] = lambda clone: None) -> list[Outcome]:
    """Carry out the plans one after the other and print a line for each. prepare: changes the clone first."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        # Where TMPDIR is a link, as on macOS, processes say their folder without it: see Torture._is_here.
        clone = tiny_clone(Path(folder).resolve(), PROFILE)
        prepare(clone)
        torturer = Torture(clone)
        for number, plan in plans.items():
            begun = time.monotonic()
            outcomes.append(torturer.run(plan))
            verdict = "; ".join(outcomes[-1].problems) or "identical"
            counts = f"{plan.processes} then {plan.processes_after} processes, {time.monotonic() - begun:.0f} s"
            print(f"{number}: {plan.victim} killed, {plan.moment} ({counts}): {verdict}", flush=True)
    return outcomes


def main() -> None:
    """Exit code 0 if every file was identical after every kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="number of kills (default: 100)")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first kill, to repeat a single one (default: 0)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the plans (default: 1)")
    arguments = parser.parse_args()
    if arguments.kills < 1:
        parser.error(f"--kills: expected at least 1, found {arguments.kills}")
    if os.name != "posix":
        sys.exit("torture: this needs SIGKILL, which only POSIX systems have")
    numbers = range(arguments.first, arguments.first + arguments.kills)
    with interruptible(), errors_in_one_line("torture"):
        outcomes = torture({number: Plan.draw(arguments.seed, number) for number in numbers})
    print(report(outcomes))
    sys.exit(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    main()
