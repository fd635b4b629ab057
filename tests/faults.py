"""Faults for the tests that must notice them: each replaces a function or method of the training by a wrong one.

A test in this process gives monkeypatch.setattr. For real processes, `inject` copies this file into a project's code,
which then applies the fault when it is imported.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.gan import trainer
from stages.gan.exchange import Exchange
from stages.gan.history import History
from stages.gan.journal import Journal
from stages.gan.team import Team
from stages.gan.trainer import Trainer

SetAttribute = Callable[[Any, str, Any], None]
Fault = Callable[[SetAttribute], None]
Tensors = dict[str, Tensor]
NORMAL = draws.normal
TAKE_UP = Journal.take_up


def parts_in_another_order(set_attribute: SetAttribute) -> None:
    """The sums of each process are taken for those of the one before it."""

    def rotated(exchange: Exchange) -> Exchange:
        def exchange_and_rotate(vectors: list[Tensor], slots: int, stop: int) -> tuple[list[Tensor], int]:
            tables, agreed = exchange(vectors, slots, stop)
            return [*tables[1:], tables[0]], agreed

        return exchange_and_rotate

    init = Team.__init__

    def faulty(team: Team, shards: int, rank: int = 0, size: int = 1, exchange: Exchange | None = None) -> None:
        init(team, shards, rank, size, exchange and rotated(exchange))

    set_attribute(Team, "__init__", faulty)


def one_sum_after_the_other(set_attribute: SetAttribute) -> None:
    """The sums of the branches are added from left to right, not by the tree."""

    def faulty(_team: Team, sums: dict[tuple[int, int], Tensor], _start: int, _end: int) -> Tensor:
        return torch.stack(list(sums.values())).cumsum(dim=0)[-1]

    set_attribute(Team, "_sum_of_all", faulty)


def a_part_starts_from_the_buffers_of_the_one_before(set_attribute: SetAttribute) -> None:
    """G's running statistics are not those of before the step in each part."""

    def in_place(net: nn.Module, buffers: dict[str, Tensor], arguments: tuple[Tensor, ...]) -> Tensor:
        images: Tensor = net(*arguments)
        for buffer, own in zip(buffers.values(), net.buffers(), strict=True):
            buffer.copy_(own)
        return images

    set_attribute(trainer, "functional_call", in_place)


def latents_by(draw: Callable[[int, str, int, tuple[int, ...]], Tensor]) -> Fault:
    """Latents come from another function of seed, purpose, index and shape."""

    def faulty(seed: int, purpose: str, index: int, shape: tuple[int, ...]) -> Tensor:
        return (draw if purpose.startswith("train_gan.z") else NORMAL)(seed, purpose, index, shape)

    return lambda set_attribute: set_attribute(draws, "normal", faulty)


def order_from_global_state(set_attribute: SetAttribute) -> None:
    """The batches come in an order that no checkpoint holds."""
    rows = draws.BatchOrder.rows
    set_attribute(draws.BatchOrder, "rows", lambda order, _step: rows(order, int(torch.randint(15, ()))))


def fresh_after_loading(prefix: str) -> Fault:
    """The Trainer's tensors of that name are lost: training continues with those of a new Trainer."""
    state, load_state = Trainer.state, Trainer.load_state

    def faulty(self: Trainer, tensors: Tensors) -> None:
        fresh = {name: tensor for name, tensor in state(self).items() if name.startswith(prefix)}
        load_state(self, without(prefix)(tensors) | fresh)

    return lambda set_attribute: set_attribute(Trainer, "load_state", faulty)


def forgets(kind: str) -> Fault:
    """What is finished is lost when it is taken up, as far as its names begin so."""
    names = Journal.names

    def take_up(journal: Journal, path: Path, mark: object) -> None:
        TAKE_UP(journal, path, mark)
        journal.__dict__["lost"] = set(names(journal, kind))

    def left(journal: Journal, beginning: str = "") -> list[str]:
        return [name for name in names(journal, beginning) if name not in journal.__dict__.get("lost", ())]

    def fault(set_attribute: SetAttribute) -> None:
        set_attribute(Journal, "take_up", take_up)
        set_attribute(Journal, "names", left)

    return fault


def loses(owner: type[Trainer] | type[History], lose: Callable[[Tensors], Tensors]) -> Fault:
    """What a checkpoint holds is lost when the owner takes it up: `lose` says which tensors are left."""
    load_state: Callable[..., None] = owner.load_state

    def faulty(self: Any, tensors: Tensors, *rest: Any) -> None:
        load_state(self, lose(tensors), *rest)

    return lambda set_attribute: set_attribute(owner, "load_state", faulty)


def without(prefix: str) -> Callable[[Tensors], Tensors]:
    """The tensors whose names do not begin so."""
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def with_zero_steps(tensors: Tensors) -> Tensors:
    """The optimisers' counts of steps start from 0 again."""
    return {name: torch.zeros_like(t) if name.endswith(".step") else t for name, t in tensors.items()}


def with_empty_row(tensors: Tensors) -> Tensors:
    """The open row of the history is empty."""
    return tensors | {"history.waiting": tensors["history.waiting"][:0]}


def rank_of_thread() -> int:
    """Where threads stand for processes, they are named by their ranks."""
    return int(threading.current_thread().name)


SHOWN_BY_PROCESSES: dict[str, tuple[int, Fault]] = {
    "parts in another order": (4, parts_in_another_order),
    "one sum after the other": (4, one_sum_after_the_other),
    "a part starts from the buffers of the one before": (2, a_part_starts_from_the_buffers_of_the_one_before),
    "latents that depend on the process": (2, latents_by(lambda _seed, *draw: NORMAL(rank_of_thread(), *draw))),
}
"""Faults that change the bytes with the number of processes, and a number that shows it."""
SHOWN_BY_INTERRUPTION: dict[str, Fault] = {
    "no EMA in the checkpoint": fresh_after_loading("ema."),
    "no optimiser of G in the checkpoint": fresh_after_loading("opt_g."),
    "no optimiser of D in the checkpoint": fresh_after_loading("opt_d."),
    "no step count of the optimisers": loses(Trainer, with_zero_steps),
    "latents from global state": latents_by(lambda _seed, _purpose, _index, shape: torch.randn(shape)),
    "an order of the images from global state": order_from_global_state,
    "no open row of the history": loses(History, with_empty_row),
    "no snapshots": forgets("snapshot."),
    "no pictures": forgets("picture."),
    "no finished rows of the history": forgets("history."),
}
"""Faults that change the bytes of a run that is interrupted."""
FAULTS: dict[str, Fault] = {name: fault for name, (_, fault) in SHOWN_BY_PROCESSES.items()} | SHOWN_BY_INTERRUPTION


def inject(root: Path, name: str) -> None:
    """Give the code of the project at root that fault. loop.py applies it, which imports what the faults replace."""
    shutil.copy(__file__, root / "stages" / "gan" / "faults.py")
    with (root / "stages" / "gan" / "loop.py").open("a", encoding="utf-8") as file:
        file.write(f"\n\nfrom stages.gan import faults\n\nfaults.FAULTS[{name!r}](setattr)\n")
