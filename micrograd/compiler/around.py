"""What a function refers to by name outside itself."""

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any


def surroundings(function: Callable[..., Any]) -> dict[str, Any]:
    """By name: the globals, the variables of functions around it, and the defaults; also those of the function that it
    wraps. Another object under a name makes another function of it. What is no function, such as a model, is all there
    is, without a name."""
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None:
        return {"": getattr(function, "__self__", function)}
    outside = getattr(function, "__globals__", {})
    found = {name: outside.get(name) for name in loaded_globals(code)}
    found |= {name: content(cell) for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or ())}
    found |= {f"default {i}": x for i, x in enumerate(getattr(function, "__defaults__", None) or ())}
    found |= getattr(function, "__kwdefaults__", None) or {}
    if hasattr(function, "__self__"):
        found["self"] = function.__self__
    return surroundings(function.__wrapped__) | found if hasattr(function, "__wrapped__") else found


def within_reach(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """What a function, and the functions that it calls, use from outside, by name."""
    queue, seen = [function], set()
    while queue:
        function = queue.pop(0)
        for name, x in surroundings(function).items():
            if isinstance(x, FunctionType) and x not in seen:
                seen.add(x)
                queue.append(x)
            yield name, x


@functools.cache
def loaded_globals(code: CodeType) -> list[str]:
    """The names of globals that a function uses, its comprehensions and inner functions included."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return sorted(names.union(*(loaded_globals(inner) for inner in code.co_consts if isinstance(inner, CodeType))))


def content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing in it yet
        return None


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
