"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

`look` changes nothing, `accept` does. Moves are int16, 0 or 1. `margin` is by what part the rule's thresholds
are tightened.
"""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np

from visualizer.common.compiled import compiled
from visualizer.picture.flash import rule
from visualizer.picture.flash.colour import chromaticity, redness, relative_luminance
from visualizer.picture.flash.grid import Grid

UP, DOWN = 0, 1
# A luminance that no cell reaches.
NEVER = np.float32(9)
# Steps are shorter by this, so that sums in another order can't find more.
ROUNDING = 1e-6


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margin: float):
        self.step = np.float32(rule.LUMINANCE_STEP * (1 - margin) - ROUNDING)
        # The luminance at which each cell rises next, and that at which it falls, [rows, columns].
        self.rises: np.ndarray | None = None
        self.falls: np.ndarray | None = None

    def look(self, luminance: np.ndarray) -> np.ndarray | None:
        """Moves [up/down, rows, columns] if this were shown, None for none.

        luminance: [rows, columns] in 0..`ceiling(margin)`.
        """
        if self.rises is None or self.falls is None:
            return None
        moves = np.empty((2, *luminance.shape), np.int16)
        return moves if _find_moves(luminance, self.rises, self.falls, moves) else None

    def accept(self, luminance: np.ndarray, moves: np.ndarray | None) -> None:
        """Go on from what `look` was given and gave: it was shown."""
        if self.rises is None or self.falls is None:
            self.rises, self.falls = luminance + self.step, luminance - self.step
            return
        if moves is None:
            moves = np.zeros((2, *luminance.shape), np.int16)
        _follow(luminance, self.step, moves, self.rises, self.falls)

    def fork(self) -> LuminanceTracker:
        """An independent copy."""
        return copy.deepcopy(self)


def ceiling(margin: float) -> float:
    """The luminance to clamp to: then a change reaches a step just when its darker end is below DARK."""
    return rule.DARK * (1 + margin / 4) + rule.LUMINANCE_STEP * (1 - margin) - ROUNDING


@compiled("int64(float32[:,::1], float32[:,::1], float32[:,::1], int16[:,:,::1])")
def _find_moves(luminance: np.ndarray, rises: np.ndarray, falls: np.ndarray, moves: np.ndarray) -> int:
    """Write the moves that a luminance would make; how many."""
    n = 0
    rows, columns = luminance.shape
    for row in range(rows):
        for column in range(columns):
            up = np.int16(luminance[row, column] >= rises[row, column])
            down = np.int16(luminance[row, column] <= falls[row, column])
            moves[UP, row, column] = up
            moves[DOWN, row, column] = down
            n += int(up + down)
    return n


@compiled("(float32[:,::1], float32, int16[:,:,::1], float32[:,::1], float32[:,::1])")
def _follow(
    luminance: np.ndarray, step: np.float32, moves: np.ndarray, rises: np.ndarray, falls: np.ndarray
) -> None:
    """A new extreme brings the opposite move nearer; a move begins a new one, and bars its like (NEVER)."""
    rows, columns = luminance.shape
    for row in range(rows):
        for column in range(columns):
            here = luminance[row, column]
            rise, fall = rises[row, column], falls[row, column]
            rise = min(rise, here + step) if rise < NEVER else rise
            fall = max(fall, here - step) if fall > -NEVER else fall
            if moves[UP, row, column]:
                rise, fall = NEVER, here - step
            if moves[DOWN, row, column]:
                rise, fall = here + step, -NEVER
            rises[row, column], falls[row, column] = rise, fall


class MeanTracker:
    """Transitions of one number, the mean luminance of the picture: LuminanceTracker in plain floats."""

    def __init__(self, margin: float):
        self.step = rule.LUMINANCE_STEP * (1 - margin) - ROUNDING
        self.ceiling = ceiling(margin)
        self.low: float | None = None
        self.high: float | None = None
        self.last: int | None = None

    def look(self, mean: float) -> tuple[float, int | None]:
        """(the mean, whether it moves UP, DOWN or not)."""
        mean = min(mean, self.ceiling)
        if self.low is None or self.high is None:
            return mean, None
        if self.last != UP and mean - self.low >= self.step:
            return mean, UP
        return mean, DOWN if self.last != DOWN and self.high - mean >= self.step else None

    def accept(self, mean: float, move: int | None) -> None:
        """Go on from what `look` gave: it was shown."""
        self.low = mean if move == DOWN or self.low is None else min(self.low, mean)
        self.high = mean if move == UP or self.high is None else max(self.high, mean)
        self.last = self.last if move is None else move


class Light:
    """A candidate frame on the grid, and what the trackers want to know of it, worked out once."""

    def __init__(self, linear: np.ndarray, ceiling: float, red_share: float):
        """linear: [3, rows, columns] linear RGB in 0..1; ceiling, red_share: those of the trackers."""
        self.linear, self._red_share = linear, np.float32(red_share)
        # Clamped as trackers of luminance want it, [rows, columns].
        self.luminance = np.empty(linear.shape[1:], np.float32)
        self.mean = _clamped_luminance(linear, np.float32(ceiling), self.luminance)

    @cached_property
    def has_red(self) -> bool:
        """Whether any cell is saturated red."""
        return _any_red(self.linear, self._red_share)


@compiled("float64(float32[:,:,::1], float32, float32[:,::1])")
def _clamped_luminance(linear: np.ndarray, ceiling: np.float32, clamped: np.ndarray) -> float:
    """Write relative luminance, clamped; its mean without that."""
    _, rows, columns = linear.shape
    sums = np.zeros(columns, np.float32)
    for row in range(rows):
        for column in range(columns):
            here = relative_luminance(linear[0, row, column], linear[1, row, column], linear[2, row, column])
            clamped[row, column] = min(here, ceiling)
            sums[column] += here
    return sums.sum() / (rows * columns)


@compiled("boolean(float32[:,:,::1], float32)")
def _any_red(linear: np.ndarray, share: np.float32) -> bool:
    n = 0
    _, rows, columns = linear.shape
    for row in range(rows):
        for column in range(columns):
            here = redness(linear[0, row, column], linear[1, row, column], linear[2, row, column], share)
            n += int(here >= 0)
    return n > 0


class RedTracker:
    """Transitions to and from saturated red, as moves UP and DOWN.

    A cell goes up when it is saturated red; it comes down once it is further than RED_STEP from a
    red it was since it went up, kept as a box in u'v' that holds them all. So of any two moves one
    goes further than RED_STEP; the rule asks that of both, which can only make fewer.
    """

    def __init__(self, margin: float, grid: Grid):
        self.share = np.float32(rule.RED_SHARE * (1 - margin / 4))
        self.step = np.float32(rule.RED_STEP * (1 - margin))
        # Which cells are up, [rows, columns], and how many; of those, the least and the greatest u' and the
        # least and the greatest v' of their reds since then, [4, rows, columns].
        self.up = np.zeros(grid.shape, np.int16)
        self.n_up = 0
        self.box = np.zeros((4, *grid.shape), np.float32)
        self.started = False

    def look(self, light: Light) -> np.ndarray | None:
        """Moves [up/down, rows, columns] if this were shown, None for none.

        Cells that are red in the first frame of all go up in it, although that is no transition.
        """
        if not (self.n_up or light.has_red):
            return None
        moves = np.empty((2, *self.up.shape), np.int16)
        n = _find_red_moves(light.linear, self.share, self.step, self.up, self.box, moves)
        return moves if n else None

    def accept(self, light: Light, moves: np.ndarray | None) -> None:
        """Go on from what `look` was given and gave: it was shown."""
        if moves is not None:
            self.n_up += _follow_red_moves(light.linear, moves, self.up, self.box)
        if self.n_up and light.has_red:
            _widen(light.linear, self.share, self.up, self.box)
        self.started = True

    def fork(self) -> RedTracker:
        """An independent copy."""
        return copy.deepcopy(self)


@compiled("int64(float32[:,:,::1], float32, float32, int16[:,::1], float32[:,:,::1], int16[:,:,::1])")
def _find_red_moves(
    linear: np.ndarray,
    share: np.float32,
    step: np.float32,
    up: np.ndarray,
    box: np.ndarray,
    moves: np.ndarray,
) -> int:
    """Write the moves that a light would make; how many."""
    n = 0
    rows, columns = up.shape
    for row in range(rows):
        for column in range(columns):
            red, green, blue = linear[0, row, column], linear[1, row, column], linear[2, row, column]
            moves[UP, row, column] = moves[DOWN, row, column] = 0
            if not up[row, column]:
                if redness(red, green, blue, share) >= 0:
                    moves[UP, row, column] = 1
                    n += 1
                continue
            u, v, _ = chromaticity(red, green, blue)
            # To either side the longer way, to the far corner of the box.
            du = max(u - box[0, row, column], box[1, row, column] - u)
            dv = max(v - box[2, row, column], box[3, row, column] - v)
            if du * du + dv * dv > step * step:
                moves[DOWN, row, column] = 1
                n += 1
    return n


@compiled("int64(float32[:,:,::1], int16[:,:,::1], int16[:,::1], float32[:,:,::1])")
def _follow_red_moves(linear: np.ndarray, moves: np.ndarray, up: np.ndarray, box: np.ndarray) -> int:
    """Cells go up, each with a box of the one red that it is, and come down; how many more are up then."""
    n = 0
    rows, columns = up.shape
    for row in range(rows):
        for column in range(columns):
            if moves[UP, row, column]:
                u, v, _ = chromaticity(linear[0, row, column], linear[1, row, column], linear[2, row, column])
                box[0, row, column] = box[1, row, column] = u
                box[2, row, column] = box[3, row, column] = v
            change = moves[UP, row, column] - moves[DOWN, row, column]
            up[row, column] += change
            n += change
    return n


@compiled("(float32[:,:,::1], float32, int16[:,::1], float32[:,:,::1])")
def _widen(linear: np.ndarray, share: np.float32, up: np.ndarray, box: np.ndarray) -> None:
    """The boxes of cells that are up hold the red that they are now."""
    rows, columns = up.shape
    for row in range(rows):
        for column in range(columns):
            red, green, blue = linear[0, row, column], linear[1, row, column], linear[2, row, column]
            if up[row, column] and redness(red, green, blue, share) >= 0:
                u, v, _ = chromaticity(red, green, blue)
                box[0, row, column] = min(box[0, row, column], u)
                box[1, row, column] = max(box[1, row, column], u)
                box[2, row, column] = min(box[2, row, column], v)
                box[3, row, column] = max(box[3, row, column], v)
