"""Gathering poses from pictures: whole people, each pose once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from visualizer.common.errors import UserError
from visualizer.common.files import shown
from visualizer.latent import body
from visualizer.latent.poses import Poses
from visualizer.learning.finding.finder import Finder, Found
from visualizer.learning.finding.skeletons import draw
from visualizer.learning.photo import try_read_whole
from visualizer.learning.pictures import Photos

# Pictures are looked at in this size at most, and kept in another for the sheet.
LONGEST, TILE = 1024, 192
# A person smaller than this is not seen well enough, in pixels.
SMALLEST = 72
# Main points must lie in the picture, and be seen on average so well.
INSIDE, SEEN = 0.4, 0.5
# Two poses are doubles whose bones point so nearly the same ways, in degrees on average.
DOUBLE = 5.0


@dataclass
class Gathered:
    """What came of it. cut, small, doubles: people left out; empty: pictures without anybody; skipped: no
    pictures.

    tiles: thumbnails [h, w, 3] uint8 of each pose's picture around the person, its skeleton drawn over it.
    """

    found: list[Found] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    tiles: list[np.ndarray] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    cut: int = 0
    small: int = 0
    doubles: int = 0
    empty: int = 0

    def poses(self) -> Poses:
        """The bank."""
        columns = ((f.points, f.visibility, f.space) for f in self.found)
        points, visibility, space = (np.stack(column) for column in zip(*columns))
        return Poses(points, visibility, space, np.array(self.sizes, np.int64), tuple(self.names))

    def report(self) -> str:
        """A clause that counts what was left out."""
        counts = (
            (self.cut, "cut off at the edge or hidden"),
            (self.small, "too small"),
            (self.doubles, "doubles"),
        )
        left_out = ", ".join(f"{n} {what}" for n, what in counts if n)
        clauses = [f"left out: {left_out}"] if left_out else []
        if self.empty:
            clauses.append(f"nobody in {self.empty} picture{'s' * (self.empty > 1)}")
        return "; ".join(clauses)


def gather(photos: Sequence[Path], finder: Finder, progress: bool = True) -> tuple[Gathered, bool]:
    """(whole people in photos, files or folders; whether Ctrl-C ended it early).

    Raises UserError if there are none.
    """
    pictures = Photos(photos)
    gathered, interrupted = Gathered(skipped=pictures.skipped), False
    codes = np.empty((0, body.POSE_DIM), np.float32)
    try:
        for path, picture, people in looked_through(pictures, finder, progress):
            gathered.empty += not people
            for person in people:
                codes = _add(gathered, person, picture, path, codes)
    except KeyboardInterrupt:
        if not gathered.found:
            raise
        interrupted = True
    if not gathered.found:
        why = gathered.report() or "none can be read"
        raise UserError(
            f"{pictures.called}: no whole person in {len(pictures)} pictures ({why}); "
            f"give pictures of people from head to feet."
        )
    return gathered, interrupted


def looked_through(
    pictures: Photos, finder: Finder, progress: bool
) -> Iterator[tuple[Path, np.ndarray, list[Found]]]:
    """Each picture [h, w, 3] uint8, made smaller if it is large, and the people in it."""
    for path, picture in pictures.each(partial(try_read_whole, longest=LONGEST), "finding people", progress):
        yield path, picture, finder.find(picture)


def _add(gathered: Gathered, person: Found, picture: np.ndarray, path: Path, codes: np.ndarray) -> np.ndarray:
    """Keep a person, if whole, and no double of the others' codes; returns codes with the new one's."""
    height, width = picture.shape[:2]
    if not whole(person, width, height):
        gathered.cut += 1
        return codes
    if np.ptp(person.points[:, :2], axis=0).max() < SMALLEST:
        gathered.small += 1
        return codes
    code = body.encode(person.space[None])
    if len(codes) and apart(codes, code).min() < DOUBLE:
        gathered.doubles += 1
        return codes
    gathered.found.append(person)
    gathered.sizes.append((width, height))
    gathered.names.append(shown(path.name))
    gathered.tiles.append(draw(picture, person.points, person.visibility, TILE))
    return np.concatenate([codes, code])


def whole(person: Found, width: int, height: int) -> bool:
    """Whether a person's limbs are in a picture of this size, and not too many hidden."""
    points = person.points[list(body.MAIN), :2] / (width, height)
    within = (points > 0).all() and (points < 1).all() and person.inside[list(body.MAIN)].min() >= INSIDE
    return bool(within and person.visibility[list(body.MAIN)].mean() >= SEEN)


def apart(codes: np.ndarray, code: np.ndarray) -> np.ndarray:
    """[n] degrees between the bones of pose vectors [n, POSE_DIM] and of one [1, POSE_DIM], on average."""
    ways, other = (c[:, : body.N_DIRECTIONS].reshape(len(c), -1, 3) for c in (codes, code))
    return np.degrees(np.arccos(np.clip((ways * other).sum(2), -1, 1))).mean(1)
