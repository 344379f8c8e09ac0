"""The flash limiter: holds back just as much of a new frame as keeps flashing within the rule.

It follows what was really shown. A frame that would break the rule is blended with the frame
before, place by place, only as far as keeps cells from making the transition that is one too many.
The blend is in linear light, where it looks like light fading, and where its luminance, of a pixel
as of any mean of pixels, is exactly linear in its weight: a coarse grid can tell how far to go.

Showing the last frame again is always safe: it makes no transition, and the budgets are such that
time alone never exceeds them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.input import BUSY_TILE, Input
from visualizer.picture.flash.pixels import Pixels, make_pixels
from visualizer.picture.flash.room import room, spread
from visualizer.picture.flash.transitions import Light
from visualizer.picture.flash.watch import Look, Watch

# What is to be compressed comes out changed: the rule is tightened by this part, so that it still
# holds then.
FILE_MARGIN = 0.16
ATTEMPTS = 3


@dataclass
class _Past:
    """What was shown in frames of one size on one device, and how it is watched."""

    grid: Grid
    device: torch.device
    pixels: Pixels
    watch: Watch
    input: Input
    # Of the last frame shown.
    light: Light | None = None


class FlashLimiter:
    """Frames in, safe frames out: W3C WCAG 2.2 SC 2.3.1, general and red flashes, and sustained ones.

    A frame that keeps the rule comes out as it went in, the very same tensor. `held` tells how much
    of the last frame was held back (0..1, mean over the picture), `flashes` the worst count of
    flashes in the last second. The frame is taken to fill the screen, a 1024x768 view.
    """

    def __init__(self, enabled: bool = True, margin: float = 0.0):
        """margin: by what part to tighten the thresholds, 0..0.5; FILE_MARGIN for what will be compressed.

        Raises ValueError for other margins.
        """
        if not 0 <= margin <= 0.5:
            raise ValueError(f"margin {margin} is not in 0..0.5")
        self.enabled = enabled
        self.margin = margin
        self.reset()

    def reset(self) -> None:
        """Forget what was shown, as at the start."""
        self.held = 0.0
        self._past: _Past | None = None

    @property
    def flashes(self) -> float:
        """The most flashes, general or red, that any block or the picture made in the last second."""
        return 0.0 if self._past is None else self._past.watch.flashes()

    def __call__(self, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """The frame to show.

        frame: [h, w, 3] uint8 sRGB, CPU or CUDA. dt: seconds since the last frame was shown. What is
        returned may be `frame` itself, and is needed again: don't write to it. A frame of another
        size or device starts afresh. Raises ValueError for anything else.
        """
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is [h, w, 3] uint8, not {list(frame.shape)} {frame.dtype}")
        height, width, _ = frame.shape
        past = self._begin((height, width), frame.device, dt)
        return frame if past is None else self._limit(past, frame, dt)

    def _begin(self, size: tuple[int, int], device: torch.device, dt: float) -> _Past | None:
        """What is known of such frames, which may be nothing yet; None if they are not to be limited."""
        if not (math.isfinite(dt) and dt >= 0):
            raise ValueError(f"dt is {dt}; it is the time in seconds since the last frame, 0 or more")
        past = self._past
        if not self.enabled or past is None or past.grid.size != size or past.device != device:
            self.reset()
            if self.enabled:
                grid = Grid(*size)
                watch = Watch(grid, self.margin)
                self._past = _Past(grid, device, make_pixels(grid, device), watch, Input(grid))
        return self._past

    def _limit(self, past: _Past, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """Accept the next frame: what of it is shown."""
        watch, source, self.held = past.watch, past.input, 0.0
        watch.advance(dt)
        seen = watch.look(past.pixels.measure(frame))
        if seen.ok and not source.held:
            source.count([kind.recent.tiles for kind in seen.kinds if kind.recent is not None], dt)
            return _show(past, seen, frame)
        if not source.held:
            source.hold(watch)
        cap = source.follow(seen.light, None if seen.ok else watch.bad_tiles(seen, BUSY_TILE), dt)
        if seen.ok and cap.min() == 1 and not source.hostile.any():
            weights, accepted = np.ones_like(cap), seen
        else:
            weights, accepted = _fit(past, frame, seen, cap)
        # Tiles that have caught up with a calm input are limited no more.
        source.limited &= (cap < 1) | (ndimage.minimum_filter(weights, 3) < 1)
        self.held = float((1 - weights).mean())
        if self.held > 0:
            return _show(past, accepted, None)
        if not source.limited.any():
            source.let_go()
        return _show(past, accepted, frame)


def _show(past: _Past, accepted: Look, frame: torch.Tensor | None) -> torch.Tensor:
    """Go on from a frame that was looked at, or if that is None from the last blend; returns it."""
    past.watch.accept(accepted)
    past.light = accepted.light
    if frame is None:
        return past.pixels.show_blended()
    past.pixels.show(frame)
    return frame


def _fit(past: _Past, frame: torch.Tensor, seen: Look, cap: np.ndarray) -> tuple[np.ndarray, Look]:
    """(weights by tile, what showing the blend does): the rule holds.

    seen: what showing all of the frame would do; cap: the most weights by tile.
    """
    assert past.light is not None
    watch, hostile = past.watch, past.input.hostile
    tiles, bad, fail = cap, np.zeros_like(hostile), seen
    for _ in range(ATTEMPTS):
        tiles = np.minimum(tiles, room(watch, past.light, seen, fail, hostile))
        tiles[bad] = 0
        weights = spread(tiles)
        looked = watch.look(past.pixels.blend(frame, weights))
        if looked.ok:
            return weights, looked
        # A place that breaks the rule in spite of what was calculated stays as it is.
        if fail is not seen:
            bad |= watch.bad_tiles(looked, BUSY_TILE)
        fail = looked
    weights = np.zeros_like(weights)
    return weights, watch.look(past.pixels.blend(frame, weights))
