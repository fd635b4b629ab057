"""The measurements of training: which there are, rounds in which all of them run, and the figures that follow.

Each round runs every case once, in processes of its own, so that other load on the machine affects all alike.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tools.bench import shares
from tools.bench.figures import Figure, figure, ratios
from tools.bench.limit import BACKWARD, CONVOLUTION
from tools.bench.task import Results, Task, run_task
from tools.bench.training import read_settings
from tools.bench.worker import TUTORIAL

STEP, LIMIT, SHARES, BATCH, WIDTH = "step", "limit", "shares", "batch", "width"
"""The groups of figures."""
BATCH_FACTORS, WIDTH_FACTORS = (0.25, 1.0, 4.0), (0.5, 1.0, 2.0)
TEAMS = (1, 2, 4)


@dataclass(frozen=True)
class Case:
    """A row of a group: what is measured, and how many images its step trains on."""

    group: str
    name: str
    task: Task = field(hash=False)
    images: int


Rounds = dict[Case, list[Results]]
"""The results of each case, one for each round."""


def all_cases(cores: int, warm_up: int, steps: int) -> list[Case]:
    """All cases for the committed params on that many cores; the first is the rival of the group STEP."""
    settings, _ = read_settings({})
    images = settings.images_per_step
    base = Task("steps", warm_up=warm_up, steps=steps)
    whole = {"train_gan": {"shards": 1}}
    team = min(cores, settings.shards)
    return [
        Case(STEP, f"tutorial loop, {_threads(cores)}", replace(base, kind=TUTORIAL, threads=cores), images),
        Case(STEP, f"batch whole, {_threads(cores)}", replace(base, threads=cores, changes=whole), images),
        Case(STEP, f"parts one by one, {_threads(cores)}", replace(base, threads=cores), images),
        *(
            Case(STEP, _processes(count), replace(base, processes=count), images)
            for count in TEAMS
            if count <= settings.shards
        ),
        Case(LIMIT, "", replace(base, kind=LIMIT), images),
        Case(SHARES, "", replace(base, kind=SHARES, processes=team, steps=max(1, steps // 2)), images),
        *growth_cases(base),
    ]


def growth_cases(base: Task) -> list[Case]:
    """Other batches and, where the network has that option, other widths, by one process of one thread.

    A case of more work takes fewer steps.
    """
    settings, options = read_settings({})
    cases = []
    for factor in BATCH_FACTORS:
        size = max(1, round(settings.batch_size * factor / settings.shards)) * settings.shards
        task = replace(base, steps=max(1, round(base.steps / factor)))
        if factor != 1:
            task = replace(task, changes={"train_gan": {"batch_size": size}})
        cases.append(Case(BATCH, f"batch of {size}", task, size * settings.d_steps))
    width = options.model_dump().get("width", 0)
    for factor in WIDTH_FACTORS if width else ():
        channels = max(1, round(width * factor))
        task = replace(base, steps=max(1, round(base.steps / factor)))
        if factor != 1:
            task = replace(task, changes={"networks": {settings.network: {"width": channels}}})
        cases.append(Case(WIDTH, f"width {channels}", task, settings.images_per_step))
    return cases


def _threads(cores: int) -> str:
    return f"1 process, {cores} thread{'s' if cores > 1 else ''}"


def _processes(count: int) -> str:
    return f"{count} process{'es' if count > 1 else ''} of 1 thread"


def run_rounds(cases: list[Case], repeats: int, run: Callable[[str, Task], Results] = run_task) -> Rounds:
    """Run every case once a round, and cases of one task together; each round starts with a different one."""
    rounds: Rounds = {case: [] for case in cases}
    for number in range(repeats):
        done: list[tuple[Task, Results]] = []
        first = number % len(cases)
        for case in cases[first:] + cases[:first]:
            name = f"{case.group} {case.name}".rstrip()
            results = next((results for task, results in done if task == case.task), None) or run(name, case.task)
            done.append((case.task, results))
            rounds[case].append(results)
            print(f"round {number + 1} of {repeats}: {name}", file=sys.stderr, flush=True)
    return rounds


def figures_of(rounds: Rounds) -> list[Figure]:
    """The figures of all groups."""
    figures: list[Figure] = []
    by_group: dict[str, Rounds] = {}
    for case, results in rounds.items():
        by_group.setdefault(case.group, {})[case] = results
    for group, own in by_group.items():
        if group == LIMIT:
            figures += limit_figures(next(iter(own.values())))
        elif group == SHARES:
            figures += share_figures(next(iter(own.values())))
        else:
            figures += speed_figures(own)
    return figures


def speed_figures(rounds: Rounds) -> list[Figure]:
    """Of the cases of one group: speed, ratio to the rival, start-up and memory.

    The rival is the first case of STEP, and elsewhere the case of the committed params.
    """
    first = next(iter(rounds))
    rival = first if first.group == STEP else list(rounds)[len(rounds) // 2]
    speeds = {case: [1000 * case.images / result["step_ms"] for result in results] for case, results in rounds.items()}
    figures = []
    for case, results in rounds.items():
        columns: dict[str, list[float]] = {
            "ms a step": [result["step_ms"] for result in results],
            "images/s": speeds[case],
            f"relative to {rival.name.partition(',')[0]}": ratios(speeds[case], speeds[rival]),
            "start-up, s": [result["startup_s"] for result in results],
            "peak MiB of a process": [result["peak_mib"] for result in results],
        }
        figures += [figure(case.group, case.name, unit, values) for unit, values in columns.items()]
    return figures


def limit_figures(results: list[Results]) -> list[Figure]:
    """What a step's convolutions and products take alone, beside the whole step on one thread."""
    kinds = {"convolutions": CONVOLUTION, "their backward": BACKWARD, "matrix products": "product"}
    rows: dict[str, tuple[str, str]] = {name: (f"{kind}_ms", f"{kind}_gflop") for name, kind in kinds.items()}
    rows |= {"all of these: the limit": ("limit_ms", "gflop"), "a whole step on one thread": ("step_ms", "gflop")}
    figures = []
    for name, (ms, gflop) in rows.items():
        present = [result for result in results if ms in result]
        if not present:
            continue
        columns: dict[str, Any] = {
            "ms": [result[ms] for result in present],
            "GFLOP": [result[gflop] for result in present],
            "GFLOP/s": [1000 * result[gflop] / result[ms] for result in present],
            "limit / time, %": [100 * result["limit_ms"] / result[ms] for result in present],
        }
        if not name.startswith(("all", "a whole")):
            del columns["limit / time, %"]
        figures += [figure(LIMIT, name, unit, values) for unit, values in columns.items()]
    peak = [result["peak_gflops"] for result in results]
    return [*figures, figure(LIMIT, "a large matrix product", "GFLOP/s", peak)]


def share_figures(results: list[Results]) -> list[Figure]:
    """The shares of a step, in percent."""
    names = [name for name in shares.ORDER if name in results[0]]
    return [figure(SHARES, name, "% of a step", [100 * result[name] for result in results]) for name in names]
