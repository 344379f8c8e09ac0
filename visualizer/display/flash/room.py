"""How far each part of a picture may go towards the next one before it makes a transition.

Blends are in linear light, so a cell's luminance is linear in the blend's weight, and its
chromaticity moves on a straight line in u'v': the weight of a transition has a closed form.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from visualizer.display.flash.grid import Grid, set_places
from visualizer.display.flash.transitions import DOWN, UP, relative_luminance
from visualizer.display.flash.watch import Look, Watch

# Of the cells around a limited tile, this part may still make a transition.
TILE_AREA = 0.12
# Luminance kept free below a transition, for rounding to 8 bits.
ROUNDING = 0.006
# In places that are kept still, a cell may make so many transitions a second.
STILL = 3
STEPS = 32
# The weights change smoothly over about twice this many tiles.
SOFT = 3


def room(
    watch: Watch, begin: torch.Tensor, end: torch.Tensor, seen: Look, fail: Look, still: np.ndarray
) -> np.ndarray:
    """The most weight of `end` in a blend with `begin`, [tile rows, tile columns] in 0..1.

    begin, end: [3, rows, columns] linear RGB. seen: what all of `end` would do. Blocked from making
    a transition are cells over the limit in the blocks that broke the rule in `fail`, or all cells
    of a block that did so as a whole, and in tiles to be kept `still` cells that made STILL already.
    """
    grid = watch.grid
    still_cells = grid.to_cells(still.astype(np.int16)) if still.any() else None
    reaches, where = [], []
    for kind, made, failed, reach in zip(
        watch.kinds, seen.kinds, fail.kinds, (luminance_reach, red_reach), strict=True
    ):
        if made.moves is None or made.moved is None:
            continue
        blocked = torch.zeros(grid.padded, dtype=torch.int16, device=grid.device)
        if failed.bad_blocks is not None:
            assert failed.over is not None
            over = failed.over if made.over is None else made.over | failed.over
            tiles = kind.tiles_over(failed.bad_blocks, None).astype(np.int16)
            blocked |= grid.to_cells(tiles) & over
        if failed.bad_events is not None:
            blocked |= grid.to_cells(kind.tiles_over(None, failed.bad_events).astype(np.int16))
        if still_cells is not None:
            blocked |= still_cells & kind.cells.count.clone().ge_(STILL)
        chosen = samples(grid, blocked * made.moved)
        if len(chosen):
            where.append(chosen)
            cells = grid.samples.index_select(0, chosen)
            moves = grid.crop(made.moves).reshape(2, -1).index_select(1, cells)
            first, last = (light.view(3, -1).index_select(1, cells) for light in (begin, end))
            reaches.append(reach(watch, first, last, moves, cells))
    if where:
        result = quantile(grid, torch.cat(reaches), torch.cat(where))
    else:
        result = np.ones(grid.tiles, np.float32)
    if fail.kinds[0].only_mean:
        # The mean of the picture is only sure to move as told if everything moves alike.
        result = np.full_like(result, min(result.min(), mean_reach(watch, begin, end)))
    return result


def samples(grid: Grid, mask: torch.Tensor) -> torch.Tensor:
    """Where a padded mask is not 0, of the grid's samples: indices into them."""
    return set_places(grid.crop(mask)[:: grid.sampling, :: grid.sampling])


def quantile(grid: Grid, reaches: torch.Tensor, chosen: torch.Tensor) -> np.ndarray:
    """By tile, the weight that takes no more than TILE_AREA of the cells around as far as they reach.

    chosen: some of the grid's samples, [n]; reaches: the weight at which each makes a transition.
    """
    # Fine steps near 0, where a strong flash has to be held.
    step = (reaches.nan_to_num(1).clamp(0, 1).sqrt_() * (STEPS - 1)).long()
    n_tiles = grid.tile_samples.size
    index = step.mul_(n_tiles).add_(grid.tile_of_samples.index_select(0, chosen))
    counts = torch.bincount(index, minlength=n_tiles * STEPS).numpy(force=True).astype(np.int16)
    counts = counts.reshape(STEPS, *grid.tiles)
    for i in range(1, STEPS):
        counts[i] += counts[i - 1]
    most = np.floor(TILE_AREA * around(grid.tile_samples)).astype(np.int16)
    free = (around(counts) <= most).sum(0)
    return np.where(free == STEPS, 1, (free / (STEPS - 1)) ** 2).astype(np.float32)


def around(tiles: np.ndarray) -> np.ndarray:
    """Sums over each tile and its neighbours, [..., tile rows, tile columns]."""
    *more, rows, columns = tiles.shape
    wide = np.zeros((*more, rows + 2, columns + 2), tiles.dtype)
    wide[..., 1:-1, 1:-1] = tiles
    sums = wide[..., :-2, :] + wide[..., 1:-1, :] + wide[..., 2:, :]
    return sums[..., :-2] + sums[..., 1:-1] + sums[..., 2:]


def luminance_reach(
    watch: Watch, begin: torch.Tensor, end: torch.Tensor, moves: torch.Tensor, cells: torch.Tensor
) -> torch.Tensor:
    """The weights, [n], at which cells [n] make their transitions; lights [3, n], moves [up/down, n]."""
    turn = watch.luminance.turn
    assert turn is not None
    turns = watch.grid.crop(turn).reshape(2, -1).index_select(1, cells)
    target = torch.where(moves[UP] > 0, turns[UP] - ROUNDING, ROUNDING - turns[DOWN])
    first = relative_luminance(begin[:, None])[0]
    change = relative_luminance((end - begin)[:, None])[0]
    return (target - first) / torch.where(change == 0, 1e-9, change)


def red_reach(
    watch: Watch, begin: torch.Tensor, end: torch.Tensor, moves: torch.Tensor, cells: torch.Tensor
) -> torch.Tensor:
    """The weights, [n], at which cells [n] turn or leave saturated red; lights [3, n], moves [up/down, n]."""
    tracker = watch.red
    first, last = tracker.redness(begin) + ROUNDING / 6, tracker.redness(end) + ROUNDING / 6
    to_red = -first / (last - first).clamp(min=1e-9)
    if tracker.up is None:
        return to_red
    u0, v0 = tracker.chromaticity(begin)
    u1, v1 = tracker.chromaticity(end)
    low_u, low_v, minus_u, minus_v = tracker.box_of(cells)
    high_u, high_v = -minus_u, -minus_v
    corner_u = torch.where(u1 - low_u > high_u - u1, low_u, high_u)
    corner_v = torch.where(v1 - low_v > high_v - v1, low_v, high_v)
    du, dv, eu, ev = u1 - u0, v1 - v0, u0 - corner_u, v0 - corner_v
    step = 0.95 * tracker.step
    a, b, c = du * du + dv * dv, eu * du + ev * dv, eu * eu + ev * ev - step * step
    part = (((b * b - a * c).clamp(min=0).sqrt() - b) / a.clamp(min=1e-9)).clamp(0, 1)
    # How far along the line a mixture lies is set by the weights of the two lights in u'v'.
    w0, w1 = tracker.weight(begin), tracker.weight(end)
    from_red = part * w0 / (part * w0 + (1 - part) * w1)
    return torch.where(moves[DOWN] > 0, from_red, to_red)


def mean_reach(watch: Watch, begin: torch.Tensor, end: torch.Tensor) -> float:
    """The weight at which the mean luminance of the picture makes a transition."""
    tracker = watch.mean
    assert tracker.low is not None and tracker.high is not None
    first, last = (float(relative_luminance(light).mean()) for light in (begin, end))
    step = tracker.step - ROUNDING
    target = tracker.low + step if last > first else tracker.high - step
    return 1.0 if last == first else min(1.0, max(0.0, (target - first) / (last - first)))


def spread(tiles: np.ndarray) -> np.ndarray:
    """Weights by tile to smooth ones, nowhere above those of the tile itself; [tile rows, tile columns].

    Between the tiles' centres `Grid.between` goes on.
    """
    if tiles.min() == tiles.max():
        return tiles
    # The least weight within some tiles, averaged over one tile less.
    least = ndimage.minimum_filter(tiles, 2 * SOFT + 3, mode="nearest")
    least = ndimage.uniform_filter(least, 2 * SOFT + 1, mode="nearest")
    return np.where(least > 0.999, 1, least.clip(0, 1)).astype(np.float32)
