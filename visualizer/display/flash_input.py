"""What the input does, whatever is shown of it: where it goes on flashing, where it has come to rest."""

from __future__ import annotations

import numpy as np
import torch

from visualizer.display.flash_counts import Counts
from visualizer.display.flash_rule import Grid
from visualizer.display.flash_transitions import Light, LuminanceTracker, RedTracker
from visualizer.display.flash_watch import Watch

# While the input goes on flashing, what is shown follows its mean with this time constant (seconds).
SMOOTHING = 0.3
# A place is calm when its input made no transition for CALM seconds; then it catches up in RELEASE.
CALM = 0.26
RELEASE = 0.2
# A place makes a transition when this part of its cells does.
BUSY_TILE = 0.1


class Input:
    """Follows the input tile by tile, and tells how fast what is shown may follow it.

    limited: tiles that are held back. hostile: those of them whose input goes on flashing. `held` is
    whether anything is; only then the input differs from what is shown, and has to be looked at.
    """

    def __init__(self, grid: Grid):
        self.grid = grid
        self.limited = np.zeros(grid.tiles, bool)
        self.hostile = np.zeros(grid.tiles, bool)
        self._calm = np.zeros(grid.tiles, np.float32)
        self._released = np.zeros(grid.tiles, np.float32)
        self._counts = Counts(np.zeros(grid.tiles, np.int16), resolution=0.25)
        self._trackers: tuple[LuminanceTracker, RedTracker] | None = None
        self._now = 0.0

    @property
    def held(self) -> bool:
        return self._trackers is not None

    def hold(self, watch: Watch) -> None:
        """From now on something is held back; watch: on what was shown, which up to now was the input."""
        self._trackers = watch.luminance.fork(), watch.red.fork()
        self._calm[:] = self._released[:] = 0

    def let_go(self) -> None:
        """Nothing is held back any more."""
        self._trackers = None
        self.limited[:] = self.hostile[:] = False

    def count(self, moves: list[torch.Tensor | np.ndarray | None], dt: float) -> np.ndarray:
        """Count the tiles that make a transition; which, bool.

        moves: [up/down, ...] by cell or already by tile, None for none; dt: seconds since the last.
        """
        made = [self.grid.sum_tiles(m) if isinstance(m, torch.Tensor) else m for m in moves if m is not None]
        moved = sum(m.sum(0) for m in made) >= BUSY_TILE * self.grid.tile_cells if made else None
        self._now += dt
        self._counts.advance(self._now, dt)
        self._counts.add(self._now, dt, None if moved is None else moved.astype(np.int16), 1)
        return np.zeros(self.grid.tiles, bool) if moved is None else moved

    def follow(self, light: Light, bad: np.ndarray | None, dt: float) -> np.ndarray:
        """The most weight by tile that the next frame may have.

        light: the frame; bad: tiles with which it would break the rule; dt: seconds since the last.
        """
        moved = self._look(light, dt)
        if bad is not None:
            self.limited |= bad
            self.hostile |= bad
        self._calm = np.where(moved, 0, self._calm + np.float32(dt))
        # Once calm, a place has to break the rule again before it is taken for flashing again.
        restless = self._counts.over_now()
        if restless is None:
            self.hostile[:] = False
        else:
            self.hostile &= (self._calm < CALM) & (restless > 0)
        self._released = np.where(self.hostile, 0, self._released + np.float32(dt))
        left = np.clip(1 - self._released / RELEASE, 0, None)
        most = 1 - np.exp(-dt / (SMOOTHING * left * left).clip(min=1e-6))
        return np.where(self.limited & (left > 0), most, 1).astype(np.float32)

    def _look(self, light: Light, dt: float) -> np.ndarray:
        luminance, red = self._trackers
        clamped, moves = luminance.look(light.luminance)
        luminance.accept(clamped, moves)
        seen, red_moves = red.look(light)
        red.accept(seen)
        return self.count([moves, red_moves], dt)
