"""The bank: vectors worth seeing, each with what it shows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent import names
from visualizer.latent.groups import GROUPS

ARRAYS = ("codes", "classes", "probability", "judged", "ranks", "steps", "styles", "seeds", "looks")
TABLES = ("codes", "looks")  # with several numbers for each vector
STYLES = ("abstract", "balanced", "concrete")


@dataclass(frozen=True)
class Bank:
    """n vectors worth seeing.

    codes: [n, d] float32. classes: [n] int64, ImageNet class numbers, -1 for none.
    labels: n names. probability: [n] float32, the climbed classifier's for the class, 0..1.
    judged: [n] float32, the probability that the judge sees, which was never climbed.
    ranks: [n] int64, the place of the class among what the judge sees, 1 the first.
    steps: [n] int64, steps of ascent that led there. styles: [n] int64, places in `STYLES`.
    seeds: [n] int64, the seed of the dreaming that found it.
    looks: [n, k] float32, the judge's view of the pictures: similar pictures lie close.
    space: the mark of the generators that draw the codes; "" where it isn't known.
    """

    codes: np.ndarray
    classes: np.ndarray
    labels: tuple[str, ...]
    probability: np.ndarray
    judged: np.ndarray
    ranks: np.ndarray
    steps: np.ndarray
    styles: np.ndarray
    seeds: np.ndarray
    looks: np.ndarray
    space: str = ""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_classes(self) -> int:
        """How many classes there are; some share a label, as the bird and the machine called crane."""
        return len(np.unique(self.classes))

    def take(self, index: Sequence[int] | np.ndarray) -> Bank:
        """The vectors of these positions."""
        labels = tuple(self.labels[i] for i in index)
        return Bank(labels=labels, space=self.space, **{name: getattr(self, name)[index] for name in ARRAYS})

    def choose(
        self, classes: Sequence[str] = (), groups: Sequence[str] = (), styles: Sequence[str] = ()
    ) -> Bank:
        """Only the vectors of these classes and groups together, and of these styles; none named means all.

        Names are understood as `names.find` does. Raises UserError for what the bank does not hold.
        """
        chosen = np.ones(len(self), bool)
        if classes or groups:
            chosen = np.zeros(len(self), bool)
            for name in groups:
                chosen |= self._of_group(name)
            for name in classes:
                chosen |= self._of_class(name)
        for name in styles:
            if name not in STYLES:
                _unknown("style", name, STYLES)
        if styles:
            chosen &= np.isin(self.styles, [STYLES.index(name) for name in styles])
        if not chosen.any():
            what = ", ".join([*classes, *groups, *styles])
            raise UserError(f"the bank holds nothing that is {what}; name others.")
        return self if chosen.all() else self.take(np.flatnonzero(chosen))

    def _labelled(self, name: str) -> np.ndarray:
        """[n] bool: what has the name for its label."""
        wanted = names.key(name)
        return np.array([names.key(label) == wanted for label in self.labels])

    def _of_group(self, name: str) -> np.ndarray:
        """[n] bool: what is of a group's classes, or, as "paintings", of no class but that name."""
        known = names.group(name)
        if known is not None:
            return np.isin(self.classes, sorted(known))
        labelled = self._labelled(name)
        return labelled if labelled.any() else _unknown("group", name, {*GROUPS, *self._unclassed})

    @property
    def _unclassed(self) -> set[str]:
        """Labels that no class has."""
        return {label for label, number in zip(self.labels, self.classes) if number < 0}

    def _of_class(self, name: str) -> np.ndarray:
        """[n] bool: what has the name for its label, or else is of a class that it means."""
        labelled = self._labelled(name)
        if labelled.any():
            return labelled
        try:
            meant = np.isin(self.classes, names.find(name))
        except UserError:
            meant = labelled
        return meant if meant.any() else _unknown("class", name, set(self.labels))

    def save(self, path: Path | str, metadata: dict[str, str] | None = None) -> None:
        """Write a safetensors file. Raises UserError if it can't be written."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in ARRAYS}
        own = {"labels": "\n".join(self.labels), "space": self.space}
        weights.save(path, "bank", tensors, {**(metadata or {}), **own})

    @classmethod
    def load(cls, path: Path | str) -> Bank:
        """Read a file written by `save`. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "bank")
        missing = [name for name in ARRAYS if name not in tensors]
        if missing:
            raise UserError(
                f"{path} lacks {', '.join(missing)}, as banks of older versions do; dream or encode it again."
            )
        arrays = {name: tensors[name].numpy() for name in ARRAYS}
        labels = tuple(metadata.get("labels", "").split("\n"))
        for name, array in arrays.items():
            if array.shape[:1] != (len(labels),) or array.ndim != 1 + (name in TABLES):
                raise weights.damaged(path, "bank", f"{name} are not of {len(labels)} vectors")
        weights.check_numbers(path, "bank", arrays)
        return cls(labels=labels, space=metadata.get("space", ""), **arrays)


def _unknown(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"near it are {', '.join(near)}" if near else f"there are {', '.join(sorted(known)[:12])} …"
    raise UserError(f"the bank holds no {kind} {name!r}; {hint}.")
