"""What code refers to by name, and what it asks, read from its instructions."""

import dis
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

ANY = "__dict__"  # stands for attributes of any name
DTYPE = "dtype"
# These take the name of an attribute as a text: with so many arguments up to that, if it is no constant.
TEXTS = {"hasattr": 2, "getattr": 2, "setattr": 2, "delattr": 2, "attrgetter": 1, "methodcaller": 1}
# What an instruction does as these do: a pattern in match looks at a type and at attributes, "except" sees an error,
# f"{x}" and "%s" % x are texts of x.
IMPLIED = {"MATCH_CLASS": {"isinstance", "hasattr"}, "PUSH_EXC_INFO": {"AttributeError"}}
IMPLIED |= {key: {"format"} for key in ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "%", "%=")}
KINDS = {"GLOBAL": 0, "NAME": 0, "ATTR": 1, "METHOD": 1, "SUPER_ATTR": 1, "IMPORT_FROM": 1, "IMPORT_NAME": 2}
# These tell objects apart: which of them are the same key, or which has what was assigned before.
TELLING = {"BUILD_SET", "SET_ADD", "MAP_ADD", "SET_UPDATE", "DICT_UPDATE", "STORE_SUBSCR", "STORE_ATTR"}


class Uses(NamedTuple):
    """Names in code: of globals, of attributes, and of modules that it imports; what it asks of two objects: whether
    they are the same, or equal, or one is in the other; and the names that stand beside such a question."""

    globals: set[str]
    attributes: set[str]
    modules: set[str]
    questions: set[str]
    compared: set[str]


@functools.cache
def read(code: CodeType) -> Uses:
    """What code reads and assigns, that of comprehensions and inner functions included."""
    uses = Uses(set(), set(), set(), set(), set())
    instructions = [*dis.get_instructions(code)]
    for i, instruction in enumerate(instructions):
        name, before = instruction.opname, instructions[max(i - 3, 0) : i][::-1]
        equal = name == "COMPARE_OP" and any(sign in instruction.argrepr for sign in ("==", "!="))
        if (equal or name in ("IS_OP", "CONTAINS_OP")) and before[0].opname != "LOAD_CONST":
            uses.questions.add(name)
            beside = itertools.takewhile(lambda x: "CALL" not in x.opname, before)
            uses.compared.update(str(x.argval) for x in beside)
        asked = name in ("COMPARE_OP", "IS_OP", "CONTAINS_OP") and DTYPE in (x.argval for x in before)
        if asked or instruction.argval == "issubdtype":
            uses.questions.add(DTYPE)
        if name in TELLING or instruction.argrepr in ("|=", "|") or (name == "BUILD_MAP" and instruction.arg):
            uses.questions.add(name)
        if not (name == "BINARY_OP" and before and type(before[0].argval) in (int, float)):  # a remainder
            uses.globals.update(IMPLIED.get(name, IMPLIED.get(instruction.argrepr, ())))
        if name == "MATCH_CLASS" and instruction.arg:  # by position, the names are in __match_args__
            uses.globals.add(ANY)
        kind = KINDS.get(name, KINDS.get(name.split("_", 1)[-1]))
        if kind is not None:
            uses[kind].add(instruction.argval)
            at = TEXTS.get(instruction.argval)
            if at and not is_given_text(instructions[i + 1 :], at):
                uses.globals.add(ANY)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for mine, names in zip(uses, read(inner)):
                mine |= names
        else:  # among them names of attributes: hasattr(x, "scale"), and in a tuple those of a pattern, in match
            texts = inner if isinstance(inner, tuple) else (inner,)
            uses.attributes.update(name for text in texts if isinstance(text, str) for name in names_in(text))
    return uses


def names_in(text: str) -> Iterator[str]:
    """The names of attributes that a text may stand for: "a", "a.b", and "{0.a.b}" of a format."""
    parts = re.findall(r"\w+", text) if "{" in text else text.split(".")
    if "{" in text or all(map(str.isidentifier, parts)):
        yield from filter(str.isidentifier, parts)


def is_given_text(after: Sequence[dis.Instruction], at: int) -> bool:
    """Whether an argument of a call is a constant text.

    Args:
        after: the instructions after the one that has loaded the function.
        at: which argument, from 1 on.
    """
    depth, argument = 0, None  # of the stack, where the arguments gather; too deep where one has a condition in it
    for last, now in itertools.pairwise(after):
        before, depth = depth, depth + dis.stack_effect(last.opcode, last.arg, jump=False)
        if before < at <= depth:
            argument = last
        if now.opname in ("PRECALL", "CALL") and now.arg == depth:
            found: Any = argument
            alone = at > 1 or now.arg == 1  # of attrgetter others may be names, too
            return alone and bool(found) and found.opname == "LOAD_CONST" and isinstance(found.argval, str)
    return False
