"""Skeletons, drawn for people to see what was found."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from visualizer.latent import body
from visualizer.latent.poses import Poses
from visualizer.learning.sheet import contact_sheet

# Left is warm, right is cold, the middle is light.
LEFT, RIGHT, MIDDLE = (255, 150, 60), (70, 170, 255), (240, 240, 225)
GROUND = (24, 24, 24)
HIDDEN = 0.4
# The person fills so much of a tile.
FILLED = 0.75
COLUMNS = 12


def draw(picture: np.ndarray, points: np.ndarray, visibility: np.ndarray, size: int) -> np.ndarray:
    """A square [size, size, 3] uint8 around a person in a picture [h, w, 3], the skeleton over it.

    points: [33, 3] pixels; visibility: [33].
    """
    left, top, side = _square(points)
    tile = Image.fromarray(picture).transform(
        (size, size), Image.Transform.EXTENT, (left, top, left + side, top + side), Image.Resampling.BICUBIC
    )
    return _over(tile, points, visibility)


def _square(points: np.ndarray) -> tuple[float, float, float]:
    """Left, top and side of what is shown of points [33, 3]."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    side = max(1.0, float((high - low).max())) / FILLED
    return (*(low + high - side) / 2, side)


def _over(tile: Image.Image, points: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """The skeleton over a tile that shows the square around its points."""
    left, top, side = _square(points)
    flat, size = points[:, :2] - (left, top), tile.width
    skeleton(ImageDraw.Draw(tile), flat * size / side, visibility, max(2, size // 64))
    return np.asarray(tile)


def skeleton(canvas: ImageDraw.ImageDraw, flat: np.ndarray, visibility: np.ndarray, width: int) -> None:
    """Draw the bones of points [33, 2]; what was hidden is thin."""
    for bone in body.BONES:
        sides = {point % 2 for point in (*bone.start, *bone.end)}
        both = len(bone.start) > 1 or bone.name in ("hips", "shoulders", "ears")
        colour = MIDDLE if both else LEFT if sides == {1} else RIGHT
        start, end = (flat[list(ends)].mean(0) for ends in (bone.start, bone.end))
        if bone.name in ("hips", "shoulders", "ears"):  # the other half as well
            start = 2 * start - end
        seen = visibility[[*bone.start, *bone.end]].min() >= HIDDEN
        canvas.line([*start, *end], colour, width if seen else max(1, width // 2))


def sheet(tiles: list[np.ndarray], names: tuple[str, ...]) -> Image.Image:
    """All tiles on one page, above the names of their pictures."""
    columns = min(COLUMNS, len(tiles))
    return contact_sheet(np.stack(tiles), list(names), columns, len(tiles[0]))


def of_poses(poses: Poses, size: int = 128) -> Image.Image:
    """The skeletons of a bank of poses, as they were in their pictures."""
    tiles = [
        _over(Image.new("RGB", (size, size), GROUND), points, visibility)
        for points, visibility in zip(poses.points.astype(np.float64), poses.visibility)
    ]
    return sheet(tiles, poses.pictures)
