"""People cut out of photos: each with its pixels and points, placed another way each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common.errors import UserError
from visualizer.learning.finding.finder import Finder, Found
from visualizer.learning.finding.gathering import SMALLEST, looked_through, whole
from visualizer.learning.pictures import HELD_OUT_EVERY, Photos
from visualizer.neural.generator import PICTURE_SIZE

MIN_PEOPLE = 20
# The square that is kept around a person: pixels, and the person's extent in it.
CANVAS, FILLED = 384, 1 / 1.9
# The person's extent in the picture, its turn in radians, and how far it leaves the middle, in parts of what
# room there is.
EXTENT, TURN, AWAY = (0.58, 0.86), 0.17, 0.7
# A mask with less than this of the person's square is none.
LEAST_MASK = 0.04
# The same points in a mirror.
MIRRORED = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(n + (1 if n % 2 else -1) for n in range(11, 33))]


class People:
    """Whole people of photos, kept in memory (590 kB each)."""

    def __init__(self, photos: Sequence[Path], finder: Finder, progress: bool = True):
        """photos: files and folders. Raises UserError if there are fewer than 20 people in them."""
        pictures = Photos(photos)
        kept = [
            _canvas(person, picture)
            for _, picture, people in looked_through(pictures, finder, progress)
            for person in people
            if self._good(person, picture)
        ]
        if len(kept) < MIN_PEOPLE:
            raise UserError(
                f"{pictures.called}: {len(kept)} whole people in {len(pictures)} pictures; at least "
                f"{MIN_PEOPLE} are needed, seen from head to feet."
            )
        self._pictures, self._masks, self._points = (torch.stack(column) for column in zip(*kept))
        rows = torch.arange(len(kept))
        held_out = rows % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        self.training, self.held_out = rows[~held_out], rows[held_out]

    @staticmethod
    def _good(person: Found, picture: np.ndarray) -> bool:
        extent = float(np.ptp(person.points[:, :2], axis=0).max())
        height, width = picture.shape[:2]
        return (
            whole(person, width, height)
            and extent >= SMALLEST
            and float(person.mask.sum()) > LEAST_MASK * extent * extent
        )

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(
        self, n: int, rng: np.random.Generator, rows: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """n people at random: pictures [n, 3, 256, 256] in 0..1, masks [n, 1, 256, 256] and points [n, 33,
        3], in parts of the picture. rows: these instead, upright and in the middle."""
        plain = rows is not None
        if rows is None:
            rows = self.training[torch.from_numpy(rng.integers(0, len(self.training), n))]
        points = self._points[rows]
        low, high = points[:, :, :2].amin(1), points[:, :, :2].amax(1)
        extent = (high - low).amax(1)
        draws = torch.from_numpy(rng.random((5, len(rows)), np.float32))
        if plain:
            draws = torch.full_like(draws, 0.5)
        side = extent / (EXTENT[0] + (EXTENT[1] - EXTENT[0]) * draws[0])
        turn = TURN * (2 * draws[1] - 1)
        mirror = draws[2] > 0.5
        centre = (low + high) / 2 + AWAY * ((side - extent) / 2)[:, None] * (2 * draws[3:] - 1).T
        sign = torch.where(mirror, -1.0, 1.0)
        cos, sin = turn.cos(), turn.sin()
        turned = torch.stack([torch.stack([cos * sign, -sin], 1), torch.stack([sin * sign, cos], 1)], 1)
        turned = turned * side[:, None, None]
        place = torch.cat([turned, (2 * centre - 1)[:, :, None]], 2)
        grid = F.affine_grid(place, [len(rows), 1, PICTURE_SIZE, PICTURE_SIZE], align_corners=False)
        pictures, masks = (
            F.grid_sample(kept[rows].float() / 255, grid, padding_mode=outside, align_corners=False)
            for kept, outside in ((self._pictures, "border"), (self._masks, "zeros"))
        )
        back = torch.linalg.inv(turned)
        flat = torch.einsum("nij,nkj->nki", back, points[:, :, :2] - centre[:, None]) + 0.5
        moved = torch.cat([flat, points[:, :, 2:] / side[:, None, None]], 2)
        return pictures, masks, torch.where(mirror[:, None, None], moved[:, MIRRORED], moved)


def _canvas(person: Found, picture: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A square around a person, [3, 384, 384] uint8, its mask [1, 384, 384] uint8 and points [33, 3] in
    parts of it, their depths those of space."""
    height, width = picture.shape[:2]
    flat = person.points[:, :2].astype(np.float64)
    low, high = flat.min(0), flat.max(0)
    side, centre = float((high - low).max()) / FILLED, (low + high) / 2
    place = torch.tensor(
        [[[side / width, 0, 2 * centre[0] / width - 1], [0, side / height, 2 * centre[1] / height - 1]]]
    ).float()
    grid = F.affine_grid(place, [1, 1, CANVAS, CANVAS], align_corners=False)
    image = torch.tensor(picture).permute(2, 0, 1)[None].float()
    mask = torch.from_numpy(person.mask)[None, None] * 255
    images = F.grid_sample(image, grid, "bicubic", "border", align_corners=False).clamp(0, 255)
    masks = F.grid_sample(mask, grid, padding_mode="zeros", align_corners=False)
    points = np.empty((len(flat), 3))
    points[:, :2] = (flat - (centre - side / 2)) / side
    # Metres to parts of the square: as they are in the plane of the picture.
    there, space = (p[:, :2] - p[:, :2].mean(0) for p in (points, person.space))
    points[:, 2] = person.space[:, 2] * (there * space).sum() / np.square(space).sum()
    return images[0].to(torch.uint8), masks[0].to(torch.uint8), torch.from_numpy(points).float()
