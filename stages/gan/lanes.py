"""How the parts of a batch are computed in one process: one after the other, or side by side on streams of a GPU.

A part alone leaves most of a GPU idle. Every kernel of a part is the same on any stream, so that no byte depends on it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import torch

R = TypeVar("R")


class Lanes(Protocol):
    """What the trainer calls."""

    def __call__(self, function: Callable[..., R], *arguments: Sequence[Any]) -> list[R]:
        """function(*arguments of one part) for each part, in order."""


def in_turn(function: Callable[..., R], *arguments: Sequence[Any]) -> list[R]:
    """One after the other."""
    return [function(*of_part) for of_part in zip(*arguments, strict=True)]


class Streams:
    """Each part on a CUDA stream of its own, between one point of the current stream and the next.

    A part keeps its stream, so that memory which it frees is taken again by that part alone; what the current stream
    frees, it takes again only after all parts are done. No part may write to what another one reads.
    """

    def __init__(self, parts: int, device: torch.device) -> None:
        self._streams = [torch.cuda.Stream(device) for _ in range(parts)]

    def __call__(self, function: Callable[..., R], *arguments: Sequence[Any]) -> list[R]:
        """See Lanes."""
        current = torch.cuda.current_stream()
        results = []
        of_parts = list(zip(*arguments, strict=True))  # held until all are done: their memory is not taken again before
        streams = self._streams[: len(of_parts)]
        for stream in streams:
            stream.wait_stream(current)
        for stream, of_part in zip(streams, of_parts, strict=True):
            with torch.cuda.stream(stream):
                results.append(function(*of_part))
        for stream in streams:
            current.wait_stream(stream)
        return results
