"""How far each part of a picture may go towards the next one before it makes a transition.

Blends are in linear light, so a cell's luminance is linear in the blend's weight, and its
chromaticity moves on a straight line in u'v': the weight of a transition has a closed form.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from visualizer.common.compiled import compiled, inlined
from visualizer.picture.flash.colour import chromaticity, redness, relative_luminance
from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.transitions import UP, Light, MeanTracker
from visualizer.picture.flash.watch import Flashes, KindLook, Look, Watch

# Of the cells around a limited tile, this part may still make a transition.
TILE_AREA = 0.12
# Luminance kept free below a transition, for rounding to 8 bits; and the same of redness.
ROUNDING = np.float32(0.006)
RED_ROUNDING = ROUNDING / np.float32(6)
# Of a step in u'v', so much is used.
RED_STEP_USED = np.float32(0.95)
# In places that are kept still, a cell may make so many transitions a second.
STILL = 3
STEPS = 32
# The weights change smoothly over about twice this many tiles.
SOFT = 3


def room(watch: Watch, begin: Light, seen: Look, fail: Look, still: np.ndarray) -> np.ndarray:
    """The most weight of a frame in a blend with another, [tile rows, tile columns] in 0..1.

    begin: the other. seen: what all of the frame would do. Blocked from making a transition are cells
    over the limit in the blocks that broke the rule in `fail`, or all cells of a block that did so as a
    whole, and in tiles to be kept `still` cells that made STILL already.
    """
    grid, end = watch.grid, seen.light
    # How many cells of each tile make a transition within each step of weight.
    reaching = np.zeros((STEPS, *grid.tiles), np.int16)
    n = 0
    for kind, made, failed in zip(watch.kinds, seen.kinds, fail.kinds, strict=True):
        if made.moves is None or made.moved is None:
            continue
        stopped = blocked(kind, made, failed, still) & (made.moved > 0)
        where = begin.linear, end.linear, made.moves[UP], stopped
        how = grid.sampling, grid.tile, reaching
        if kind is watch.kinds[0]:
            assert watch.luminance.rises is not None and watch.luminance.falls is not None
            n += _count_luminance(*where, watch.luminance.rises, watch.luminance.falls, *how)
        else:
            red = watch.red
            n += _count_red(*where, red.share, red.step * RED_STEP_USED, red.box, *how)
    result = quantile(grid, reaching) if n else np.ones(grid.tiles, np.float32)
    if fail.kinds[0].only_mean:
        # The mean of the picture is only sure to move as told if everything moves alike.
        result = np.full_like(result, min(result.min(), mean_reach(watch.mean, begin.mean, end.mean)))
    return result


def blocked(kind: Flashes, made: KindLook, failed: KindLook, still: np.ndarray) -> np.ndarray:
    """Cells that must not make a transition, [rows, columns] bool; see `room`."""
    grid = kind.grid
    cells = np.zeros(grid.shape, bool)
    if failed.bad_blocks is not None:
        assert failed.over is not None
        over = failed.over if made.over is None else made.over | failed.over
        cells |= grid.to_cells(kind.tiles_over(failed.bad_blocks, None)) & over
    if failed.bad_events is not None:
        cells |= grid.to_cells(kind.tiles_over(None, failed.bad_events))
    if still.any():
        cells |= grid.to_cells(still) & (kind.cells.count >= STILL)
    return cells


def quantile(grid: Grid, reaching: np.ndarray) -> np.ndarray:
    """By tile, the weight that takes no more than TILE_AREA of the cells around as far as they reach.

    reaching: how many of a tile's samples make a transition within each step of weight, [STEPS, tile rows,
    tile columns].
    """
    free = np.empty(grid.tiles, np.int16)
    _count_free(reaching, np.floor(TILE_AREA * grid.samples_around).astype(np.int32), free)
    return np.where(free == STEPS, 1, (free / (STEPS - 1)) ** 2).astype(np.float32)


@compiled("(int16[:,:,::1], int32[:,::1], int16[:,::1])")
def _count_free(reaching: np.ndarray, most: np.ndarray, free: np.ndarray) -> None:
    """Write for how many steps no more than the most of the samples around each tile have got there."""
    steps, rows, columns = reaching.shape
    within = np.zeros((rows + 2, columns + 2), np.int16)
    strip = np.empty(columns + 2, np.int16)
    free[:] = 0
    for step in range(steps):
        for row in range(rows):
            for column in range(columns):
                within[row + 1, column + 1] += reaching[step, row, column]
        for row in range(rows):
            for column in range(columns + 2):
                strip[column] = within[row, column] + within[row + 1, column] + within[row + 2, column]
            for column in range(columns):
                around = strip[column] + strip[column + 1] + strip[column + 2]
                free[row, column] += np.int16(around <= most[row, column])


@inlined
def _count(reach: np.float32, row: int, column: int, tile: int, reaching: np.ndarray) -> int:
    """Count a cell that makes its transition at a weight: one."""
    # Fine steps near 0, where a strong flash has to be held. What reaches nowhere is not a number.
    reach = min(np.float32(1), max(np.float32(0), reach)) if reach == reach else np.float32(1)
    reaching[int(np.sqrt(reach) * (STEPS - 1)), row // tile, column // tile] += 1
    return 1


@inlined
def _way_out(x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, radius: np.float32) -> float:
    """The part of the way (dx, dy) from (x, y) on to a circle around the origin, 0..1."""
    a, b, c = dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - radius * radius
    part = (np.sqrt(max(b * b - a * c, np.float32(0))) - b) / max(a, np.float32(1e-9))
    return min(np.float32(1), max(np.float32(0), part))


@compiled(
    "int64(float32[:,:,::1], float32[:,:,::1], int16[:,::1], boolean[:,::1],"
    " float32[:,::1], float32[:,::1], int64, int64, int16[:,:,::1])"
)
def _count_luminance(
    begin: np.ndarray,
    end: np.ndarray,
    up: np.ndarray,
    stopped: np.ndarray,
    rises: np.ndarray,
    falls: np.ndarray,
    sampling: int,
    tile: int,
    reaching: np.ndarray,
) -> int:
    """Count the stopped cells by the weight at which their luminance would move, up or down; how many."""
    n = 0
    rows, columns = stopped.shape
    for row in range(0, rows, sampling):
        for column in range(0, columns, sampling):
            if not stopped[row, column]:
                continue
            first = relative_luminance(begin[0, row, column], begin[1, row, column], begin[2, row, column])
            last = relative_luminance(end[0, row, column], end[1, row, column], end[2, row, column])
            target = rises[row, column] - ROUNDING if up[row, column] else falls[row, column] + ROUNDING
            n += _count((target - first) / (last - first), row, column, tile, reaching)
    return n


@compiled(
    "int64(float32[:,:,::1], float32[:,:,::1], int16[:,::1], boolean[:,::1],"
    " float32, float32, float32[:,:,::1], int64, int64, int16[:,:,::1])"
)
def _count_red(
    begin: np.ndarray,
    end: np.ndarray,
    up: np.ndarray,
    stopped: np.ndarray,
    share: np.float32,
    step: np.float32,
    box: np.ndarray,
    sampling: int,
    tile: int,
    reaching: np.ndarray,
) -> int:
    """Count the stopped cells by the weight at which they turn (up) or leave saturated red; how many."""
    n = 0
    rows, columns = stopped.shape
    for row in range(0, rows, sampling):
        for column in range(0, columns, sampling):
            if not stopped[row, column]:
                continue
            r0, g0, b0 = begin[0, row, column], begin[1, row, column], begin[2, row, column]
            r1, g1, b1 = end[0, row, column], end[1, row, column], end[2, row, column]
            if up[row, column]:
                first, last = redness(r0, g0, b0, share), redness(r1, g1, b1, share)
                reach = -(first + RED_ROUNDING) / max(last - first, np.float32(1e-9))
            else:
                u0, v0, w0 = chromaticity(r0, g0, b0)
                u1, v1, w1 = chromaticity(r1, g1, b1)
                low_u, high_u = box[0, row, column], box[1, row, column]
                low_v, high_v = box[2, row, column], box[3, row, column]
                # The corner of the box of reds that is further from where it goes.
                corner_u = low_u if u1 - low_u > high_u - u1 else high_u
                corner_v = low_v if v1 - low_v > high_v - v1 else high_v
                part = _way_out(u0 - corner_u, v0 - corner_v, u1 - u0, v1 - v0, step)
                # How far along the line a mixture lies is set by the weights of the two lights in u'v'.
                reach = part * w0 / (part * w0 + (1 - part) * w1)
            n += _count(reach, row, column, tile, reaching)
    return n


def mean_reach(tracker: MeanTracker, first: float, last: float) -> float:
    """The weight at which the mean luminance of the picture makes a transition."""
    assert tracker.low is not None and tracker.high is not None
    step = tracker.step - ROUNDING
    target = tracker.low + step if last > first else tracker.high - step
    return 1.0 if last == first else min(1.0, max(0.0, float(target - first) / (last - first)))


def spread(tiles: np.ndarray) -> np.ndarray:
    """Weights by tile to smooth ones, nowhere above those of the tile itself; [tile rows, tile columns].

    Between the tiles' centres `Pixels.blend` goes on.
    """
    if tiles.min() == tiles.max():
        return tiles
    # The least weight within some tiles, averaged over one tile less.
    least = ndimage.minimum_filter(tiles, 2 * SOFT + 3, mode="nearest")
    least = ndimage.uniform_filter(least, 2 * SOFT + 1, mode="nearest")
    return np.where(least > 0.999, 1, least.clip(0, 1)).astype(np.float32)
