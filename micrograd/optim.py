"""Optimisers, with PyTorch's arguments, defaults and numbers, for anything that has `data` and `grad`.

Each is one formula, its `rule`: it makes the new data and state of a parameter from its data, gradient and state. Where
NumPy is in use anyway and the parameters are many, the same formula moves all of them at once, in arrays. If their
gradients come from a compiled function, these arrays are even the place where their numbers are (`compiler.home`).
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import truediv
from typing import Any, TypeAlias

from .compiler.home import MANY, PATIENCE, Home, one_at_a_time
from .compiler.row import Row
from .scalar import divide, maximum, number

Numbers: TypeAlias = Any  # a list, or an array
State: TypeAlias = dict[str, Numbers]
Rule: TypeAlias = Callable[..., tuple[Any, ...]]  # of data, gradient, and each number of the state: these after a step

FLAGS = "nesterov", "amsgrad"
NOT_NEGATIVE = "steps", "exp_avg_sq", "max_exp_avg_sq"  # of the state


__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


def __dir__() -> list[str]:
    return __all__


class Optimizer:
    """What all optimisers do. Every option is an attribute, which may be set at any time.

    Args:
        params: what to train; each has `data` and `grad`. One whose `grad` is None stays where it is.
        options: the options by name; `betas` is a pair.
        state: the names of the numbers that are kept for each parameter; all start at 0.

    Raises:
        ValueError: there are no parameters, one of them occurs twice or is a result of operations, or an option is out
            of range.
        TypeError: `params` is a model or a method, a parameter has no `data` and `grad`, or an option is no number.
    """

    lr: Any

    def __init__(self, params: Iterable[Any], options: dict[str, Any], state: Sequence[str]):
        if not hasattr(params, "__iter__"):
            raise TypeError(f"expected parameters, such as model.parameters(), got one {type(params).__name__}")
        self.params = list(params)
        for p in self.params:
            if not (hasattr(p, "data") and hasattr(p, "grad")):
                raise TypeError(f"a parameter has data and grad, such as a Value; got {p!r} of type {type(p).__name__}")
            if getattr(p, "_prev", ()):
                raise ValueError(
                    f"can't optimize {p!r}, the result of an operation: make a parameter of its number, Value(p.data)"
                )
        if not self.params:
            raise ValueError("an optimiser needs at least 1 parameter, got []")
        if len(set(map(id, self.params))) < len(self.params):
            raise ValueError("a parameter occurs twice, and would move twice as far")
        self.options = options
        self._row = Row([*self.params])
        self._columns: State = {name: [0.0] * len(self.params) for name in state}
        self._order: Any = None  # for each parameter, where its numbers are in the columns; None if that is the same
        self.steps: Any = 0  # how many all parameters have made; a list or an array, if that is not one number

    def __dir__(self) -> list[str]:
        return ["load_state_dict", "params", "state_dict", "step", "steps", "zero_grad", *self.options]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: set them to None, or to zero. As in PyTorch, a parameter without a gradient stays where
        it is in the next step, and one whose gradient is zero still moves by momentum and weight decay."""
        with one_at_a_time:
            if home := self._home():
                at = self._row.span
                if set_to_none:
                    home.grad[at], home.none[at] = -0.0, True
                elif True in home.absent:  # these stay None
                    home.grad[at] = home.np.where(home.none[at], -0.0, 0.0)
                else:
                    home.grad[at] = 0.0
                return
        for p in self.params:
            p.grad = None if set_to_none or p.grad is None else 0.0

    def step(self) -> None:
        """Move every parameter by its gradient. Should anything raise, nothing has moved."""
        with contextlib.suppress(TypeError), one_at_a_time:  # the state may be of another kind of number
            home = self._home() or (self._row.move_in() if Row.fed else None)
            if home and self._step_in(home):
                return
        self._arrange(None)
        before, gs = [p.data for p in self.params], [p.grad for p in self.params]
        if None in gs or type(self.steps) is not int:
            after, state = self.in_groups(before, gs)
            steps: Any = even([t if g is None else t + 1 for t, g in zip(self.each(), gs)])
        else:
            steps = self.steps + 1
            after, *moved = self.moved(steps, before, gs, *self.state.values())
            state = dict(zip(self.state, moved))
        try:
            for p, x in zip(self.params, listed(after)):
                p.data = x
            self.state, self.steps = state, steps
        except BaseException:
            for p, x in zip(self.params, before):
                p.data = x
            raise

    def each(self) -> list[int]:
        """How many steps each parameter has made."""
        return [self.steps] * len(self.params) if type(self.steps) is int else [*listed(self.steps)]

    def _home(self) -> Home | None:
        """Where the numbers of all parameters are, if that is one place."""
        if self._row.values != self.params:
            self._row = Row([*self.params])
        return self._row.whole()

    def _step_in(self, home: Home) -> bool:
        """A step on the arrays of a home; False where the formula has used so many single numbers that it is gone."""
        np, row = home.np, self._row
        self._arrange(row.order)
        at, steps, state = row.span, self.steps, [*self._columns.values()]
        xs, gs = home.data[at], home.grad[at]
        if type(steps) is not int or (True in home.absent and home.none[at].any()):
            # together go those that have moved equally often
            there, made, after = ~home.none[at], np.zeros(len(xs), int), xs
            own = slice(None) if row.order is None else row.order
            made[own] = steps
            counts = made[there]
            for t in (counts[:1] if (counts == counts[:1]).all() else np.unique(counts)).tolist():
                mine, found = there & (made == t), self.moved(t + 1, xs, gs, *self._columns.values())
                after, *state = (np.where(mine, x, before) for x, before in zip(found, (after, *state)))
            made += there
            steps = int(made[0]) if (made == made[0]).all() else made[own]
        else:
            steps += 1
            after, *state = self.moved(steps, xs, gs, *state)
        if not home.alive:
            return False
        home.data[at] = after
        vars(self).update(_columns=dict(zip(self._columns, state)), steps=steps)
        row.served += 1
        if home.fed:
            home.fed, home.patience = False, PATIENCE * len(home.values)
        return True

    @property
    def state(self) -> State:
        """The numbers that are kept for each parameter, by name."""
        self._arrange(None)
        return self._columns

    @state.setter
    def state(self, state: State) -> None:
        self._columns, self._order = state, None

    def _arrange(self, order: Any) -> None:
        """Bring what is kept for each parameter into the order of a home, or, for None, into that of the parameters."""
        if order is not self._order:
            back, there = self._order, None if order is None else order.argsort()

            def arranged(numbers: Numbers) -> Numbers:
                column = sys.modules["numpy"].asarray(numbers, float)
                column = column if back is None else column[back]
                return column if there is None else column[there]

            self._columns = {name: arranged(numbers) for name, numbers in self._columns.items()}
            self._order = order

    def rule(self, t: int) -> Rule:
        """The formula of the `t`-th step."""
        raise NotImplementedError(f"{type(self).__name__} has no rule()")

    def moved(self, t: int, xs: Numbers, gs: Numbers, *state: Numbers) -> list[Numbers]:
        """Data and state after the `t`-th step."""
        np, rule = sys.modules.get("numpy"), self.rule(t)
        if np and len(xs) >= MANY and not vars(self).get("amsgrad"):  # a maximum is of two
            with contextlib.suppress(TypeError), np.errstate(all="ignore"):  # of Values there are no arrays of floats
                # copies, as a formula may compute in place
                data, grads = (
                    x.copy() if type(x) is np.ndarray else np.fromiter(x, np.float64, len(xs)) for x in (xs, gs)
                )
                return [*rule(data, grads, *(np.array(numbers, np.float64) for numbers in state))]
        rows = [*map(rule, *map(listed, (xs, gs, *state)))]
        return [[row[i] for row in rows] for i in range(1 + len(state))]

    def in_groups(self, xs: Numbers, gs: Numbers) -> tuple[Numbers, State]:
        """The same where some have no gradient, now or before: together go those that have moved equally often."""
        after, state = list(xs), {name: list(listed(numbers)) for name, numbers in self.state.items()}
        steps = self.each()
        for t in set(steps):
            group = [i for i, g in enumerate(gs) if g is not None and steps[i] == t]
            parts = [[numbers[i] for i in group] for numbers in (xs, gs, *state.values())]
            for numbers, into in zip(self.moved(t + 1, *parts), (after, *state.values())) if group else ():
                for i, x in zip(group, listed(numbers)):
                    into[i] = x
        return after, state

    @property
    def options(self) -> dict[str, Any]:
        """All options by name."""
        return {name: getattr(self, name) for name in self._names}

    @options.setter
    def options(self, options: Mapping[str, Any]) -> None:
        checked = self.checked(options)
        self._names = list(options)
        vars(self).update(checked)

    def __setattr__(self, name: str, x: Any) -> None:
        x = self.checked({**self.options, name: x})[name] if name in vars(self).get("_names", ()) else x
        super().__setattr__(name, x)

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as plain numbers, if they are in range."""
        return {name: option(name, x) for name, x in options.items()}

    def state_dict(self) -> dict[str, Any]:
        """All that a later run needs to go on as this one would, in lists and numbers: it can be saved as JSON."""
        state = {name: [x if type(x) is float else kept(name, x) for x in xs] for name, xs in self.state.items()}
        return {"options": self.options, "steps": self.each(), "state": state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a `state_dict()`.

        Raises:
            ValueError: it is that of another optimiser or of other parameters, or a number is out of range.
            TypeError: something is no number. Nothing has changed then.
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
        for name, xs in {"steps": saved["steps"], **saved["state"]}.items():
            if not isinstance(xs, list | tuple):
                raise TypeError(f"{name} is a list of numbers, got {xs!r}")
            if len(xs) != len(self.params):
                raise ValueError(f"there are {len(self.params)} parameters; {name} was saved for {len(xs)}")
        state = {name: [kept(name, x) for x in xs] for name, xs in saved["state"].items()}
        steps = [int(kept("steps", t)) for t in saved["steps"]]
        self.options = saved["options"]
        self.state, self.steps = state, even(steps)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={x!r}" for name, x in self.options.items())
        return f"{type(self).__name__}({len(self.params)} parameters, {options})"


def listed(numbers: Numbers) -> Sequence[Any]:
    """Numbers in a list or an array, as Python's own."""
    return numbers if isinstance(numbers, list) else numbers.tolist()


def even(steps: Sequence[int]) -> Any:
    """One number, if all are the same."""
    return steps[0] if len({*steps}) == 1 else steps


def plain(name: str, x: Any) -> float:
    """A number that came from outside as a float."""
    try:
        found = number(x)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if not isinstance(found, float):
        raise TypeError(f"{name} is a plain number, got {x!r} of type {type(x).__name__}")
    return found


def option(name: str, x: Any) -> Any:
    """An option as a plain number, if it is in range."""
    if name in FLAGS:
        if x not in (True, False):
            raise TypeError(f"{name} is True or False, got {x!r}")
        return bool(x)
    if name == "betas":
        betas = tuple(plain("a beta", beta) for beta in (x if hasattr(x, "__iter__") else [x]))
        if not (len(betas) == 2 and all(0.0 <= beta < 1.0 for beta in betas)):
            raise ValueError(f"betas are two numbers from 0 up to but not including 1, got {x!r}")
        return betas
    if not (found := plain(name, x)) >= 0.0:
        raise ValueError(f"{name} must be 0 or more, got {x!r}")
    return found


def kept(name: str, x: Any) -> Any:
    """A saved number, if it is in range; it may be of another kind, as data may."""
    found = number(x)
    if name in NOT_NEGATIVE and (found < 0.0 or (name == "steps" and found % 1.0 != 0.0)):
        raise ValueError(f"{name} must be {'whole numbers, ' * (name == 'steps')}0 or more, got {x!r}")
    return found


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

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        checked = super().checked(options)
        if checked["nesterov"] and not checked["momentum"]:
            raise ValueError(f"nesterov needs a momentum above 0, got momentum={options['momentum']!r}")
        return checked

    def rule(self, t: int) -> Rule:
        lr, momentum, weight_decay, nesterov = self.lr, self.momentum, self.weight_decay, self.nesterov

        def move(x: Any, g: Any, buffer: Any) -> tuple[Any, ...]:
            if weight_decay:
                g = g + weight_decay * x
            if momentum:
                buffer = momentum * buffer + g
                g = g + momentum * buffer if nesterov else buffer
            return x - lr * g, buffer

        return move


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

    def rule(self, t: int) -> Rule:
        (b1, b2), lr, eps, weight_decay = self.betas, self.lr, self.eps, self.weight_decay
        c1, c2, keep = 1.0 - b1, 1.0 - b2, 1.0 - lr * weight_decay
        # Means that start from 0 are too small at first: those over t steps by the factor 1 - beta ** t.
        size, root = lr / (1.0 - b1**t), (1.0 - b2**t) ** 0.5
        over: Callable[..., Any] = truediv if eps else divide  # only without eps may there be a zero below
        amsgrad, decoupled = self.amsgrad, self.decoupled

        def move(x: Any, g: Any, mean: Any, square: Any, largest: Any) -> tuple[Any, ...]:
            if decoupled:
                x = keep * x
            elif weight_decay:
                g = g + weight_decay * x
            mean = b1 * mean + c1 * g
            square = b2 * square + c2 * g * g
            if amsgrad:
                largest = maximum(largest, square)
            return x - size * over(mean, (largest if amsgrad else square) ** 0.5 / root + eps), mean, square, largest

        return move


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
