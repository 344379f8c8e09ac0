"""A machine that reads pickles as data.

A pickle is a small program for a machine with a stack, and whoever wrote it may have it call any function
there is. This machine has the stack, containers and numbers; a class or a function is nothing but its name to
it, and what is built of names is what `Vocabulary` makes of them, or else the file is refused. It never
imports anything. Its budget bounds time and memory, whatever the file says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pickletools import genops
from typing import Any, BinaryIO, Protocol

# Steps that a file may take; a large honest one takes 60,000.
BUDGET = 400_000
# Whole numbers as keys, small enough that no two of them are alike to a dict.
LARGEST_KEY = 2**60
BUILTINS = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Refused(Exception):
    """Why a file can't be taken: a clause."""


@dataclass(frozen=True)
class Named:
    """A class or a function: its name, and nothing else."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Vocabulary(Protocol):
    """What names mean. Each raises Refused for what it doesn't know."""

    def call(self, machine: Machine, what: Named, arguments: tuple) -> Any:
        """What comes of calling a function, or of making a class's object."""
        ...

    def build(self, machine: Machine, made: Any, state: Any) -> None:
        """Give an object that `call` made its state."""
        ...

    def persistent(self, key: Any) -> Any:
        """What lies outside of the pickle under a key."""
        ...


class Budget:
    """How much may still be done."""

    def __init__(self, steps: int = BUDGET):
        self.left = steps

    def charge(self, steps: int) -> None:
        """Count steps. Raises Refused when there were too many."""
        self.left -= steps
        if self.left < 0:
            raise Refused("it takes far more steps to read than any network does")


class _Mark:
    """Where on the stack something began."""


MARK = _Mark()
# Opcodes that push what stands behind them.
LITERALS = [
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
]
# What an ill-formed pickle lets Python say.
DAMAGE = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, struct.error)


def check_key(key: Any) -> Any:
    """The key of a dict. Raises Refused for what honest files don't have: it might take for ever to hash."""
    if key is None or type(key) in (str, bool) or (type(key) is int and abs(key) < LARGEST_KEY):
        return key
    raise Refused("it has a dictionary with keys that are neither words nor numbers")


class Machine:
    """Reads one pickle."""

    def __init__(self, vocabulary: Vocabulary, budget: Budget):
        self.budget = budget
        self._vocabulary = vocabulary
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self, file: BinaryIO) -> Any:
        """The value of the pickle that begins where the file stands, which then stands behind it.

        Raises Refused for what is unknown, unusual or damaged.
        """
        try:
            for opcode, argument, _ in genops(file):
                self.budget.charge(1)
                if opcode.name == "STOP":
                    return self._pop()
                step = STEPS.get(opcode.name)
                if step is None:
                    raise Refused(f"it uses the opcode {opcode.name}, which no StyleGAN needs")
                step(self, argument)
        except DAMAGE:
            raise Refused("it is damaged, or no pickle") from None
        except (MemoryError, RecursionError):
            raise Refused("it is built to fill the memory") from None
        raise Refused("it is damaged: its end is missing")

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value

    def _pop_to_mark(self) -> list[Any]:
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is MARK:
                values = self._stack[place + 1 :]
                del self._stack[place:]
                return values
        raise ValueError("no mark")

    def _top(self, kind: type) -> Any:
        """The container on top."""
        if not isinstance(self._stack[-1], kind):
            raise Refused("it fills something that is no container")
        return self._stack[-1]

    @staticmethod
    def _pairs(values: list[Any]) -> dict:
        if len(values) % 2:
            raise ValueError("a key without a value")
        return {check_key(key): value for key, value in zip(values[::2], values[1::2])}

    @staticmethod
    def _named(module: Any, name: Any) -> Named:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("it calls something that has no name")
        return Named(BUILTINS.get(module, module), name)

    # --- opcodes ----------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _drop(self) -> None:
        self._stack.pop()

    def _get(self, place: Any) -> None:
        self._stack.append(self._memo[int(place)])

    def _put(self, place: Any) -> None:
        self._memo[int(place)] = self._stack[-1]

    def _tuple(self, length: int) -> None:
        values = [self._pop() for _ in range(length)]
        self._stack.append(tuple(reversed(values)))

    def _append(self, values: list[Any]) -> None:
        self._top(list).extend(values)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._top(dict)[check_key(key)] = value

    def _set_items(self) -> None:
        pairs = self._pairs(self._pop_to_mark())
        self._top(dict).update(pairs)

    def _name(self) -> None:
        name, module = self._pop(), self._pop()
        self._stack.append(self._named(module, name))

    def _call(self) -> None:
        arguments, what = self._pop(), self._pop()
        if not isinstance(what, Named) or not isinstance(arguments, tuple):
            raise Refused("it calls something that has no name")
        self._stack.append(self._vocabulary.call(self, what, arguments))

    def _build(self) -> None:
        state = self._pop()
        self._vocabulary.build(self, self._stack[-1], state)


# A set is kept as a list, so that nothing in it has to be hashed.
STEPS: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(LITERALS, Machine._push),
    **dict.fromkeys(["GET", "BINGET", "LONG_BINGET"], Machine._get),
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT"], Machine._put),
    **dict.fromkeys(["PROTO", "FRAME"], lambda m, _: None),
    "MEMOIZE": lambda m, _: m._put(len(m._memo)),
    "NONE": lambda m, _: m._push(None),
    "NEWTRUE": lambda m, _: m._push(True),
    "NEWFALSE": lambda m, _: m._push(False),
    "EMPTY_DICT": lambda m, _: m._push({}),
    "EMPTY_LIST": lambda m, _: m._push([]),
    "EMPTY_SET": lambda m, _: m._push([]),
    "EMPTY_TUPLE": lambda m, _: m._push(()),
    "MARK": lambda m, _: m._push(MARK),
    "POP": lambda m, _: m._drop(),
    "POP_MARK": lambda m, _: m._pop_to_mark().clear(),
    "DUP": lambda m, _: m._push(m._stack[-1]),
    "TUPLE1": lambda m, _: m._tuple(1),
    "TUPLE2": lambda m, _: m._tuple(2),
    "TUPLE3": lambda m, _: m._tuple(3),
    "TUPLE": lambda m, _: m._push(tuple(m._pop_to_mark())),
    "FROZENSET": lambda m, _: m._push(tuple(m._pop_to_mark())),
    "LIST": lambda m, _: m._push(m._pop_to_mark()),
    "DICT": lambda m, _: m._push(m._pairs(m._pop_to_mark())),
    "APPEND": lambda m, _: m._append([m._pop()]),
    "APPENDS": lambda m, _: m._append(m._pop_to_mark()),
    "ADDITEMS": lambda m, _: m._append(m._pop_to_mark()),
    "SETITEM": lambda m, _: m._set_item(),
    "SETITEMS": lambda m, _: m._set_items(),
    "GLOBAL": lambda m, names: m._push(m._named(*names.split(" ", 1))),
    "STACK_GLOBAL": lambda m, _: m._name(),
    "REDUCE": lambda m, _: m._call(),
    "NEWOBJ": lambda m, _: m._call(),
    "BUILD": lambda m, _: m._build(),
    "BINPERSID": lambda m, _: m._push(m._vocabulary.persistent(m._pop())),
}
