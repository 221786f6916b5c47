"""Compare gradients with central differences."""

from collections.abc import Callable, Sequence
from typing import Any

from .engine import Value, graph

EARLIER = 1.0  # what each gradient is before, so that one that is assigned and not added is found


def gradcheck(
    function: Callable[..., Any],
    inputs: Sequence[Value | float],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare what `backward()` adds to each `grad` with `(f(x + eps) - f(x - eps)) / (2 * eps)`.

    The name and the arguments are those of `torch.autograd.gradcheck`. At a kink, such as that of relu at 0, the two
    differ.

        >>> from micrograd import gradcheck
        >>> gradcheck(lambda a, b: a * b.tanh(), [0.5, -1.0])
        True

    Args:
        function: is called as `function(*inputs)`, and returns a Value or a list of Values.
        inputs: Values without parents, such as the parameters of a model that the function uses; or numbers.
        eps: how far each input is moved.
        atol, rtol: what is allowed: a difference of `atol + rtol * abs(slope)`.

    Returns:
        True. Data and gradients are as they were.

    Raises:
        RuntimeError: a gradient differs; it says of which input, and by how much.
        ValueError: an input is a result of operations.
        TypeError: the function returns something else, or `inputs` is no list.
    """
    if not hasattr(inputs, "__iter__"):
        raise TypeError(f"the inputs of gradcheck are a list, one for each argument of the function; got {inputs!r}")
    leaves = [x if isinstance(x, Value) else Value(x) for x in inputs]
    if any(v._prev for v in leaves):
        raise ValueError("the inputs of gradcheck are Values without parents, got a result of operations")

    def outputs() -> list[Value]:
        out = function(*leaves)
        found = list(out) if isinstance(out, list | tuple) else [out]
        if not all(isinstance(v, Value) for v in found):
            raise TypeError(f"gradcheck is of a function that returns a Value or a list of Values, got {out!r}")
        return found

    def outputs_at(v: Value, x: float) -> list[float]:
        data, v.data = v.data, x
        numbers = [out.data for out in outputs()]
        v.data = data
        return numbers

    tested = outputs()
    every = {*leaves, *(leaf for out in tested for leaf in graph(out)[0])}
    before = [(v, v.data, v.grad) for v in every]
    try:
        for j, out in enumerate(tested):
            for v in leaves:
                v.grad = EARLIER
            out.backward()
            for i, v in enumerate(leaves):
                slope = (outputs_at(v, v.data + eps)[j] - outputs_at(v, v.data - eps)[j]) / (2 * eps)
                added, allowed = v.grad - EARLIER, atol + rtol * abs(slope)
                if not abs(added - slope) <= allowed:
                    raise RuntimeError(
                        f"the gradient of output {j} with respect to input {i} ({v.label or v.data}) is {added} by "
                        f"backward() and {slope} by central differences: they differ by {abs(added - slope):.3g}, "
                        f"and {allowed:.3g} is allowed"
                        + f" (x.grad = ... forgets {EARLIER}, the gradient from before: write +=)"
                        * (abs(v.grad - slope) <= allowed)
                    )
    finally:
        for v, data, grad in before:
            v.data, v.grad = data, grad
    return True
