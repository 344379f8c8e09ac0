"""What the pickles of StyleGAN's authors hold, as plain data: tensors, arrays, and objects that are a name
and a state."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from visualizer.learning.importing.machine import Budget, Machine, Named, Refused, check_key

# torch's first format for storages: five pickles, of which the fourth is the storage, and then its numbers.
STORAGE_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
NUMPY_KINDS = "biuf"


@dataclass
class Part:
    """An object of a class of theirs: the class's name, and its fields."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        """Whether it has a part of this name."""
        return isinstance(self._table("_modules").get(name), Part)

    def part(self, name: str) -> Part:
        """A part of it. Raises Refused if it has none of this name."""
        found = self._table("_modules").get(name)
        if not isinstance(found, Part):
            raise Refused(f"its {self.kind} lacks the part {name!r}")
        return found

    def has_tensor(self, name: str) -> bool:
        """Whether it has a parameter or buffer of this name."""
        return any(isinstance(self._table(table).get(name), Tensor) for table in ("_parameters", "_buffers"))

    def tensor(self, name: str, *shape: int | None) -> torch.Tensor:
        """A parameter or buffer, in float32.

        shape: what it must have; None stands for any size. Raises Refused if it is missing, of another shape,
        or holds what is no number.
        """
        for table in ("_parameters", "_buffers"):
            found = self._table(table).get(name)
            if isinstance(found, Tensor):
                values = found.values()
                if values.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, values.shape)):
                    raise Refused(f"the {name!r} of its {self.kind} has the shape {tuple(values.shape)}")
                if not torch.isfinite(values).all():
                    raise Refused(f"the {name!r} of its {self.kind} holds what is no finite number")
                return values
        raise Refused(f"its {self.kind} lacks the tensor {name!r}")

    def field(self, name: str, *kinds: type) -> Any:
        """A field of one of these types. Raises Refused if it isn't there or is something else."""
        value = self.state.get(name)
        if isinstance(value, Array):
            value = value.numbers().tolist()
        if type(value) not in kinds:
            raise Refused(f"its {self.kind} has no proper {name!r}")
        return value

    def _table(self, name: str) -> dict:
        table = self.state.get(name)
        return table if isinstance(table, dict) else {}


@dataclass(frozen=True)
class Storage:
    """The numbers that tensors look at, [n]."""

    numbers: np.ndarray


@dataclass(frozen=True)
class Tensor:
    """A look at a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def values(self) -> torch.Tensor:
        """Its numbers in float32, contiguous. Raises Refused if it looks past its storage's end."""
        numbers = self.storage.numbers
        counts = (self.offset, *self.size, *self.stride)
        if len(self.size) != len(self.stride) or any(type(n) is not int or n < 0 for n in counts):
            raise Refused("it has a tensor of an impossible shape")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride))
        # One that shows its numbers several times could fill the memory.
        if not 0 < math.prod(self.size) <= len(numbers) or last >= len(numbers):
            raise Refused("it has a tensor that is larger than its storage")
        steps = [step * numbers.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, steps, writeable=False)
        return torch.from_numpy(np.array(view, np.float32, order="C"))


@dataclass
class NumberType:
    """numpy's dtype: its code, like "f8", and how its bytes are ordered."""

    code: str
    order: str = "<"

    def dtype(self) -> np.dtype:
        """Raises Refused if it isn't one of plain numbers."""
        if self.code[:1] not in NUMPY_KINDS or self.code[1:] not in ("1", "2", "4", "8"):
            raise Refused("it has an array of something else than numbers")
        return np.dtype((self.order if self.order in "<>" else "=") + self.code)


@dataclass
class Array:
    """A numpy array, which gets its numbers after it was made."""

    _numbers: np.ndarray | None = None

    def fill(self, shape: Any, kind: Any, fortran: Any, raw: Any) -> None:
        """Raises Refused if they don't belong together."""
        plain = isinstance(kind, NumberType) and isinstance(raw, bytes | bytearray)
        if not plain or not isinstance(shape, tuple):
            raise Refused("it has an array of something else than numbers")
        flat = np.frombuffer(raw, kind.dtype())
        self._numbers = flat.reshape(shape, order="F" if fortran else "C")

    def numbers(self) -> np.ndarray:
        """Raises Refused if it got none."""
        if self._numbers is None:
            raise Refused("it has an array without numbers")
        return self._numbers


class Words:
    """The names that occur in honest files, and what they stand for here: a `Vocabulary`.

    Their programs keep a class as its source text with the object's fields; the text is looked at by nobody.
    """

    def call(self, machine: Machine, what: Named, arguments: tuple) -> Any:
        match f"{what.module.replace('numpy._core', 'numpy.core')}.{what.name}", arguments:
            case "torch_utils.persistence._reconstruct_persistent_obj", (dict() as meta,):
                kind, state = meta.get("class_name"), meta.get("state")
                if isinstance(kind, str) and isinstance(state, dict):
                    return Part(kind, state)
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", (
                Storage() as storage,
                int() as offset,
                tuple() as size,
                tuple() as stride,
                *_,
            ):
                return Tensor(storage, offset, size, stride)
            case "torch.storage._load_from_bytes", ((bytes() | bytearray()) as raw,):
                return read_storage(raw, machine.budget)
            case "collections.OrderedDict" | "dnnlib.util.EasyDict", ():
                return {}
            case "collections.OrderedDict", (list() as pairs,):
                machine.budget.charge(len(pairs))
                return {check_key(key): value for key, value in pairs}
            case "builtins.set" | "builtins.frozenset", (list() as items,):
                return items
            case "numpy.dtype", (str() as code, *_):
                return NumberType(code)
            case "numpy.core.multiarray.scalar", (NumberType() as kind, (bytes() | bytearray()) as raw):
                if len(raw) == kind.dtype().itemsize:
                    return np.frombuffer(raw, kind.dtype())[0].item()
            case "numpy.core.multiarray._reconstruct", (Named("numpy", "ndarray"), *_):
                return Array()
            case "numpy.core.numeric._frombuffer", ((bytes() | bytearray()) as raw, kind, shape, order):
                array = Array()
                array.fill(shape, kind, order == "F", raw)
                return array
            case "_codecs.encode", (str() as text, "latin1"):
                machine.budget.charge(len(text) // 64)
                return text.encode("latin1")
            case name, _:
                raise Refused(f"it calls for {name[:80]!r}, which no StyleGAN of its authors does")
        raise Refused(f"it calls {what.name!r} in a way that no StyleGAN of its authors does")

    def build(self, machine: Machine, made: Any, state: Any) -> None:
        match made, state:
            case NumberType(), (_, ("<" | ">" | "|" | "=") as order, *_):
                made.order = order
            case Array(), (_, shape, kind, fortran, raw):
                made.fill(shape, kind, fortran, raw)
            case dict(), dict():
                machine.budget.charge(len(state))
                made.update(state)
            case _:
                raise Refused("it gives a state to something that has none")

    def persistent(self, key: Any) -> Any:
        raise Refused("it refers to something outside of itself")


class StorageWords:
    """The names in the pickles of one storage; it is made of nothing else."""

    def call(self, machine: Machine, what: Named, arguments: tuple) -> Any:
        raise Refused(f"one of its tensors calls for {str(what)[:80]!r}, which no tensor does")

    def build(self, machine: Machine, made: Any, state: Any) -> None:
        raise Refused("one of its tensors is more than a tensor")

    def persistent(self, key: Any) -> Any:
        match key:
            case "storage", Named("torch", kind), _, _, int() as n, *_ if kind in STORAGE_DTYPES:
                return np.dtype(STORAGE_DTYPES[kind]), n
        raise Refused("one of its tensors has numbers of an unknown kind")


def read_storage(raw: bytes | bytearray, budget: Budget) -> Storage:
    """A storage as torch's first format writes it. Raises Refused if it is anything else."""
    file = io.BytesIO(raw)
    magic, _, system, storage, keys = (Machine(StorageWords(), budget).read(file) for _ in range(5))
    little = isinstance(system, dict) and system.get("little_endian") is True
    # Nothing but a persistent storage comes as this pair.
    if magic != STORAGE_MAGIC or not little or not isinstance(storage, tuple) or len(storage) != 2:
        raise Refused("one of its tensors is not written as torch writes them")
    dtype, n = storage
    start = file.tell() + 8  # behind the count of numbers, once more
    if not isinstance(dtype, np.dtype) or not isinstance(keys, list) or n < 0:
        raise Refused("one of its tensors is not written as torch writes them")
    if len(raw) - start != n * dtype.itemsize:
        raise Refused("one of its tensors has more or fewer numbers than it says")
    return Storage(np.frombuffer(raw, dtype, n, start))


def read(raw: bytes) -> Any:
    """The value of a pickle, as plain data. Raises Refused for what doesn't occur in honest files."""
    if raw.startswith(b"PK"):
        raise Refused("it is an archive, as newer torch programs save them")
    if not raw.startswith(b"\x80"):
        raise Refused("it is no pickle")
    budget = Budget()
    return Machine(Words(), budget).read(io.BytesIO(raw))
