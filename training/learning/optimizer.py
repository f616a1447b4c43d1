"""How weights change: the optimiser of PP-TSN's recipe, the learning rate of each iteration, scaled losses.

Nesterov momentum, with exceptions for batch norm and the classifier; a straight warm-up into a half cosine; loss
scaling for automatic mixed precision, which is for GPUs and was not run where this was written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import ModelError
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.group import Ranks

CLASSIFIER_WEIGHT_RATE = 5.0
CLASSIFIER_BIAS_RATE = 10.0
_VELOCITY = ".velocity"
_MASTERS = "master_weights"  # so Paddle calls them among an optimiser's state


def parameter_rule(name: str, *, weight_decay: float) -> tuple[float, float]:
    """Return (factor of the learning rate, L2 coefficient) of the parameter called `name` in a checkpoint."""
    if name == "head.fc.weight":
        return CLASSIFIER_WEIGHT_RATE, weight_decay
    if name == "head.fc.bias":
        return CLASSIFIER_BIAS_RATE, 0.0
    return 1.0, weight_decay if name.endswith("._conv.weight") else 0.0


class RecipeOptimizer:
    """Momentum 0.9 with Nesterov's step; L2 decay on convolution and classifier weights alone.

    The classifier's weight learns at 5 times and its bias at 10 times the rate.  In automatic mixed precision O1
    Paddle keeps the parameters in FP32, so there is one set of them; for O2 see `keep_masters`.
    ranks: among which gradients are averaged.
    clip_norm: all gradients of a step together, unscaled and without decay, are scaled down where their L2 norm is
    larger (Pascanu et al., arXiv 1211.5063).  None leaves them.
    """

    def __init__(
        self,
        model: Any,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        clip_norm: float | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks or Ranks()
        # Paddle counts the statistics of batch norm among the parameters, marked as not to be learned.
        self._parameters = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
        for name, parameter in self._parameters.items():
            rate, decay = parameter_rule(name, weight_decay=weight_decay)
            # Paddle's own channel for both (what `ParamAttr` sets); its parameter groups would overwrite them.
            parameter.optimize_attr["learning_rate"] = rate
            parameter.regularizer = paddle.regularizer.L2Decay(decay)
        self._masters: dict[str, Any] = {}
        self._momentum = paddle.optimizer.Momentum(
            learning_rate=0.0,
            momentum=momentum,
            parameters=list(self._parameters.values()),
            use_nesterov=True,
            grad_clip=None if clip_norm is None else paddle.nn.ClipGradByGlobalNorm(clip_norm),
        )

    def keep_masters(self, model: Any, *, dtype: str) -> None:
        """Cast the parameters of `model` to `dtype`, all but those of batch norm; steps change their masters.

        The masters are FP32, what `model` holds now, to the bit; a step makes each parameter its master, rounded.
        So they are a checkpoint's weights (see `masters`), from which a model and its masters are what they were.
        """
        exact = {name: p.detach().clone() for name, p in model.named_parameters()}
        paddle.amp.decorate(models=model, optimizers=self._momentum, level="O2", dtype=dtype)
        cast = {name: p for name, p in model.named_parameters() if p.dtype != paddle.float32}
        for name, parameter in cast.items():
            # The name that Paddle would give it, and calls its velocity by.
            exact[name].name = f"{parameter.name}_fp32_master_0"
        self._momentum.set_state_dict({_MASTERS: {p.name: exact[name] for name, p in cast.items()}})
        self._masters = {name: exact[name] for name in cast}

    def exact(self, model: Any) -> dict[str, Any]:
        """Return the parameters and statistics of `model` by name, float32 tensors: masters, where it has some."""
        return {**model.state_dict(), **self._masters}

    def masters(self) -> dict[str, Array]:
        """Return copies of the master weights, float32, by published name; none unless there are some."""
        return {name: np.array(master.numpy()) for name, master in self._masters.items()}

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        self._momentum.set_lr(rate)

    def add(self, loss: Any, *, of: int = 1, scaler: Any = None) -> None:
        """Add the gradients of the scalar `loss` to those of the step to come, as one of `of` equal parts.

        scaler: a `paddle.amp.GradScaler` for mixed precision, the same as in `step`.
        """
        part = loss / of
        (part if scaler is None else scaler.scale(part)).backward()

    def step(self, *, scaler: Any = None) -> None:
        """Change the parameters by the gradients that were added, averaged over the ranks once; then drop them.

        scaler: a `paddle.amp.GradScaler` for mixed precision; it skips steps whose gradients overflow.
        """
        # Still scaled: where the gradients of one rank overflow, so does the mean, and all skip the step.
        self._ranks.average_gradients(self._parameters.values())
        if scaler is None:
            self._momentum.step()
        else:
            scaler.step(self._momentum)
            update_scaling(scaler)
        self.drop()

    def drop(self) -> None:
        """Forget the gradients that were added since the last step."""
        self._momentum.clear_grad()

    def state(self) -> dict[str, Array]:
        """Return copies of the velocities, float32, as `PARAMETER.velocity`; none before the first step."""
        stored = self._momentum.state_dict()
        velocities = {name: stored.get(key) for name, key in self._velocity_names().items()}
        return {f"{name}{_VELOCITY}": np.array(v.numpy()) for name, v in velocities.items() if v is not None}

    def empty_state(self) -> dict[str, Array]:
        """Return velocities of the names and shapes of this model's, all 0."""
        return {f"{name}{_VELOCITY}": np.zeros(p.shape, np.float32) for name, p in self._parameters.items()}

    def load_state(self, state: Mapping[str, Array], *, source: object) -> None:
        """Take over what `state` returned; `source` names it in errors.

        Raises ModelError where names or shapes are not those of this model's parameters.
        """
        expected = self.empty_state()
        if {name: array.shape for name, array in state.items()} != {n: a.shape for n, a in expected.items()}:
            raise ModelError(source, f"does not hold the {len(expected)} velocities of this model", "start anew")
        named = {key: state[f"{name}{_VELOCITY}"] for name, key in self._velocity_names().items()}
        self._momentum.set_state_dict({key: paddle.to_tensor(array) for key, array in named.items()})

    def _velocity_names(self) -> dict[str, str]:
        """Return what Paddle calls the velocity of each parameter: its master's, where it has one."""
        return {name: f"{self._masters.get(name, p).name}_velocity_0" for name, p in self._parameters.items()}


def learning_rate(
    iteration: int,
    *,
    iterations_per_epoch: int,
    epochs: int,
    base_rate: float,
    warmup_epochs: float,
    warmup_rate: float,
) -> float:
    """Return the rate of `iteration`, counted from 0 over the whole training.

    With e = iteration / iterations_per_epoch: base_rate * (1 + cos(pi * e / epochs)) / 2; for e < warmup_epochs
    a straight line from `warmup_rate` to that formula's value at the end of the warm-up (PP-TSN's recipe; the
    cosine is that of Loshchilov and Hutter, arXiv 1608.03983, without restarts).
    """
    epoch = iteration / iterations_per_epoch
    if epoch >= warmup_epochs:
        return _cosine(epoch, epochs, base_rate)
    target = _cosine(warmup_epochs, epochs, base_rate)
    return warmup_rate + (target - warmup_rate) * epoch / warmup_epochs


def _cosine(epoch: float, epochs: int, base_rate: float) -> float:
    return base_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2


_NEVER = 2**31 - 1
_COUNTS = ("incr_count", "decr_count")


def loss_scaler() -> Any:
    """Return PP-TSN's dynamic loss scaling: from 2^16, doubled every 2000 good steps, halved on a bad one.

    After a step see `update_scaling`, which does the halving.
    """
    return paddle.amp.GradScaler(
        init_loss_scaling=2.0**16,
        incr_ratio=2.0,
        incr_every_n_steps=2000,
        decr_every_n_nan_or_inf=_NEVER,
    )


def update_scaling(scaler: Any) -> None:
    """Change the scale of `scaler` by how its last step went.

    Paddle itself prints each halving, on standard output, by a conversion that NumPy 2.4 refuses: the first step
    whose gradients overflow, often the very first, would end the training.
    """
    scaler.update()
    state = scaler.state_dict()
    if state["decr_count"]:
        scaler.load_state_dict({**state, "scale": state["scale"] / 2, "decr_count": 0})


def scaling_state(scaler: Any) -> dict[str, float]:
    """Return what of `scaler` changes while it runs, as plain numbers for JSON; empty without a scaler."""
    if scaler is None:
        return {}
    state = scaler.state_dict()
    return {"scale": float(state["scale"][0]), **{name: state[name] for name in _COUNTS}}


def load_scaling(scaler: Any, state: Mapping[str, float]) -> None:
    """Take over what `scaling_state` returned."""
    if scaler is None or not state:
        return
    counts = {name: int(state[name]) for name in _COUNTS}
    scaler.load_state_dict({**scaler.state_dict(), **counts, "scale": np.array([state["scale"]], np.float32)})
