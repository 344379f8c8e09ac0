"""The flash limiter: holds back just as much of a new frame as keeps flashing within the rule.

It follows what was really shown. A frame that would break the rule is blended, in linear light,
with the frame before, only as far as keeps cells from making the transition that is one too many.
In linear light, because a blend's luminance is then exactly linear in its weight, of a pixel as of
any average of pixels: how far a cell may go has a closed form, and can be told from a coarse grid.

Showing the last frame again is always safe: it makes no transition, and the budgets are such that
time alone never breaks them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from visualizer.display import flash_rule as rule
from visualizer.display.flash_rule import Grid
from visualizer.display.flash_transitions import DOWN, UP
from visualizer.display.flash_watch import Look, Watch

# The rule is kept as it stands and, for other people's analysers and codecs, tightened by this part.
MARGIN = 0.08
# Of a limited tile's cells, this part may still make a transition.
TILE_AREA = 0.12
# Luminance kept free below a transition when blending, for rounding to 8 bits.
ROUNDING = 0.006
# While the input goes on flashing, what is shown follows its mean with this time constant (seconds).
SMOOTHING = 0.4
# The input is calm in a place that made no transition for CALM seconds; it is caught up with in RELEASE.
CALM = 0.26
RELEASE = 0.2
# A place has a transition when this part of its cells has.
BUSY_TILE = 0.1
LEVELS = 64


class FlashLimiter:
    """Frames in, safe frames out: W3C WCAG 2.2 SC 2.3.1, general and red flashes, and sustained ones.

    A frame that keeps the rule comes out as it went in, the very same tensor. `held` tells how much
    of the last frame was held back (0..1, mean over the picture), `flashes` the worst count of
    flashes in the last second. The frame is taken to fill a 1024x768 view.

    For a picture that is composed elsewhere (on a graphics card), `decide` alone does the thinking:
    it takes the candidate on a coarse grid and answers with the weights to blend it with.
    """

    def __init__(self, enabled: bool = True, margin: float = MARGIN):
        """margin: tighten the thresholds by this part of them, 0..0.5."""
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
        self._shown: torch.Tensor | None = None
        self._light: torch.Tensor | None = None
        self._forget_input()

    def _forget_input(self) -> None:
        self._input: Watch | None = None
        self._limited: torch.Tensor | None = None

    @property
    def flashes(self) -> float:
        """The most flashes that more than a quarter of any block made in the last second."""
        return 0.0 if self._watch is None else self._watch.flashes()

    def __call__(self, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """The frame to show.

        frame: [h, w, 3] uint8 sRGB, CPU or CUDA. dt: seconds since the last frame was shown. The
        returned tensor may be `frame` itself, and is kept: don't overwrite it before the next call.
        A frame of another size or device starts afresh. Raises ValueError for anything else.
        """
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is [h, w, 3] uint8, not {list(frame.shape)} {frame.dtype}")
        _check_time(dt)
        if not self.enabled:
            self.reset()
            return frame
        size = tuple(frame.shape[:2])
        if self._grid is None or self._grid.size != size or self._grid.device != frame.device:
            self.reset()
            self._grid = Grid(*size, frame.device)
        linear = self._grid.measure(frame)
        alpha, seen = self._propose(linear, dt)
        if alpha is None:
            self._light = None
            self._watch.accept(seen)
            self._shown = frame
            return frame
        shown = self._blend(frame, alpha)
        seen = self._watch.look(self._grid.measure(shown))
        if seen.ok:
            self._shown = shown
        else:
            seen = self._watch.look(self._grid.measure(self._shown))
        self._watch.accept(seen)
        return self._shown

    def decide(self, linear: torch.Tensor, dt: float) -> torch.Tensor:
        """How much of the candidate to show where, [rows, columns] in 0..1, for [3, rows, columns].

        linear: the candidate frame averaged, in linear light, to a grid of at most 320x256 cells, RGB
        in 0..1; dt: seconds since the last frame was shown. The caller is to show
        last + alpha * (candidate - last) in linear light, alpha spread over the frame smoothly, and
        to keep that unrounded as the next `last`. Raises ValueError if the grid is too fine.
        """
        _check_time(dt)
        size = tuple(linear.shape[1:])
        if self._grid is None or self._grid.size != size or self._grid.device != linear.device:
            self.reset()
            self._grid = Grid(*size, linear.device)
            if self._grid.factor > 1:
                raise ValueError(f"a grid of {size[1]}x{size[0]} is too fine: 320x256 cells at most")
        if not self.enabled:
            self.reset()
            return torch.ones(size, device=linear.device)
        alpha, seen = self._propose(linear, dt)
        self._watch.accept(seen)
        return torch.ones(size, device=linear.device) if alpha is None else alpha

    def _propose(self, linear: torch.Tensor, dt: float) -> tuple[torch.Tensor | None, Look]:
        """(weights [rows, columns] or None for the whole new frame, what showing it does)."""
        self.held = 0.0
        if self._watch is None:
            self._watch = Watch(self._grid, (0.0, self.margin))
            self._last = linear
        self._watch.advance(dt)
        seen = self._watch.look(linear)
        if self._input is None and seen.ok:
            self._last = linear
            return None, seen
        if self._input is None:
            self._begin()
        cap, hostile = self._follow_input(linear, dt, seen)
        alpha, light, seen = self._fit(linear, seen, cap, hostile)
        self._last = light
        self.held = float(1 - alpha.mean())
        if self._release(alpha, cap):
            self._forget_input()
            return None, seen
        return alpha, seen

    # --- what the input does while it is limited -------------------------------------------------

    def _begin(self) -> None:
        tiles, device = self._grid.tiles, self._grid.device
        # What was shown so far was the input: the watch on the input starts from the same past.
        self._input = self._watch.fork(level=1)
        self._limited = torch.zeros(tiles, dtype=torch.bool, device=device)
        self._calm = torch.zeros(tiles, device=device)
        self._released = torch.zeros(tiles, device=device)

    def _follow_input(self, linear: torch.Tensor, dt: float, seen: Look) -> tuple[torch.Tensor, torch.Tensor]:
        """(most weight by tile, which tiles have to be kept still because their input goes on flashing)."""
        self._input.advance(dt)
        raw = self._input.look(linear)
        self._input.accept(raw)
        if not seen.ok:
            self._limited |= self._watch.bad_tiles(seen)
        moved = torch.zeros_like(self._limited)
        for kind in raw.kinds:
            if kind.moved is not None:
                moved |= self._grid.sum_tiles(kind.moved[0]) >= BUSY_TILE * self._grid.tile_cells
        self._calm = (self._calm + dt).masked_fill(moved, 0)
        hostile = self._limited & (self._calm < CALM) & self._input.restless_tiles(BUSY_TILE)
        self._released = (self._released + dt).masked_fill(hostile, 0)
        left = (1 - self._released / RELEASE).clamp(min=0)
        cap = 1 - torch.exp(-dt / (SMOOTHING * left * left).clamp(min=1e-6))
        return cap.masked_fill(~self._limited | (left == 0), 1), hostile

    def _release(self, alpha: torch.Tensor, cap: torch.Tensor) -> bool:
        """Let go of tiles that have caught up; True when there are none left."""
        held = self._grid.sum_tiles(alpha < 0.999) > 0
        self._limited &= held | (cap < 1)
        return not bool(held.any()) and not bool(self._limited.any())

    # --- how much of the new frame can be shown --------------------------------------------------

    def _fit(
        self, linear: torch.Tensor, seen: Look, cap: torch.Tensor, hostile: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, Look]:
        """(weights [rows, columns], the blend on the grid, what showing it does): the rule holds."""
        tiles, scale, stopped = cap, 1.0, None
        for attempt in range(4):
            if attempt or bool((cap == 1).all()):
                candidate = seen
            else:
                candidate = None
            if candidate is None or not candidate.ok or bool(hostile.any()):
                tiles = torch.minimum(tiles, self._room(linear, seen, candidate, hostile))
            if stopped is not None:
                tiles = tiles.masked_fill(stopped, 0)
            alpha = self._spread(tiles) * scale
            light = torch.lerp(self._last, linear, alpha)
            candidate = self._watch.look(light)
            if candidate.ok:
                return alpha, light, candidate
            stopped = self._watch.bad_tiles(candidate)
        alpha = torch.zeros_like(alpha)
        return alpha, self._last, self._watch.look(self._last)
