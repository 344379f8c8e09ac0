"""Held-out photos and others, by kind."""

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visualizer.common.errors import UserError
from visualizer.learning import pictures

TABLE = Path(__file__).with_name("kinds.toml")
# Other photos to compare with: so many of all, and at least so many of each kind where there are.
REFERENCE, KIND_REFERENCE = 1500, 300


class Photos(NamedTuple):
    """Photos and the kind of each."""

    paths: list[Path]
    kinds: np.ndarray

    def take(self, places: np.ndarray) -> "Photos":
        return Photos([self.paths[i] for i in places], self.kinds[places])


def sort(folders: list[Path], table: Path = TABLE) -> tuple[Photos, Photos]:
    """(held out, others) of all folders; the table is explained in tests/kinds.toml.

    Raises UserError if none is held out.
    """
    beginnings = {kind: tuple(starts) for kind, starts in tomllib.loads(table.read_text()).items()}
    rest = [*beginnings][-1]
    held: list[tuple[Path, str]] = []
    others: list[tuple[Path, str]] = []
    for folder in folders:
        training, held_out = pictures.split(pictures.find(folder))
        for into, paths in ((held, held_out), (others, training)):
            for path in paths:
                name = f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}"
                fitting = (kind for kind, starts in beginnings.items() if name.startswith(starts))
                into.append((path, next(fitting, rest)))
    if not held:
        raise UserError(f"{', '.join(map(str, folders))}: fewer than 20 pictures, so none is held out.")
    return _photos(held), _photos(others)


def _photos(rows: list[tuple[Path, str]]) -> Photos:
    return Photos([path for path, _ in rows], np.array([kind for _, kind in rows]))


def reference(others: Photos, rng: np.random.Generator) -> Photos:
    """Photos to compare with; the first 1500 stand for all kinds together."""
    order = rng.permutation(len(others.paths))
    chosen = list(order[:REFERENCE])
    for kind in dict.fromkeys(others.kinds):
        missing = KIND_REFERENCE - int((others.kinds[chosen] == kind).sum())
        chosen += [i for i in order[REFERENCE:] if others.kinds[i] == kind][: max(0, missing)]
    return others.take(np.array(chosen))


def short_side(path: Path) -> int:
    """Of a photo, in pixels."""
    with Image.open(path) as image:
        return min(image.size)
