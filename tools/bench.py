"""How fast the parts of a batch are trained by 1, 2 or 4 processes, beside one process with as many threads as cores.

All run the step of the stage train_gan, with the params of params.yaml, on the CPU, each in its own processes, started
as the stage starts them. Rounds are interleaved: each runs every contender once, so that what else the machine does
meets all alike; ratios compare times of one round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.params import load_params
from stages.train_gan import STAGE, Params
from tools.bench_worker import TASK, Task
from tools.tables import markdown

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 600


@dataclass(frozen=True)
class Contender:
    """Who trains: so many processes of so many threads, a batch in so many parts."""

    name: str
    processes: int
    threads: int
    shards: int


@dataclass(frozen=True)
class Timing:
    """What one contender took in one round: seconds before the first step, milliseconds a step."""

    startup_s: float
    step_ms: float


Rounds = dict[str, list[Timing]]
"""Of each contender, by name, its timings round by round."""


def contenders(shards: int, cores: int) -> list[Contender]:
    """The rivals, one process with a thread for each core, whole batch and parts in turn; then the team's sizes."""
    rivals = [
        Contender(f"1 process, threads {cores}, batch whole", 1, cores, 1),
        Contender(f"1 process, threads {cores}, {shards} parts in turn", 1, cores, shards),
    ]
    return rivals + [
        Contender(f"team of {count}, 1 thread each, {shards} parts", count, 1, shards)
        for count in (1, 2, 4)
        if count <= shards
    ]


def run_rounds(all_contenders: list[Contender], repeats: int, warm_up: int, steps: int) -> Rounds:
    """Every contender once a round; each round begins with another one."""
    rounds: Rounds = {contender.name: [] for contender in all_contenders}
    for number in range(repeats):
        first = number % len(all_contenders)
        for contender in all_contenders[first:] + all_contenders[:first]:
            timing = run_once(contender, warm_up, steps)
            rounds[contender.name].append(timing)
            print(f"round {number + 1}: {contender.name}: {timing.step_ms:.1f} ms a step", file=sys.stderr, flush=True)
    return rounds


def run_once(contender: Contender, warm_up: int, steps: int) -> Timing:
    """Start the contender's processes and wait for what they measure. Raises UserError if they fail."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "timing.json"
        task = Task(contender.processes, contender.threads, contender.shards, warm_up, steps, time.time(), str(result))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GAN_")}
        command = [sys.executable, "-m", "tools.bench_worker"]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment | {TASK: json.dumps(asdict(task))},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{contender.name}: no end after {TIMEOUT_S} s; ask for fewer --steps") from None
        if done.returncode or not result.exists():
            raise UserError(f"{contender.name}: exit code {done.returncode}\n{done.stderr.strip()}")
        return Timing(**json.loads(result.read_text(encoding="ascii")))


def paired_ratios(times: Sequence[float], rival: Sequence[float]) -> tuple[float, float]:
    """The rival's time over ours, above 1 where we are faster: of the medians, and the median over rounds."""
    ratios = [other / own for own, other in zip(times, rival, strict=True)]
    return statistics.median(rival) / statistics.median(times), statistics.median(ratios)


def report(rounds: Rounds, batch_size: int) -> str:
    """A Markdown table: a row for each contender, the first of which is the rival."""
    rival = [timing.step_ms for timing in next(iter(rounds.values()))]
    rows = []
    for name, timings in rounds.items():
        times = [timing.step_ms for timing in timings]
        startups = [timing.startup_s for timing in timings]
        median = statistics.median(times)
        of_medians, of_rounds = paired_ratios(times, rival)
        rows.append(
            [
                name,
                f"{median:.1f} ({min(times):.1f} - {max(times):.1f})",
                f"{1000 * batch_size / median:.0f}",
                f"{of_medians:.2f}",
                f"{of_rounds:.2f}",
                f"{statistics.median(startups):.1f} ({min(startups):.1f} - {max(startups):.1f})",
            ]
        )
    header = ["contender", "ms a step", "images/s", "speed", "speed, paired", "start-up s"]
    return markdown(header, rows)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds (at least 1; 5 for figures to be quoted)")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before time is taken")
    parser.add_argument("--steps", type=int, default=50, help="steps of which the mean time is taken")
    options = parser.parse_args()
    cores = available_cores()
    try:
        if options.repeats < 1 or options.steps < 1:
            raise UserError("expected at least 1 repeat and 1 step")
        section = load_params(STAGE, Params, ROOT / "params.yaml").model_dump()
        rounds = run_rounds(contenders(section["shards"], cores), options.repeats, options.warm_up, options.steps)
    except UserError as error:
        sys.exit(f"bench: {error}")
    print(f"{cores} cores, {options.repeats} rounds of {options.steps} steps of {section['batch_size']} images each;")
    print("median (least - most) over the rounds; speed: as a multiple of the first row's\n")
    print(report(rounds, section["batch_size"]))


if __name__ == "__main__":
    main()
