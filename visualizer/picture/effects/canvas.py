"""What a canvas is: it takes a picture, and gives the frame of a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

GRAIN_SHIFT = 61  # pixels by which the grain is moved about, instead of drawn anew


@dataclass(frozen=True, slots=True)
class Moment:
    """What is done to one picture.

    cos, sin: of the angle that the places looked at are turned by, times their scale. keep: how much of the
    trail stays, 0..1; drift: the scale of the places that it comes from. colours: [3, 3] float32, what every
    colour is multiplied by. vignette: how dark corners are, 0..1. grain: its standard deviation in codes.
    shift: where the grain is cut out, (top, left).
    """

    cos: float
    sin: float
    keep: float
    drift: float
    colours: np.ndarray
    vignette: float
    grain: float
    shift: tuple[int, int]


def centred(n: int) -> np.ndarray:
    """The middles of n pixels of a line as coordinates -1..1, [n] float32."""
    return ((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32)


@dataclass(frozen=True)
class Ground:
    """What a canvas is made for.

    size: of the pictures in pixels. places: [2, h, w] float32, x and y that each pixel of a frame looks at
    unless they are turned, in units of half the picture: centre 0, edge 1. bars: whether there is black
    beyond the edge, and not a reflection. noise: [h + GRAIN_SHIFT, w + GRAIN_SHIFT] float32, of standard
    deviation 1.
    """

    size: int
    places: np.ndarray
    bars: bool
    noise: np.ndarray

    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates -1..1 down and across a frame, [h] and [w] float32."""
        _, height, width = self.places.shape
        return centred(height), centred(width)


class Canvas(Protocol):
    """Frames of one shape, on one device. Trails live on it from frame to frame."""

    def compose(self, picture: torch.Tensor, moment: Moment) -> torch.Tensor:
        """A frame [h, w, 3] uint8 of a picture [s, s, 3] uint8; the first leaves a trail but shows none."""
        ...
