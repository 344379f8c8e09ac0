"""The bank of poses: how people held themselves in still pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent import body

# Of each person.
SHAPES = {
    "points": (body.N_POINTS, 3),
    "visibility": (body.N_POINTS,),
    "space": (body.N_POINTS, 3),
    "sizes": (2,),
}
ARRAYS = tuple(SHAPES)


@dataclass(frozen=True)
class Poses:
    """n poses.

    points: [n, 33, 3] float32, pixels from the picture's left and top, and depth on the same scale.
    visibility: [n, 33] float32, how likely each was seen, 0..1. space: [n, 33, 3] float32, metres from the
    middle of the hips, to the right, down and away. sizes: [n, 2] int64, width and height of the picture.
    pictures: n names of files.
    """

    points: np.ndarray
    visibility: np.ndarray
    space: np.ndarray
    sizes: np.ndarray
    pictures: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def codes(self) -> np.ndarray:
        """[n, POSE_DIM] float32: points of pose space; see `body`."""
        return body.encode(self.space)

    @property
    def looks(self) -> np.ndarray:
        """[n, k] float32: similar poses lie close."""
        return self.codes[:, : body.N_DIRECTIONS]

    def take(self, index: Sequence[int] | np.ndarray) -> Poses:
        """The poses of these positions."""
        pictures = tuple(self.pictures[i] for i in index)
        return Poses(pictures=pictures, **{name: getattr(self, name)[index] for name in ARRAYS})

    def save(self, path: Path | str, metadata: dict[str, str] | None = None) -> None:
        """Write a safetensors file. Raises UserError if it can't be written."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in ARRAYS}
        weights.save(path, "poses", tensors, {**(metadata or {}), "pictures": "\n".join(self.pictures)})

    @classmethod
    def load(cls, path: Path | str) -> Poses:
        """Read a file written by `save`. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "poses")
        if any(name not in tensors for name in ARRAYS):
            raise UserError(f"{path} is a bank of poses of another version; make it again with this one.")
        arrays = {name: tensors[name].numpy() for name in ARRAYS}
        pictures = tuple(metadata.get("pictures", "").split("\n"))
        for name, array in arrays.items():
            if array.shape != (len(pictures), *SHAPES[name]):
                raise weights.damaged(path, "bank of poses", f"{name} are not of {len(pictures)} people")
        weights.check_numbers(path, "bank of poses", arrays)
        return cls(pictures=pictures, **arrays)
