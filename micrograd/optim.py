"""Optimisers, with PyTorch's arguments, defaults and numbers, for anything that has `data` and `grad`.

Each is one formula: `update` makes new data out of data and gradients, and a new state out of the old one.
"""

from collections.abc import Iterable, Sequence
from operator import truediv
from typing import Any, TypeAlias

from .scalar import divide, maximum

Numbers: TypeAlias = list[Any]


class Optimizer:
    """What all optimisers do. Every option is an attribute, which may be set at any time.

    Args:
        params: what to train; each has `data` and `grad`.
        options: the options by name; `betas` is a pair.
        state: the names of the numbers that are kept for each parameter, from 0 on.

    Raises:
        ValueError: there are no parameters, one of them occurs twice, or an option is out of range.
        TypeError: a parameter has no `data` and `grad`.
    """

    lr: Any

    def __init__(self, params: Iterable[Any], options: dict[str, Any], state: Sequence[str]):
        self.params = list(params)
        for p in self.params:
            if not (hasattr(p, "data") and hasattr(p, "grad")):
                raise TypeError(f"a parameter has data and grad, such as a Value; got {p!r} of type {type(p).__name__}")
        if not self.params:
            raise ValueError("an optimiser needs at least 1 parameter, got []")
        if len(set(map(id, self.params))) < len(self.params):
            raise ValueError("a parameter occurs twice, and would move twice as far")
        check(options)
        self.options = list(options)
        vars(self).update(options)
        self.state: dict[str, Numbers] = {name: [0.0] * len(self.params) for name in state}
        self.steps = 0

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for p in self.params:
            p.grad = 0.0

    def step(self) -> None:
        """Move every parameter by its gradient. Should anything raise, nothing has moved."""
        before = [p.data for p in self.params]
        after, state = self.update(before, [p.grad for p in self.params], self.steps + 1)
        try:
            for p, x in zip(self.params, after):
                p.data = x
            self.state, self.steps = {**self.state, **state}, self.steps + 1
        except BaseException:
            for p, x in zip(self.params, before):
                p.data = x
            raise

    def update(self, xs: Numbers, gs: Numbers, t: int) -> tuple[Numbers, dict[str, Numbers]]:
        """The data after the `t`-th step, and what of the state is new."""
        raise NotImplementedError(f"{type(self).__name__} has no update()")

    def state_dict(self) -> dict[str, Any]:
        """All that a later run needs to go on as this one would, in lists and numbers: it can be saved as JSON."""
        options = {name: getattr(self, name) for name in self.options}
        return {"options": options, "steps": self.steps, "state": {name: list(xs) for name, xs in self.state.items()}}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a `state_dict()`.

        Raises:
            ValueError: it is that of another optimiser, or of other parameters. Nothing has changed then.
        """
        own = self.state_dict()
        for part in own:
            if part not in saved:
                raise ValueError(f"expected {', '.join(own)}; got {', '.join(saved)}")
        for part in "options", "state":
            if own[part].keys() != saved[part].keys():
                raise ValueError(
                    f"the {part} of {type(self).__name__} are {', '.join(own[part]) or 'none'}; "
                    f"got {', '.join(saved[part]) or 'none'}"
                )
        for name, xs in saved["state"].items():
            if len(xs) != len(self.params):
                raise ValueError(f"there are {len(self.params)} parameters; {name} was saved for {len(xs)}")
        check(saved["options"])
        vars(self).update(saved["options"])
        self.state, self.steps = {name: list(xs) for name, xs in saved["state"].items()}, saved["steps"]

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)
        return f"{type(self).__name__}({len(self.params)} parameters, {options})"


def check(options: dict[str, Any]) -> None:
    for name, x in options.items():
        if name == "betas":
            if not (len(x) == 2 and all(0.0 <= beta < 1.0 for beta in x)):
                raise ValueError(f"betas are two numbers from 0 up to but not including 1, got {x!r}")
        elif not x >= 0.0:
            raise ValueError(f"{name} must be 0 or more, got {x!r}")


class SGD(Optimizer):
    """Stochastic gradient descent, as `torch.optim.SGD`: `x -= lr * g`.

    Args:
        params: what to train.
        lr: the learning rate.
        momentum: how much of the last step's direction stays.
        weight_decay: how much of x itself is added to its gradient.
        nesterov: look ahead along the momentum.
    """

    momentum: float
    weight_decay: float
    nesterov: bool

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, options, ["momentum_buffer"])
        if nesterov and not momentum:
            raise ValueError(f"nesterov needs a momentum above 0, got momentum={momentum}")

    def update(self, xs: Numbers, gs: Numbers, t: int) -> tuple[Numbers, dict[str, Numbers]]:
        lr, momentum, state = self.lr, self.momentum, {}
        gs = decayed(gs, xs, self.weight_decay)
        if momentum:
            buffer = state["momentum_buffer"] = [momentum * m + g for m, g in zip(self.state["momentum_buffer"], gs)]
            gs = [g + momentum * m for m, g in zip(buffer, gs)] if self.nesterov else buffer
        return [x - lr * g for x, g in zip(xs, gs)], state


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980), as `torch.optim.Adam`.

    Args:
        params: what to train.
        lr: the learning rate.
        betas: how much stays of the running means of the gradient and of its square.
        eps: added to the root below the fraction bar.
        weight_decay: how much of x itself is added to its gradient.
        amsgrad: divide by the largest mean square so far.
    """

    decoupled = False
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    amsgrad: bool

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, options, ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"])

    def update(self, xs: Numbers, gs: Numbers, t: int) -> tuple[Numbers, dict[str, Numbers]]:
        (b1, b2), lr, eps, state = self.betas, self.lr, self.eps, {}
        c1, c2 = 1.0 - b1, 1.0 - b2
        if self.decoupled:
            keep = 1.0 - lr * self.weight_decay
            xs = [keep * x for x in xs]
        else:
            gs = decayed(gs, xs, self.weight_decay)
        means = state["exp_avg"] = [b1 * m + c1 * g for m, g in zip(self.state["exp_avg"], gs)]
        squares = state["exp_avg_sq"] = [b2 * s + c2 * g * g for s, g in zip(self.state["exp_avg_sq"], gs)]
        if self.amsgrad:
            pairs = zip(self.state["max_exp_avg_sq"], squares)
            squares = state["max_exp_avg_sq"] = [maximum(before, s) for before, s in pairs]
        # Means that start from 0 are too small at first: those over t steps by the factor 1 - beta ** t.
        size, root = lr / (1.0 - b1**t), (1.0 - b2**t) ** 0.5
        over = truediv if eps else divide  # only without eps may there be a zero below
        return [x - size * over(m, s**0.5 / root + eps) for x, m, s in zip(xs, means, squares)], state


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101), as
    `torch.optim.AdamW`: weight decay shrinks x itself, `x -= lr * weight_decay * x`, past the running means.

    Args: as for Adam.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


def decayed(gs: Numbers, xs: Numbers, weight_decay: float) -> Numbers:
    return [g + weight_decay * x for g, x in zip(gs, xs)] if weight_decay else gs
