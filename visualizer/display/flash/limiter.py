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
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from visualizer.display.flash.grid import Grid, joined
from visualizer.display.flash.input import BUSY_TILE, Input
from visualizer.display.flash.room import room, spread
from visualizer.display.flash.watch import Look, Watch

# What is to be compressed comes out changed: the rule is tightened by this part, so that it still
# holds then.
FILE_MARGIN = 0.16
ATTEMPTS = 3


@dataclass
class _Past:
    """What was shown in frames of one size on one device, and how it is watched."""

    grid: Grid
    watch: Watch
    input: Input
    # The last frame shown: itself, its grid, and while limited its unrounded linear light.
    shown: torch.Tensor | None = None
    last: torch.Tensor | None = None
    light: torch.Tensor | None = None


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
        if past is None:
            return frame
        grid = past.grid
        light: list[torch.Tensor] = []
        blended: list[torch.Tensor] = []

        def show(weights: np.ndarray) -> torch.Tensor:
            light[:] = light or grid.lights(frame)
            *blended[:], linear = _blend(past, light, weights)
            return linear

        if past.input.held:
            light = grid.lights(frame)
        linear = joined([grid.pool(band) for band in light]) if light else grid.measure(frame)
        held = self._step(past, linear, dt, show) is not None
        shown, past.light = blended if held else (frame, None)
        past.shown = shown
        return shown

    def _begin(self, size: tuple[int, int], device: torch.device, dt: float) -> _Past | None:
        """What is known of such frames, which may be nothing yet; None if they are not to be limited."""
        if not (math.isfinite(dt) and dt >= 0):
            raise ValueError(f"dt is {dt}; it is the time in seconds since the last frame, 0 or more")
        past = self._past
        if not self.enabled or past is None or past.grid.size != size or past.grid.device != device:
            self.reset()
            if self.enabled:
                grid = Grid(*size, device)
                self._past = _Past(grid, Watch(grid, self.margin), Input(grid))
        return self._past

    def _step(
        self, past: _Past, linear: torch.Tensor, dt: float, show: Callable[[np.ndarray], torch.Tensor]
    ) -> np.ndarray | None:
        """Accept the next frame: the weights by tile to show it with, None for all of it.

        show: makes the blend with given weights and returns its grid. What it made last was accepted.
        """
        watch, source, self.held = past.watch, past.input, 0.0
        watch.advance(dt)
        seen = watch.look(linear)
        if not source.held:
            if seen.ok:
                source.count((kind.recent.tiles for kind in seen.kinds if kind.recent is not None), dt)
                watch.accept(seen)
                past.last = linear
                return None
            source.hold(watch)
        cap = source.follow(seen.light, None if seen.ok else watch.bad_tiles(seen, BUSY_TILE), dt)
        if seen.ok and cap.min() == 1 and not source.hostile.any():
            weights, shown, accepted = np.ones_like(cap), linear, seen
        else:
            weights, shown, accepted = _fit(past, linear, seen, cap, show)
        watch.accept(accepted)
        past.last = shown
        # Tiles that have caught up with a calm input are limited no more.
        source.limited &= (cap < 1) | (ndimage.minimum_filter(weights, 3) < 1)
        self.held = float((1 - weights).mean())
        if self.held > 0:
            return weights
        if not source.limited.any():
            source.let_go()
        return None


def _fit(
    past: _Past, linear: torch.Tensor, seen: Look, cap: np.ndarray, show: Callable[[np.ndarray], torch.Tensor]
) -> tuple[np.ndarray, torch.Tensor, Look]:
    """(weights by tile, the blend's grid, what showing it does): the rule holds."""
    assert past.last is not None
    watch, hostile = past.watch, past.input.hostile
    tiles, bad, fail = cap, np.zeros_like(hostile), seen
    for _ in range(ATTEMPTS):
        tiles = np.minimum(tiles, room(watch, past.last, linear, seen, fail, hostile))
        tiles[bad] = 0
        weights = spread(tiles)
        shown = show(weights)
        looked = watch.look(shown)
        if looked.ok:
            return weights, shown, looked
        # A place that breaks the rule in spite of what was calculated stays as it is.
        if fail is not seen:
            bad |= watch.bad_tiles(looked, BUSY_TILE)
        fail = looked
    weights = np.zeros_like(weights)
    shown = show(weights)
    return weights, shown, watch.look(shown)


def _blend(
    past: _Past, light: list[torch.Tensor], weights: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The last frame moved towards the light of the next, given in bands.

    Returns ([h, w, 3] uint8, its light before rounding [3, h, w], its grid).
    """
    grid, last, last_light = past.grid, past.shown, past.light
    assert last is not None
    alpha = grid.between(weights, pixels=True)
    shown = torch.empty_like(last)
    blend = torch.empty(3, *grid.size, device=grid.device)

    def work(rows: slice, goal: torch.Tensor) -> torch.Tensor:
        before = grid.light(last[rows]) if last_light is None else last_light[:, rows]
        torch.lerp(before, goal, alpha[rows], out=blend[:, rows])
        codes, rounded = grid.round(blend[:, rows])
        torch.stack(tuple(codes), -1, out=shown[rows])  # faster than copying it permuted
        return grid.pool(rounded)

    return shown, blend, joined(grid.by_bands(work, light))
