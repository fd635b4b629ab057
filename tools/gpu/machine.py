"""A process that describes the machine: `python -m tools.gpu.machine DEVICE`. Prints JSON.

Of a process of its own, because whoever asks a GPU for its memory holds the GPU until it ends, and some GPUs are set to
serve one process at a time.
"""

import json
import sys
from typing import Any

import torch

from stages.gan import environment


def described(device: torch.device) -> dict[str, Any]:
    """The environment that the bytes belong to; of a GPU the memory in MiB, and what torch has kernels for."""
    figures: dict[str, Any] = {"environment": environment.describe(device)}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        figures |= {"free_mib": free / 2**20, "total_mib": total / 2**20, "kernels_for": torch.cuda.get_arch_list()}
    return figures


if __name__ == "__main__":
    print(json.dumps(described(torch.device(sys.argv[1]))))
