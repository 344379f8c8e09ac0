"""The bank: vectors worth seeing, each with what it shows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from visualizer import weights
from visualizer.errors import UserError
from visualizer.latent.groups import GROUPS

ARRAYS = ("codes", "classes", "probability", "steps", "looks")


@dataclass(frozen=True)
class Bank:
    """n vectors worth seeing.

    codes: [n, 4096] float32. classes: [n] int64, ImageNet class numbers, -1 for none.
    labels: n names. probability: [n] float32, the classifier's for the class, 0..1.
    steps: [n] int64, steps of ascent that led there. looks: [n, 32] float32, the classifier's view of the
    pictures in few dimensions: similar pictures lie close.
    """

    codes: np.ndarray
    classes: np.ndarray
    labels: tuple[str, ...]
    probability: np.ndarray
    steps: np.ndarray
    looks: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: Sequence[int] | np.ndarray) -> Bank:
        """The vectors of these positions."""
        labels = tuple(self.labels[i] for i in index)
        return Bank(labels=labels, **{name: getattr(self, name)[index] for name in ARRAYS})

    def choose(self, classes: Sequence[str] = (), groups: Sequence[str] = ()) -> Bank:
        """Only the vectors of these classes and groups together; all of them if none are named.

        Raises UserError for a class or group that the bank does not hold.
        """
        if not classes and not groups:
            return self
        wanted = {c for name in groups for c in GROUPS.get(name) or _unknown("group", name, GROUPS)}
        held = set(self.labels)
        for name in classes:
            if name not in held:
                _unknown("class", name, held)
        index = [
            i
            for i, (c, label) in enumerate(zip(self.classes, self.labels))
            if c in wanted or label in classes
        ]
        if not index:
            raise UserError(f"the bank holds nothing of the groups {', '.join(groups)}; name others.")
        return self.take(index)

    def save(self, path: Path | str, metadata: dict[str, str] | None = None) -> None:
        """Write a safetensors file. Raises UserError if it can't be written."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in ARRAYS}
        weights.save(path, "bank", tensors, {**(metadata or {}), "labels": "\n".join(self.labels)})

    @classmethod
    def load(cls, path: Path | str) -> Bank:
        """Read a file written by `save`. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "bank")
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        return cls(labels=tuple(metadata["labels"].split("\n")), **arrays)


def _unknown(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"near it are {', '.join(near)}" if near else f"there are {', '.join(sorted(known)[:12])} …"
    raise UserError(f"the bank holds no {kind} {name!r}; {hint}.")
