"""Names for what a program computes."""

import keyword
import unicodedata
from collections.abc import Iterable


class Names:
    """Makes names that differ from each other and from all that means something where they are used."""

    def __init__(self, taken: Iterable[str]):
        self.taken = {*keyword.kwlist, *taken}

    def new(self, wanted: str) -> str:
        name = unicodedata.normalize("NFKC", wanted)  # as Python reads it
        name = name if name.isidentifier() else "argument"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name
