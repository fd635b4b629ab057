"""The speed of training with 1, 2 or 4 processes, compared with one process that has a thread for each core.

All contenders run the training step of the stage train_gan with the committed params, on the CPU, in processes started
as the stage starts them. The rounds are interleaved: each runs every contender once, so that other load on the machine
affects all alike. Ratios compare times of the same round.
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
    """A number of processes, the threads of each, and the number of parts of a batch."""

    name: str
    processes: int
    threads: int
    shards: int


@dataclass(frozen=True)
class Timing:
    """Of one contender in one round: seconds before the first step, and milliseconds a step."""

    startup_s: float
    step_ms: float


Rounds = dict[str, list[Timing]]
"""The timings of each contender, by its name, one for each round."""


def contenders(shards: int, cores: int) -> list[Contender]:
    """First the rivals (one process, a thread for each core, whole batch or parts one by one), then teams by size."""
    rivals = [
        Contender(f"1 process, threads {cores}, batch whole", 1, cores, 1),
        Contender(f"1 process, threads {cores}, {shards} parts one by one", 1, cores, shards),
    ]
    return rivals + [
        Contender(f"team of {count}, 1 thread each, {shards} parts", count, 1, shards)
        for count in (1, 2, 4)
        if count <= shards
    ]


def run_rounds(all_contenders: list[Contender], repeats: int, warm_up: int, steps: int) -> Rounds:
    """Run every contender once a round; each round starts with a different one."""
    rounds: Rounds = {contender.name: [] for contender in all_contenders}
    for number in range(repeats):
        first = number % len(all_contenders)
        for contender in all_contenders[first:] + all_contenders[:first]:
            timing = run_once(contender, warm_up, steps)
            rounds[contender.name].append(timing)
            print(f"round {number + 1}: {contender.name}: {timing.step_ms:.1f} ms a step", file=sys.stderr, flush=True)
    return rounds


def run_once(contender: Contender, warm_up: int, steps: int) -> Timing:
    """Start the contender's processes and wait for their measurement. Raises UserError if they fail."""
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
            raise UserError(f"{contender.name}: not finished after {TIMEOUT_S} s; try fewer --steps") from None
        if done.returncode or not result.exists():
            raise UserError(f"{contender.name}: exit code {done.returncode}\n{done.stderr.strip()}")
        return Timing(**json.loads(result.read_text(encoding="ascii")))


def paired_ratios(times: Sequence[float], rival: Sequence[float]) -> tuple[float, float]:
    """The rival's time divided by ours, above 1 if we are faster: ratio of the medians, and median of the ratios."""
    ratios = [other / own for own, other in zip(times, rival, strict=True)]
    return statistics.median(rival) / statistics.median(times), statistics.median(ratios)


def report(rounds: Rounds, batch_size: int) -> str:
    """A Markdown table with a row for each contender; the first is the rival."""
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
    parser.add_argument("--repeats", type=int, default=5, help="rounds (at least 1; use 5 for figures to publish)")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before the measurement")
    parser.add_argument("--steps", type=int, default=50, help="steps measured; the mean time is reported")
    options = parser.parse_args()
    cores = available_cores()
    try:
        if options.repeats < 1 or options.steps < 1:
            raise UserError(f"expected at least 1 repeat and 1 step, found {options.repeats} and {options.steps}")
        section = load_params(STAGE, Params, ROOT / "params.yaml").model_dump()
        rounds = run_rounds(contenders(section["shards"], cores), options.repeats, options.warm_up, options.steps)
    except UserError as error:
        sys.exit(f"bench: {error}")
    print(f"{cores} cores, {options.repeats} rounds of {options.steps} steps of {section['batch_size']} images each;")
    print("median (minimum - maximum) over the rounds; speed relative to the first row\n")
    print(report(rounds, section["batch_size"]))


if __name__ == "__main__":
    main()
