"""One peer in a process of its own: prepares itself, says what it computed, and is then timed whenever it is asked.

    python worker.py <folder of benchmarks> <work> <peer>

Every line it reads asks for one more measurement; every line it writes is JSON.
"""

import gc
import json
import sys
import time
import timeit


def main() -> None:
    folder, work, name = sys.argv[1:]
    sys.path[:] = [path for path in sys.path if not path.endswith("benchmarks")]
    sys.path.insert(0, folder)
    begun = time.perf_counter()
    from benchmarks.work import PEERS

    peer = PEERS[work][name]
    step = peer.prepare()
    found = step()
    first = time.perf_counter() - begun
    print(json.dumps({"check": peer.numbers(found), "first": first}), flush=True)

    def again() -> None:
        nonlocal found  # a graph stays until the next one is there, as in the loop of a training
        found = step()

    # timeit switches Python's garbage collector off; what a peer has decided stays.
    timer = timeit.Timer(again, setup="import gc; gc.enable()" if gc.isenabled() else "pass")
    number = 0
    for _ in sys.stdin:
        number = number or timer.autorange()[0]
        print(json.dumps(timer.timeit(number) / number), flush=True)


if __name__ == "__main__":
    main()
