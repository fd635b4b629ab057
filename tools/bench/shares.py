"""What a training step spends its time on, in the processes that the stage would use.

Clocks around the public parts of the training time each phase: calls of G and D, of torch.autograd, of the optimisers,
of the draws, of the team's sums and of the average of G. A penalty's second backward is part of the backward pass for
D's weights, and cannot be timed alone. Steps with and without the penalties therefore alternate: what the backward pass
for D's weights takes longer with them is the second backward. The shares add up to the whole step.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.gan import trainer as trainer_module
from stages.gan.team import Team
from stages.gan.trainer import Trainer
from tools.bench.task import Results, Task
from tools.bench.training import new_loop, read_settings

D_FORWARD, D_BACKWARD = "D: forward", "D: backward for its weights"
G_FORWARD, G_BACKWARD = "G: forward", "G: backward for its weights, through D"
BOTH_BACKWARD = "one backward for the weights of G and D"
PENALTY_FIRST, PENALTY_SECOND = "penalty: forward and first backward", "penalty: second backward"
OPTIMIZERS, AVERAGE, DRAWS = "optimisers", "average of G (EMA)", "draws"
EXCHANGE, REST = "sums over the parts, and exchange", "everything else"
ORDER = (
    D_FORWARD,
    D_BACKWARD,
    PENALTY_FIRST,
    PENALTY_SECOND,
    G_FORWARD,
    G_BACKWARD,
    BOTH_BACKWARD,
    OPTIMIZERS,
    AVERAGE,
    DRAWS,
    EXCHANGE,
    REST,
)


class Clock:
    """Seconds by phase. A phase inside another one takes its time from it; outside of all, it is REST."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._phases = [REST]
        self._since = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block as that phase."""
        self.enter(name)
        try:
            yield
        finally:
            self.leave()

    def enter(self, name: str) -> None:
        """Begin a phase."""
        self._settle()
        self._phases.append(name)

    def leave(self) -> None:
        """End the phase that began last."""
        self._settle()
        self._phases.pop()

    def total(self) -> float:
        """Seconds since the clock was made."""
        self._settle()
        return sum(self.seconds.values())

    def _settle(self) -> None:
        now = time.perf_counter()
        self.seconds[self._phases[-1]] += now - self._since
        self._since = now

    def restart(self) -> None:
        """Leave out the time since the last phase ended."""
        self._since = time.perf_counter()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed as that phase."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return call


@contextmanager
def clocked(trainer: Trainer, clock: Clock) -> Iterator[None]:
    """Time the phases of this trainer's steps in the block."""
    with ExitStack() as stack:
        hooks: list[Any] = []
        for name, net in ((G_FORWARD, trainer.G), (D_FORWARD, trainer.D)):
            hooks.append(net.register_forward_pre_hook(lambda *_, name=name: clock.enter(name)))
            hooks.append(net.register_forward_hook(lambda *_: clock.leave()))
        for optimizer in (trainer.opt_g, trainer.opt_d):
            hooks.append(optimizer.register_step_pre_hook(lambda *_: clock.enter(OPTIMIZERS)))
            hooks.append(optimizer.register_step_post_hook(lambda *_: clock.leave()))
        for hook in hooks:
            stack.callback(hook.remove)
        replaced = [
            (trainer_module, "update_ema", AVERAGE),
            (draws, "normal", DRAWS),
            (draws, "uniform", DRAWS),
            (trainer.batches.order, "rows", DRAWS),
            (trainer.team, "mean", EXCHANGE),
        ]
        for owner, attribute, name in replaced:
            stack.enter_context(patch.object(owner, attribute, clock.timed(name, getattr(owner, attribute))))
        stack.enter_context(patch.object(torch.autograd, "grad", clocked_grad(trainer.G, trainer.D, clock)))
        clock.restart()
        yield


def clocked_grad(G: nn.Module, D: nn.Module, clock: Clock) -> Callable[..., Any]:
    """torch.autograd.grad, timed by what the gradient is taken of."""
    grad = torch.autograd.grad
    of_g, of_d = ({id(parameter) for parameter in net.parameters()} for net in (G, D))

    def call(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        ids = {id(tensor) for tensor in ([inputs] if isinstance(inputs, Tensor) else inputs)}
        if ids & of_g:
            name = BOTH_BACKWARD if ids & of_d else G_BACKWARD
        else:
            name = D_BACKWARD if ids & of_d else PENALTY_FIRST
        with clock.phase(name):
            return grad(outputs, inputs, *args, **kwargs)

    return call


def shares(with_penalties: Mapping[str, float], without: Mapping[str, float]) -> Results:
    """The part of each phase in a step, by the names of ORDER; they add up to 1.

    Both: seconds by phase of as many steps. A phase in which the penalties take part appears as it is without them,
    and what it takes longer with them as the penalties'.
    """
    own = dict(with_penalties)
    longer = {name: own.pop(name, 0.0) - without.get(name, 0.0) for name in (D_FORWARD, D_BACKWARD)}
    own |= {name: without.get(name, 0.0) for name in longer}
    own[PENALTY_FIRST] = own.get(PENALTY_FIRST, 0.0) + longer[D_FORWARD]
    own[PENALTY_SECOND] = longer[D_BACKWARD]
    total = sum(with_penalties.values())
    return {name: own[name] / total for name in ORDER if name in own}


def without_penalties(changes: dict[str, Any]) -> dict[str, Any]:
    """The same changes of params.yaml with all penalties off."""
    weights = dict.fromkeys(read_settings(changes)[0].penalties, 0.0)
    return changes | {"train_gan": changes.get("train_gan", {}) | {"penalties": weights}}


def measure_shares(task: Task, team: Team) -> Results:
    """The shares of a step as process 0 sees them."""
    loops = [new_loop(changes, team) for changes in (task.changes, without_penalties(task.changes))]
    clocks = [Clock(), Clock()]
    for loop in loops:
        for _ in range(task.warm_up):
            loop.step()
    for _ in range(task.steps):
        for loop, clock in zip(loops, clocks, strict=True):
            with clocked(loop.trainer, clock):
                loop.step()
                clock.total()
    return shares(clocks[0].seconds, clocks[1].seconds)
