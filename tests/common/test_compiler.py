"""torch loads its compiler for whoever compiles, and for nobody else."""

import subprocess
import sys

from tests.stage_process import ROOT

TRAINS = """
import sys
from stages.common.runtime import make_deterministic
from stages.common.weights import without_memory
make_deterministic()
import torch
from stages.gan.optimizers import OPTIMIZERS, load_optimizer_state, optimizer_state
for name, build in OPTIMIZERS.items():
    layer = torch.nn.Linear(3, 2)
    optimizer = build(list(layer.parameters()), 0.1, (0.5, 0.9))
    layer(torch.ones(4, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    load_optimizer_state(optimizer, optimizer_state(optimizer))
with without_memory(), torch.no_grad():
    torch.nn.Linear(3, 2)(torch.ones(4, 3)).square()
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
torch.distributed.destroy_process_group()
print({name for name in sys.modules if name.startswith(("torch._dynamo.", "torch._inductor"))})
"""
COMPILES = """
from torch._dynamo import trace_rules
import torch._dynamo.utils
print(torch._dynamo.config.recompile_limit > 0, callable(trace_rules.check))
from torch._dynamo import allow_in_graph
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist())
print(torch._dynamo is sys.modules["torch._dynamo"], hasattr(torch._dynamo, "__file__"))
"""


def test_training_does_not_load_it_and_compiling_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINS + COMPILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""  # not even at the end, where libraries that the compiler loads may complain
    assert done.stdout.splitlines() == ["set()", "True True", "[2.0, 2.0]", "True True"]
