"""What the input does, whatever is shown of it: where it goes on flashing, where it has come to rest."""

from __future__ import annotations

import math

import numpy as np

from visualizer.picture.flash.counts import total
from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.transitions import Light, LuminanceTracker, RedTracker
from visualizer.picture.flash.watch import Watch

# While the input goes on flashing, what is shown follows it at one of two paces. A flicker of so many
# transitions a second (from the first number on more and more of it, from the second all of it) fades
# to its mean, with this time constant (seconds).
FLICKER = 9.0, 12.0
SMOOTHING = 0.3
# Pictures that follow each other too fast would all be mixed to a fog by that. Of them, one is
# approached every PERIOD seconds, PULSE time constants far, and hardly any in between (SLOW).
PERIOD = 0.4
PULSE = 2.5
SLOW = 1.5
# Below so many transitions a second a place flashes no more.
RESTLESS = 3.5
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
        self._trackers: tuple[LuminanceTracker, RedTracker] | None = None
        self._now = 0.0
        # Transitions a second, of a tile's mean cell.
        self._activity = np.zeros(grid.tiles)

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

    def count(self, moves: list[np.ndarray], dt: float) -> np.ndarray:
        """Count the tiles that make a transition; which, bool.

        moves: by tile, [up/down, tile rows, tile columns] each; dt: seconds since the last.
        """
        self._now += dt
        self._activity *= math.exp(-dt)
        if not moves:
            return np.zeros(self.grid.tiles, bool)
        part = total(m.sum(0) for m in moves) / self.grid.tile_cells
        self._activity += part
        return part >= BUSY_TILE

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
        self.hostile &= (self._calm < CALM) & (self._activity > RESTLESS)
        self._released = np.where(self.hostile, 0, self._released + np.float32(dt))
        left = np.clip(1 - self._released / RELEASE, 0, None)
        flicker = np.interp(self._activity, FLICKER, (0, 1))
        pace = flicker * (dt / SMOOTHING) + (1 - flicker) * self._pulse(dt)
        most = 1 - np.exp(-pace / (left * left).clip(min=1e-6))
        return np.where(self.limited & (left > 0), most, 1).astype(np.float32)

    def _pulse(self, dt: float) -> float:
        """How many time constants to go in the last dt seconds, at the pace of one picture a PERIOD."""
        begin, end = (2 * math.pi / PERIOD * (self._now - ago) for ago in (dt, 0.0))
        # The integral of a soft pulse, (1 - cos x)^2.
        pulse = [x - 4 / 3 * math.sin(x) + math.sin(2 * x) / 6 for x in (begin, end)]
        return dt / SLOW + PULSE * (pulse[1] - pulse[0]) / (2 * math.pi)

    def _look(self, light: Light, dt: float) -> np.ndarray:
        assert self._trackers is not None
        luminance, red = self._trackers
        moves = luminance.look(light.luminance)
        luminance.accept(light.luminance, moves)
        red_moves = red.look(light)
        red.accept(light, red_moves)
        return self.count([self.grid.sum_tiles(m) for m in (moves, red_moves) if m is not None], dt)
