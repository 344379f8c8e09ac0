"""Warping: a picture turned by quarters and laid onto four corners, as projectors need it.

Places are in parts of the window, 0..1, from its top left. The homography that takes the window's corners to
four others is the one of Heckbert, "Fundamentals of Texture Mapping and Image Warping" (1989), section 2.2.3.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from visualizer.common import settings

Corners = tuple[tuple[float, float], ...]
"""Top left, top right, bottom right and bottom left, each (x, y)."""
STRAIGHT: Corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
ROTATIONS = (0, 90, 180, 270)
# A corner may be dragged so far out of the window; the quadrilateral stays so convex.
OUTSIDE, LEAST = 0.5, 0.01
FILE = "screens.json"
# What a window shows of a picture that is turned clockwise: parts of the window to parts of the picture.
_TURNS = {
    0: np.eye(3),
    90: np.array([[0.0, 1, 0], [-1, 0, 1], [0, 0, 1]]),
    180: np.array([[-1.0, 0, 1], [0, -1, 1], [0, 0, 1]]),
    270: np.array([[0.0, -1, 1], [1, 0, 0], [0, 0, 1]]),
}


@dataclass(frozen=True)
class Warp:
    """How a picture lies in a window. rotation: degrees clockwise, a multiple of 90. corners: where the
    window's own corners come to lie."""

    rotation: int = 0
    corners: Corners = STRAIGHT

    @property
    def does_nothing(self) -> bool:
        """Whether the picture fills the window as it is."""
        return self == Warp()

    @property
    def on_its_side(self) -> bool:
        """Whether the picture is as high as the window is wide."""
        return self.rotation in (90, 270)

    def matrix(self) -> np.ndarray:
        """[3, 3] float64: parts of the window to parts of the picture, as homogeneous coordinates."""
        return _TURNS[self.rotation] @ np.linalg.inv(homography(self.corners))

    def seen_at(self, x: float, y: float) -> tuple[float, float]:
        """The place in the picture that is seen at a place in the window."""
        u, v, w = self.matrix() @ (x, y, 1.0)
        return (u / w, v / w) if w > 0 else (-1.0, -1.0)

    def moved(self, corner: int, x: float, y: float) -> Warp:
        """The same with a corner, 0 to 3, elsewhere; itself where it can't be, as it would fold the
        picture."""
        place = tuple(min(1 + OUTSIDE, max(-OUTSIDE, p)) for p in (x, y))
        corners = tuple(place if i == corner else c for i, c in enumerate(self.corners))
        moved = Warp(self.rotation, corners)  # type: ignore[arg-type]
        return moved if is_convex(moved.corners) else self


def homography(corners: Corners) -> np.ndarray:
    """[3, 3] float64: takes (0, 0), (1, 0), (1, 1), (0, 1) to four corners, as homogeneous coordinates."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area
    return np.array(
        [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1.0]]
    )


def is_convex(corners: Corners) -> bool:
    """Whether the corners go round once, clockwise, and no three of them lie nearly in a line."""
    for i in range(4):
        (x0, y0), (x1, y1), (x2, y2) = (corners[(i + n) % 4] for n in range(3))
        if (x1 - x0) * (y2 - y1) - (y1 - y0) * (x2 - x1) < LEAST:
            return False
    return True


# --- kept for each screen -----------------------------------------------------------------------------


def remembered(screen: str) -> Warp:
    """How pictures lie on a screen, by what it is called; as they are where nothing is known."""
    known: Any = settings.known(FILE).get(screen)
    with suppress(TypeError, ValueError, KeyError):
        corners = tuple((float(x), float(y)) for x, y in known["corners"])
        finite = all(math.isfinite(p) for corner in corners for p in corner)
        rotation = int(known["rotation"])
        if len(corners) == 4 and finite and is_convex(corners) and rotation in ROTATIONS:
            return Warp(rotation, corners)
    return Warp()


def remember(screen: str, warp: Warp) -> None:
    """Keep how pictures lie on a screen. Raises UserError if that can't be written."""
    kept = {"rotation": warp.rotation, "corners": warp.corners}
    settings.keep(FILE, settings.known(FILE) | {screen: kept})
