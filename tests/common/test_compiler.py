"""torch's compiler is loaded for whoever compiles, and for nobody else."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from stages.common import compiler
from stages.common.weights import without_memory
from stages.gan.optimizers import OPTIMIZERS
from tests.stage_process import ROOT

TRAINS = """
import sys
from stages.common.runtime import make_deterministic
make_deterministic()
import torch
from stages.gan.optimizers import OPTIMIZERS, load_optimizer_state, optimizer_state
for build in OPTIMIZERS.values():
    layer = torch.nn.Linear(3, 2)
    optimizer = build(list(layer.parameters()), 0.1, (0.5, 0.9))
    layer(torch.ones(4, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    load_optimizer_state(optimizer, optimizer_state(optimizer))
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
torch.distributed.destroy_process_group()
from pathlib import Path
from stages import check, download
from stages.checking.sizes import net_costs
from stages.common.params import read_params_file
from stages.gan import architectures
from stages.train_gan import Params
content = read_params_file(Path("params.yaml"))
options = architectures.read_options(content, "dcgan")
from stages.common.compiler import spared
spared(lambda: net_costs(Params(**content["train_gan"]), options, [1, 28, 28]))
print([name for name in sys.modules if name.startswith(("torch._dynamo", "torch._inductor"))])
"""


def test_a_training_and_what_check_measures_do_without() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_learns_the_same_without_a_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def learned() -> tuple[torch.Tensor, bool]:
        layer = nn.Linear(3, 2)
        for parameter in layer.parameters():
            nn.init.constant_(parameter, 0.5)
        optimizer = OPTIMIZERS[name](list(layer.parameters()), 0.1, (0.5, 0.9))
        for step in range(5):
            optimizer.zero_grad()
            layer(torch.arange(12.0).reshape(4, 3) - step).square().sum().backward()
            optimizer.step()
        return layer.weight.detach(), layer.weight.requires_grad and layer.weight.grad_fn is None

    own = learned()
    monkeypatch.setattr("stages.gan.optimizers.uncompiled", lambda kind: kind)
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        monkeypatch.setitem(OPTIMIZERS, kind.__name__.lower(), kind)
    torchs = learned()
    assert own[1] is torchs[1] is True
    assert torch.equal(own[0], torchs[0])


MORE_THAN_MARKS = """
import sys
import stages
import torch
from stages.common import compiler
def compiles():
    @torch.compiler.disable(recursive=False)
    def left_alone():
        return "left alone"
    return left_alone()
def imports():
    import torch._dynamo.config
    return torch._dynamo.config is torch._dynamo.eval_frame.config
needs = {needs}
def attempt():
    print(compiler._StandIn in map(type, sys.modules.values()))
    return needs()
print(compiler.spared(attempt), "torch._dynamo.config" in sys.modules)
"""


@pytest.mark.parametrize(
    ("needs", "gives"), [("compiles", "left alone"), pytest.param("imports", "True", marks=pytest.mark.slow)]
)
def test_who_needs_more_than_torchs_marks_is_tried_again(needs: str, gives: str) -> None:
    code = MORE_THAN_MARKS.format(needs=needs)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "False", f"{gives} True"]


def test_an_error_of_the_attempt_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, compiler.COMPILER, raising=False)  # as where nothing has loaded it
    with pytest.raises(ZeroDivisionError):
        compiler.spared(lambda: 1 // 0)
    assert compiler.COMPILER not in sys.modules


def test_drawing_is_left_out_only_where_there_are_no_numbers() -> None:
    with without_memory():
        assert torch.empty(3, device="cpu").fill_(5).uniform_(0, 1).max() < 2
        assert nn.Linear(2, 2).weight.is_meta
