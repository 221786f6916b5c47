"""What objects of libraries hold, and how to put it back: arrays, generators of random numbers, caches."""

import gc
import pickle
import random
import sys
from array import array
from collections.abc import Collection, Mapping
from typing import Any

from ..engine import Value
from .arrays import GENERATORS, np


def array_in(x: Any) -> Any:
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def numbers_in(x: Any) -> dict[str, Any]:
    """What is in an array, or in what can be seen as one, such as a tensor."""
    if isinstance(x, array | memoryview):
        return {"numbers": bytes(x), "kind": str(len(x))}
    seen = array_in(x)
    numbers: dict[Any, Any] = dict(enumerate(seen.flat)) if seen.dtype.hasobject else {"numbers": seen.tobytes()}
    hidden = np.ma.getmaskarray(x).tobytes() if isinstance(x, np.ma.MaskedArray) else b""
    return {**numbers, "mask": hidden, "kind": f"{seen.shape} {seen.dtype}"}


def overwrite(x: Any, before: dict[str, Any]) -> None:
    if isinstance(x, array):
        x[:] = array(x.typecode, before["numbers"])
    elif isinstance(x, memoryview):
        x.cast("B")[:] = before["numbers"]
    else:
        seen = array_in(x)
        seen.flat = [*before.values()][:-2] if seen.dtype.hasobject else np.frombuffer(before["numbers"], seen.dtype)


UNSET = object()
RANDOM = random.Random, *GENERATORS


def everyones() -> dict[str, Any]:
    """The generators of random numbers that anybody may draw from."""
    torch = sys.modules.get("torch")
    own = {"random": random._inst}
    if np:
        own["np.random"] = np.random.mtrand._rand
    if torch:
        own["torch"] = torch.default_generator
    return own


def state(x: Any) -> dict[str, Any]:
    """That of a generator of random numbers."""
    if hasattr(x, "getstate"):
        found = x.getstate()
    else:
        found = x.get_state().numpy() if hasattr(x, "initial_seed") else bits(x).state
    return {"": pickle.dumps(found)}


def set_state(x: Any, before: dict[str, Any]) -> None:
    was = pickle.loads(before[""])
    if hasattr(x, "setstate"):
        x.setstate(was)
    elif hasattr(x, "initial_seed"):  # torch's
        x.set_state(sys.modules["torch"].from_numpy(was))
    else:
        bits(x).state = was


def bits(x: Any) -> Any:
    return x if hasattr(x, "state") else getattr(x, "bit_generator", None) or x._bit_generator


def cache_of(x: Any) -> dict[Any, Any]:
    """The dict inside of a `functools.cache`, which only the garbage collector tells of."""
    return [d for d in gc.get_referents(x) if type(d) is dict and d is not vars(x)][-1]


def remembered(x: Any) -> dict[Any, Any]:
    """What a `functools.cache` has returned, by key. One that is bounded has a list in which each key comes before its
    result, and holds nothing but the type of an entry between the two and the next."""
    cache, held = cache_of(x), gc.get_referents(x)
    if x.cache_parameters()["maxsize"] is None:
        return dict(cache)
    end = next(i for i, y in enumerate(held) if y is cache)
    return dict(zip(held[1:end:3], held[2:end:3]))


def remembers(x: Any, before: Mapping[Any, Any]) -> bool:
    """Whether it still has what it had."""
    now = remembered(x)
    return all(now.get(key, UNSET) is y for key, y in before.items())


def has_key(x: Any, values: Collection[Value]) -> bool:
    """Whether it remembers what it returned for one of some Values."""
    return any(is_in(key, values) for key in cache_of(x))


def is_in(x: Any, values: Collection[Value], depth: int = 4) -> bool:
    """Whether there is one of some Values in something that has a hash, in so many layers of it."""
    if isinstance(x, Value):
        return x in values
    inner = x if isinstance(x, tuple | frozenset) else getattr(x, "__dict__", {}).values()
    return depth > 0 and any(is_in(y, values, depth - 1) for y in inner)


def forget(x: Any, before: Mapping[Any, Any]) -> None:
    for key, y in remembered(x).items():
        if before.get(key, UNSET) is not y:
            cache_of(x).pop(key, None)
