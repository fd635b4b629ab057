"""What one step of the committed training computes, by torch's own count: `python -m tools.bench.count`."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from stages.common.params import validate_section
from stages.common.runtime import make_deterministic
from stages.gan import architectures
from stages.gan.team import Team
from stages.train_gan import STAGE, Params, build_loop
from tools.bench.training import repeated_digits
from tools.failures import errors_in_one_line, take_no_arguments
from tools.profiles import params_with

STEP = 2
"""The one that is counted: in the first ones, optimisers make their state."""


class Count(TorchDispatchMode):
    """operations: calls that compute something; views: those that do not; flop: of convolutions and products alone."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.views = self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.is_view:
            self.views += 1
        else:
            self.operations += 1
        if of_call := flop_registry.get(func.overloadpacket):
            self.flop += int(of_call(*args, **(kwargs or {}), out_val=result))
        return result


def main() -> None:
    """Print the counts of a step on the CPU."""
    take_no_arguments("tools.bench.count", __doc__)
    with errors_in_one_line("count"):
        make_deterministic()
        print(counted())


def counted() -> str:
    """The counts of a step, in words."""
    content = params_with({"train_gan": {"device": "cpu"}})
    params = validate_section(content, STAGE, Params)
    options = architectures.read_options(content, params.network)
    trainer = build_loop(params, options, repeated_digits(), torch.device("cpu"), Team(params.shards), []).trainer
    for step in range(STEP):
        trainer.step(step)
    with Count() as count:
        trainer.step(STEP)
    return (
        f"a step of {params.images_per_step} images: {count.flop / 1e9:.1f} GFLOP in convolutions and products, "
        f"{count.operations:,} operations, {count.views:,} views"
    )


if __name__ == "__main__":
    main()
