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

import numpy as np
import torch
from scipy import ndimage

from visualizer.display.flash_room import room, spread
from visualizer.display.flash_rule import Grid
from visualizer.display.flash_watch import Look, Watch

# What is to be compressed comes out changed: the rule is tightened by this part, so that it still
# holds then.
FILE_MARGIN = 0.16
# The same for blends that are rounded to 8 bits elsewhere, unseen: at most 0.0045 at either end of a step.
UNSEEN_MARGIN = 0.09
# While the input goes on flashing, what is shown follows its mean with this time constant (seconds).
SMOOTHING = 0.3
# A place is calm when its input made no transition for CALM seconds; then it catches up in RELEASE.
CALM = 0.26
RELEASE = 0.2
# A place makes a transition when this part of its cells does.
BUSY_TILE = 0.1
ATTEMPTS = 3


class FlashLimiter:
    """Frames in, safe frames out: W3C WCAG 2.2 SC 2.3.1, general and red flashes, and sustained ones.

    A frame that keeps the rule comes out as it went in, the very same tensor. `held` tells how much
    of the last frame was held back (0..1, mean over the picture), `flashes` the worst count of
    flashes in the last second. The frame is taken to fill the screen, a 1024x768 view.

    For a picture that is composed elsewhere (on a graphics card), `decide` alone does the thinking:
    it takes the candidate on a coarse grid and answers with the weights to blend it with.
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
        self._grid: Grid | None = None
        self._watch: Watch | None = None
        # The last frame shown: itself, its grid, and while limited its unrounded linear light.
        self._shown = self._last = self._light = None
        # Present while something is limited: the watch on the input, and by tile what is done.
        self._input: Watch | None = None

    @property
    def flashes(self) -> float:
        """The most flashes, general or red, that any block or the picture made in the last second."""
        return 0.0 if self._watch is None else self._watch.flashes()

    def __call__(self, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """The frame to show.

        frame: [h, w, 3] uint8 sRGB, CPU or CUDA. dt: seconds since the last frame was shown. What is
        returned may be `frame` itself, and is needed again: don't write to it. A frame of another
        size or device starts afresh. Raises ValueError for anything else.
        """
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is [h, w, 3] uint8, not {list(frame.shape)} {frame.dtype}")
        if not self._begin(tuple(frame.shape[:2]), frame.device, dt, self.margin):
            return frame
        blended: list[torch.Tensor] = []

        def show(weights: np.ndarray) -> torch.Tensor:
            *blended[:], linear = self._blend(frame, weights)
            return linear

        held = self._step(self._grid.measure(frame), dt, show) is not None
        self._shown, self._light = blended if held else (frame, None)
        return self._shown

    def decide(self, linear: torch.Tensor, dt: float) -> torch.Tensor:
        """How much of a candidate to show and where, [rows, columns] in 0..1, for [3, rows, columns].

        linear: the candidate frame averaged, in linear light, to a grid of at most 320x256 cells, RGB
        in 0..1; dt: seconds since the last frame was shown. The caller is to show
        last + alpha * (candidate - last) in linear light, alpha spread over the frame smoothly, and
        to keep that unrounded as the next `last`. The margin is UNSEEN_MARGIN or more, as the
        rounding that follows is not seen. Raises ValueError for a finer grid.
        """
        everything = torch.ones(linear.shape[1:], device=linear.device)
        margin = max(self.margin, UNSEEN_MARGIN)
        if not self._begin(tuple(linear.shape[1:]), linear.device, dt, margin):
            return everything
        if self._grid.factor > 1:
            raise ValueError(f"a grid of {list(linear.shape[1:])} is too fine: 320x256 cells at most")
        weights = self._step(linear, dt, lambda w: torch.lerp(self._last, linear, self._grid.between(w)))
        return everything if weights is None else self._grid.between(weights)

    def _begin(self, size: tuple[int, int], device: torch.device, dt: float, margin: float) -> bool:
        if not (math.isfinite(dt) and dt >= 0):
            raise ValueError(f"dt is {dt}; it is the time in seconds since the last frame, 0 or more")
        if not self.enabled or self._grid is None or self._grid.size != size or self._grid.device != device:
            self.reset()
            if self.enabled:
                self._grid = Grid(*size, device)
                self._watch = Watch(self._grid, margin)
        return self.enabled

    def _step(
        self, linear: torch.Tensor, dt: float, show: Callable[[np.ndarray], torch.Tensor]
    ) -> np.ndarray | None:
        """Accept the next frame: the weights by tile to show it with, None for all of it.

        show: makes the blend with given weights and returns its grid. What it made last was accepted.
        """
        watch, self.held = self._watch, 0.0
        watch.advance(dt)
        seen = watch.look(linear)
        if self._input is None:
            if seen.ok:
                watch.accept(seen)
                self._last = linear
                return None
            self._watch_input()
        cap, hostile = self._follow_input(dt, seen)
        if seen.ok and cap.min() == 1 and not hostile.any():
            weights, shown, accepted = np.ones_like(cap), linear, seen
        else:
            weights, shown, accepted = self._fit(linear, seen, cap, hostile, show)
        watch.accept(accepted)
        self._last = shown
        # Tiles that have caught up with a calm input are limited no more.
        self._limited &= (cap < 1) | (ndimage.minimum_filter(weights, 3) < 1)
        self.held = float((1 - weights).mean())
        if self.held > 0:
            return weights
        if not self._limited.any():
            self._input = None
        return None

    def _fit(
        self,
        linear: torch.Tensor,
        seen: Look,
        cap: np.ndarray,
        hostile: np.ndarray,
        show: Callable[[np.ndarray], torch.Tensor],
    ) -> tuple[np.ndarray, torch.Tensor, Look]:
        """(weights by tile, the blend's grid, what showing it does): the rule holds."""
        tiles, bad, fail = cap, np.zeros_like(hostile), seen
        for _ in range(ATTEMPTS):
            tiles = np.minimum(tiles, room(self._watch, self._last, linear, seen, fail, hostile))
            tiles[bad] = 0
            weights = spread(tiles)
            shown = show(weights)
            looked = self._watch.look(shown)
            if looked.ok:
                return weights, shown, looked
            # A place that breaks the rule in spite of what was calculated stays as it is.
            if fail is not seen:
                bad |= self._watch.bad_tiles(looked, BUSY_TILE)
            fail = looked
        weights = np.zeros_like(weights)
        shown = show(weights)
        return weights, shown, self._watch.look(shown)

    def _blend(self, frame: torch.Tensor, weights: np.ndarray) -> tuple[torch.Tensor, ...]:
        """The last frame moved towards `frame`: ([h, w, 3] uint8, its light before rounding, its grid)."""
        grid = self._grid
        alpha = grid.between(weights, pixels=True)
        shown, linear = torch.empty_like(frame), []
        light = torch.empty(3, *grid.size, device=grid.device)
        for rows in grid.bands():
            before = grid.light(self._shown[rows]) if self._light is None else self._light[:, rows]
            torch.lerp(before, grid.light(frame[rows]), alpha[rows], out=light[:, rows])
            codes, rounded = grid.round(light[:, rows])
            shown[rows] = codes.permute(1, 2, 0)
            linear.append(grid.pool(rounded))
        return shown, light, torch.cat(linear, 1)

    # --- what the input does while it is limited -------------------------------------------------

    def _watch_input(self) -> None:
        # Up to now the input was shown as it was: the watch on it starts from the same past.
        self._input = self._watch.fork()
        self._limited = np.zeros(self._grid.tiles, bool)
        self._hostile = np.zeros_like(self._limited)
        self._calm = np.zeros(self._grid.tiles, np.float32)
        self._released = np.zeros_like(self._calm)

    def _follow_input(self, dt: float, seen: Look) -> tuple[np.ndarray, np.ndarray]:
        """(most weight by tile, which tiles to keep still because their input goes on flashing)."""
        self._input.advance(dt)
        raw = self._input.look(seen.light)
        self._input.accept(raw)
        if not seen.ok:
            bad = self._watch.bad_tiles(seen, BUSY_TILE)
            self._limited |= bad
            self._hostile |= bad
        self._calm += np.float32(dt)
        for kind in raw.kinds:
            if kind.recent is not None:
                moved = kind.recent.tiles.sum(0) >= BUSY_TILE * self._grid.tile_cells
                self._calm[moved] = 0
        # Once calm, a place has to break the rule again before it is taken for flashing again.
        self._hostile &= (self._calm < CALM) & self._input.restless_tiles(BUSY_TILE)
        self._released = np.where(self._hostile, 0, self._released + np.float32(dt))
        left = np.clip(1 - self._released / RELEASE, 0, None)
        cap = 1 - np.exp(-dt / (SMOOTHING * left * left).clip(min=1e-6))
        return np.where(self._limited & (left > 0), cap, 1).astype(np.float32), self._hostile
