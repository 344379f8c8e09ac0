"""Which of the two shipped generators draws: *light* keeps up anywhere, *grand* makes better pictures.

Both draw the same codes, so that one can go on where the other stops.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common import assets
from visualizer.neural import generators
from visualizer.neural.generators import AnyGenerator
from visualizer.neural.inference import Painter, Painting, pictures_a_second

Quality = Literal["light", "grand"]
FILES: dict[Quality, str] = {"light": "generator.safetensors", "grand": "grand.safetensors"}

# A frame's time on most displays.
FRAME_S = 1 / 60
# What a picture may take of a frame's time, so that a third is to spare.
LIVE_SHARE = 2 / 3
# A video is painted with grand where that goes on at least so fast, in times of its own length.
SLOWEST = Fraction(1, 2)
TRIALS = 5
# Grand takes so many times as long as light at the least; where that is too long, it need not be tried.
LEAST_TIMES = 2
# So many pictures in a row tell that the machine has become slower than the screen.
PATIENCE = 90
# Pictures over which one generator's become the other's.
CROSSFADE = 30


def file(quality: Quality) -> Path:
    """The file of a shipped generator."""
    return assets.model(FILES[quality])


def networks(light: AnyGenerator) -> Callable[[Quality], AnyGenerator]:
    """Gives the shipped generator of a quality, and reads it once. light: that one, which is read already."""
    return cache(lambda quality: light if quality == "light" else generators.load(file(quality)))


def for_video(
    asked: str, make: Callable[[Quality], Painter], codes: np.ndarray, fps: Fraction
) -> tuple[Painter, Quality]:
    """The painter for a file, and its quality.

    asked: "auto", "light" or "grand". make: a painter of a quality. codes: [n, d], a batch as it will be.
    """
    if asked == "light":
        return make("light"), "light"
    grand = make("grand")
    if asked == "grand" or pictures_a_second(grand, codes, TRIALS) >= fps * SLOWEST:
        return grand, "grand"
    return make("light"), "light"


class StagePainter:
    """Paints a show: with grand where it holds the frame rate, and as long as it does, else with light.

    quality: which of them paints now; where light takes grand's place, one goes over into the
    other within some pictures.
    """

    def __init__(self, asked: str, make: Callable[[Quality], Painting], code: np.ndarray, period: float):
        """asked: "auto", "light" or "grand". make: a painter of a quality. code: [1, d], to try them with.
        period: seconds from frame to frame."""
        self._period = period
        self._took: deque[float] = deque(maxlen=PATIENCE)
        self._light: Painting | None = None
        self._leaving: Painting | None = None
        self._left = 0
        self.quality: Quality = "grand"
        if asked == "grand":
            self._painter = make("grand")
            self._painter(code, code)  # the first one takes long
            return
        self._light = self._painter = make("light")
        most, self.quality = LIVE_SHARE * period, "light"
        took = 1 / pictures_a_second(self._light, code, TRIALS)
        if asked == "light" or LEAST_TIMES * took > most:
            return
        grand = make("grand")
        if 1 / pictures_a_second(grand, code, TRIALS) <= most:
            self._painter, self.quality = grand, "grand"

    def __call__(self, shape: np.ndarray, matter: np.ndarray) -> np.ndarray | torch.Tensor:
        """See `inference.Painter`."""
        pictures, leaving = self._painter(shape, matter), self._leaving
        if leaving is None:
            return pictures
        self._left -= 1
        if self._left <= 0:
            self._leaving = None
        before, after = (torch.as_tensor(p) for p in (leaving(shape, matter), pictures))
        if before.device != after.device:
            return pictures
        before = _sized(before.float(), after.shape[1])
        return torch.lerp(after.float(), before, self._left / CROSSFADE).add_(0.5).to(torch.uint8)

    def watch(self, took: float) -> bool:
        """Note what a picture took, in seconds; True if that has come to be too long, and light goes on."""
        self._took.append(took)
        if self.quality == "light" or self._light is None or len(self._took) < PATIENCE:
            return False
        if statistics.median(self._took) <= self._period:
            return False
        self._left, self._leaving = CROSSFADE, self._painter
        self._painter, self.quality = self._light, "light"
        return True


def _sized(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """Square pictures [n, h, h, 3] in another size."""
    if pictures.shape[1] == size:
        return pictures
    return F.interpolate(pictures.permute(0, 3, 1, 2), size, mode="area").permute(0, 2, 3, 1)
