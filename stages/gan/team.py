"""The processes that share the parts of a batch.

Which process computes which part changes no bit of a result: sums follow the tree of parts.py. A process sums the whole
branches that it holds, and every process then adds the branches of all in the tree's order. The parts of a batch are
fixed; the number of processes is free, up to one for each part.
"""

import os
from functools import cached_property

import torch
import torch.distributed as dist
from torch import Tensor

from stages.common.errors import UserError
from stages.gan.exchange import Exchange, Gathering, exchange_for, others_present
from stages.gan.parts import PartResult, flatten, left_parts, tree_sum, unflatten

LAUNCHER_VARIABLES = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

Branch = tuple[int, int]
"""The parts from the first number up to, not including, the second: a subtree of parts.tree_sum."""


class Team:
    """This process among those that train together. All of them make the same calls in the same order.

    stop: the number of a signal that asks this process to stop, or 0. It travels with the sums, so that all processes
    learn of it at the same step: then `agreed_stop` is set in every one.
    """

    def __init__(self, shards: int, rank: int = 0, size: int = 1, exchange: Exchange | None = None) -> None:
        if size > shards:
            raise UserError(
                f"{size} processes share {shards} parts: start at most {shards}, or set more train_gan.shards"
            )
        self.shards, self.rank, self.size = shards, rank, size
        self._exchange = exchange or Gathering()
        self.stop = self.agreed_stop = 0

    @cached_property
    def parts(self) -> range:
        """The parts that this process computes."""
        return self._parts_of(self.rank)

    def mean(self, results: list[PartResult]) -> PartResult:
        """The mean over all parts, the same bits in every process; results: of this process's parts, in order.

        Between processes a result travels as one vector.
        """
        vector = self.tree_mean([flatten(result.tensors) for result in results])
        return results[0].with_tensors(unflatten(vector, results[0].tensors))

    def tree_mean(self, vectors: list[Tensor]) -> Tensor:
        """The mean of one vector [N] for each part, the same bits in every process."""
        first = self.parts.start
        mine = [tree_sum(vectors[start - first : end - first]) for start, end in self._branches[self.rank]]
        self.agree_alone()
        if self.size == 1:
            return mine[0] / self.shards
        return self._sum_of_all(self._gather(mine), 0, self.shards) / self.shards

    def agree_alone(self) -> None:
        """Where there is no other process, a request to stop is agreed on at once; others agree when they gather."""
        if self.size == 1:
            self.agreed_stop = self.stop

    def broadcast(self, content: bytes, device: torch.device) -> bytes:
        """The bytes that process 0 holds, in every process."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)], dtype=torch.int64, device=device)
        with others_present():
            dist.broadcast(length, 0)
            if length.item() == 0:
                return b""
            buffer = torch.empty(int(length.item()), dtype=torch.uint8, device=device)
            if self.rank == 0:
                buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(buffer, 0)
        return bytes(buffer.cpu().numpy())

    def check_same(self, text: str, device: torch.device) -> None:
        """Raises UserError if process 0 has another text: the processes would not compute the same run."""
        if self.broadcast(text.encode(), device) != text.encode():
            raise UserError(
                "the processes differ in params, inputs, code, processor, system or versions: start all from the same "
                "state"
            )

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            with others_present():
                dist.barrier()

    def _gather(self, mine: list[Tensor]) -> dict[Branch, Tensor]:
        """The sums of all branches of all processes; everyone's `stop` travels with them."""
        slots = max(map(len, self._branches))
        received, self.agreed_stop = self._exchange(mine, slots, self.stop)
        return {
            branch: received[rank][slot]
            for rank, branches in enumerate(self._branches)
            for slot, branch in enumerate(branches)
        }

    def _sum_of_all(self, sums: dict[Branch, Tensor], start: int, end: int) -> Tensor:
        if (start, end) in sums:
            return sums[start, end]
        middle = start + left_parts(end - start)
        return self._sum_of_all(sums, start, middle) + self._sum_of_all(sums, middle, end)

    @cached_property
    def _branches(self) -> list[list[Branch]]:
        """For each process, the largest subtrees of which it holds every part."""
        owner = [rank for rank in range(self.size) for _ in self._parts_of(rank)]
        branches: list[list[Branch]] = [[] for _ in range(self.size)]

        def divide(start: int, end: int) -> None:
            if owner[start] == owner[end - 1]:
                branches[owner[start]].append((start, end))
            else:
                middle = start + left_parts(end - start)
                divide(start, middle)
                divide(middle, end)

        divide(0, self.shards)
        return branches

    def _parts_of(self, rank: int) -> range:
        return range(rank * self.shards // self.size, (rank + 1) * self.shards // self.size)


def leave() -> None:
    """Close the connections to the other processes: exiting with them open may abort this one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def was_launched() -> bool:
    """Whether torch's launcher started this process as one of several: it sets all of LAUNCHER_VARIABLES.

    Some of them alone are left over from something else, such as a job that runs in a shell of its own.
    """
    return all(os.environ.get(name) for name in LAUNCHER_VARIABLES)


def launcher_number(name: str) -> int:
    """The number that the launcher set, 0 without one. Raises UserError if the variable holds anything else."""
    text = os.environ.get(name, "") if was_launched() else "0"
    if not text.isdecimal():
        raise UserError(f"{name}: expected the number that torch's launcher sets, found {text!r}; unset it")
    return int(text)


def join(shards: int, device: torch.device) -> Team:
    """Meet the other processes that torch's launcher started: gloo on the CPU, nccl between GPUs."""
    rank, size = launcher_number("RANK"), launcher_number("WORLD_SIZE")
    team = Team(shards, rank, size, exchange_for(device))
    if size > 1:
        if device.type == "cuda":
            if not dist.is_nccl_available():
                raise UserError(f"{size} processes on GPUs need NCCL, which this torch lacks: start one, or set cpu")
            torch.cuda.set_device(device)
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        except (RuntimeError, ValueError) as error:  # torch's own errors of connections are RuntimeErrors
            reason = str(error).splitlines()[0][:200]
            raise UserError(f"the {size} processes of the training cannot reach each other ({reason})") from None
    return team
