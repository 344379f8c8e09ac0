"""Watching a picture flash: the transitions of its cells and of its blocks, and whether they are too many."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from visualizer.picture.flash import rule
from visualizer.picture.flash.counts import CLOCK_SLACK, Counts, total
from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.transitions import DOWN, UP, Light, LuminanceTracker, MeanTracker, RedTracker

KINDS = ("general", "red")
# What only moves through a block once in a while, with fewer moves a second, has no part in its flashing.
OFTEN = 2


@dataclass
class _Recent:
    """The moves of one frame, [up/down, rows, columns], not too old to be together with others."""

    time: float
    moves: np.ndarray
    # Those, in any direction, that have not been counted because too few were together.
    waiting: np.ndarray
    # The sums of the moves over the tiles.
    tiles: np.ndarray
    # The part of every block, and last of the whole picture, that moved, [up/down, blocks + 1].
    filled: np.ndarray | None = None


@dataclass
class KindLook:
    """What showing a frame would do to the counts of one kind of flash."""

    moves: np.ndarray | None = None
    moved: np.ndarray | None = None
    recent: _Recent | None = None
    # Where moves count, [rows, columns], how many of each cell do now, and the most of these.
    together: np.ndarray | None = None
    counted: np.ndarray | None = None
    most: int = 0
    # Blocks with an event, [up/down, blocks + 2], and with one that opposes their last.
    fired: np.ndarray | None = None
    opposed: np.ndarray | None = None
    # Cells over the limit, the blocks of which they fill too much, and events that are one too many.
    over: np.ndarray | None = None
    bad_blocks: np.ndarray | None = None
    bad_events: np.ndarray | None = None

    @property
    def ok(self) -> bool:
        return self.bad_blocks is None and self.bad_events is None

    @property
    def only_mean(self) -> bool:
        """Whether nothing but the mean luminance breaks the rule: no place does by itself."""
        if self.bad_blocks is not None or self.bad_events is None:
            return False
        return not self.bad_events[:-1].any()


class Flashes:
    """The counts of one kind of flash: of every cell, and of every block as a whole.

    A cell's moves count where more than AREA of a block around it moves, either way, within TOGETHER:
    a texture that drifts by is no flash. Besides, a block has an event when more than AREA of it
    moves in one direction; events in opposing directions, in whatever part of the block, are
    transitions of the block. The whole picture is one more block, and its mean luminance another.
    """

    def __init__(self, grid: Grid, margin: float, resolution: float):
        self.grid = grid
        self.area = rule.AREA * (1 - margin)
        n_blocks = grid.positions[0] * grid.positions[1] + 2
        # With lower steps a transition may be found sooner than the rule finds it, even one window
        # sooner: with one in reserve it still can't be one too many.
        limit = rule.MAX_TRANSITIONS - (margin > 0)
        self.cells = Counts(grid.shape, limit, resolution)
        self.events = Counts((n_blocks,), limit, resolution)
        # Directions of the last event: 1 up, 2 down, 3 both at once.
        self.last = np.zeros(n_blocks, np.uint8)
        self.last_time = np.full((2, n_blocks), -1e9)
        self.recent: deque[_Recent] = deque()

    def advance(self, now: float, dt: float) -> None:
        """Forget what is too long ago; dt: seconds since the last time."""
        self.cells.advance(now, dt)
        self.events.advance(now, dt)
        while self.recent and self.recent[0].time <= now - rule.TOGETHER - CLOCK_SLACK:
            self.recent.popleft()

    def _filled(self, recent: _Recent) -> np.ndarray:
        if recent.filled is None:
            whole = recent.tiles.sum((1, 2)) / self.grid.n_cells
            blocks = self.grid.filled(recent.tiles).reshape(2, -1)
            recent.filled = np.concatenate((blocks, whole[:, None]), 1, dtype=np.float32)
        return recent.filled

    def look(self, moves: np.ndarray | None, mean_move: int | None, now: float) -> KindLook:
        """What these moves would do: of cells [up/down, rows, columns], and of the mean."""
        seen = KindLook()
        if moves is not None:
            self._look_at_cells(seen, moves, now)
        if mean_move is not None:
            if seen.fired is None:
                seen.fired = np.zeros(self.last_time.shape, bool)
            seen.fired[mean_move, -1] = True
        if seen.counted is not None:
            over = seen.over = self.cells.over(seen.counted, seen.most)
            if over is not None:
                seen.bad_blocks = self.grid.exceeds(self.grid.sum_tiles(over), lambda: over, self.area)
        if seen.fired is not None:
            opposed = (seen.fired[UP] & (self.last != 1)) | (seen.fired[DOWN] & (self.last != 2))
            seen.opposed = opposed.astype(np.int16)
            events = self.events.over(seen.opposed, 1)
            if events is not None:
                bad = events & opposed
                seen.bad_events = bad if bad.any() else None
        return seen

    def _look_at_cells(self, seen: KindLook, moves: np.ndarray, now: float) -> None:
        seen.moves, seen.moved = moves, moves[UP] + moves[DOWN]
        seen.recent = _Recent(now, moves, seen.moved, self.grid.sum_tiles(moves))
        recents = [*self.recent, seen.recent]
        tiles = total(r.tiles for r in recents)
        if tiles.sum() <= self.area * self.grid.block_cells:
            return
        blocks = self.grid.exceeds(tiles.sum(0), lambda: total(r.moves.sum(0) for r in recents), self.area)
        if blocks is not None:
            seen.together = self.grid.to_cells(self.grid.tiles_in(blocks))
            seen.counted = total(r.waiting for r in recents) * seen.together
            seen.most = int(seen.counted.max())
        for way in (UP, DOWN):
            if self._may_fire(way, tiles[way], recents, blocks):
                if seen.fired is None:
                    seen.fired = np.zeros(self.last_time.shape, bool)
                fresh = total(self._filled(r)[way] * (r.time > self.last_time[way, :-1]) for r in recents)
                np.greater(fresh, self.area, out=seen.fired[way, :-1])

    def _may_fire(
        self, way: int, tiles: np.ndarray, recents: list[_Recent], blocks: np.ndarray | None
    ) -> bool:
        """Whether any block has moved together one way; blocks: those that have in either."""
        if tiles.sum() > self.area * self.grid.n_cells:
            return True
        if blocks is None:
            return False
        return self.grid.exceeds(tiles, lambda: total(r.moves[way] for r in recents), self.area) is not None

    def accept(self, seen: KindLook, now: float, dt: float) -> None:
        """What was looked at is what was shown."""
        self.cells.add(now, dt, seen.counted, seen.most)
        self.events.add(now, dt, seen.opposed, 1)
        if seen.recent is not None:
            self.recent.append(seen.recent)
        if seen.together is not None:
            apart = ~seen.together
            for recent in self.recent:
                recent.waiting = recent.waiting * apart
        if seen.fired is not None and seen.opposed is not None:
            bits = seen.fired[UP] + 2 * seen.fired[DOWN].astype(np.uint8)
            self.last = np.where(seen.opposed > 0, bits, self.last)
            self.last_time[seen.fired] = now

    def tiles_over(self, blocks: np.ndarray | None, events: np.ndarray | None) -> np.ndarray:
        """Tiles in any of these blocks [positions], or of those with these events, bool."""
        over = np.zeros(self.grid.positions, bool)
        if blocks is not None:
            over |= blocks
        if events is not None:
            if events[-2]:
                return np.ones(self.grid.tiles, bool)
            over |= events[:-2].reshape(self.grid.positions)
        return self.grid.tiles_in(over)

    def bad_tiles(self, seen: KindLook, part: float) -> np.ndarray:
        """Tiles of which more than `part` flashes, in the blocks that would break the rule; bool."""
        tiles = np.zeros(self.grid.tiles, bool)
        enough = part * self.grid.tile_cells
        if seen.bad_blocks is not None:
            assert seen.over is not None and seen.counted is not None
            flashing = self.grid.sum_tiles(seen.over * seen.counted) > enough
            tiles |= flashing & self.tiles_over(seen.bad_blocks, None)
        if seen.only_mean:
            return ~tiles
        if seen.bad_events is not None:
            assert seen.moved is not None
            flashing = self.grid.sum_tiles(seen.moved * (self.cells.count >= OFTEN)) > enough
            tiles |= flashing & self.tiles_over(None, seen.bad_events)
        return tiles

    def broken(self) -> tuple[float, float]:
        """(for the limit of one second, for that of five): the part of the worst block over it, 0 if kept."""
        one, five = map(self._broken_part, self.cells.broken(), self.events.broken())
        return one, five

    def _broken_part(self, cells: np.ndarray | None, events: np.ndarray | None) -> float:
        if cells is not None:
            tiles = self.grid.sum_tiles(cells)
            if self.grid.exceeds(tiles, lambda: cells, self.area) is not None:
                return float(self.grid.filled(tiles).max())
        return rule.AREA if events is not None and events.any() else 0.0


@dataclass
class Look:
    """What showing a frame would do: nothing has been done yet."""

    light: Light
    luminance: np.ndarray | None
    mean: tuple[float, int | None]
    red: np.ndarray | None
    kinds: tuple[KindLook, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the rule would still hold."""
        return all(kind.ok for kind in self.kinds)


class Watch:
    """Follows frames on the analysis grid and tells whether they keep the rule.

    For every frame: `advance` the clock, `look` at one or more candidates, `accept` what is shown.
    """

    def __init__(self, grid: Grid, margin: float = 0.0, resolution: float = 0.25):
        """margin: by what part to tighten the thresholds; resolution: seconds by which busy times may be
        overrated."""
        self.grid = grid
        self.luminance = LuminanceTracker(margin)
        self.mean = MeanTracker(margin)
        self.red = RedTracker(margin, grid)
        self.kinds = tuple(Flashes(grid, margin, resolution) for _ in KINDS)
        self.now = self.dt = 0.0

    def advance(self, dt: float) -> None:
        """dt: seconds since the last accepted frame."""
        self.now += dt
        self.dt = dt
        for kind in self.kinds:
            kind.advance(self.now, dt)

    def look(self, cells: np.ndarray) -> Look:
        """cells: of the candidate frame, [3, rows, columns] float32 linear RGB in 0..1, contiguous."""
        light = Light(cells, self.mean.ceiling, float(self.red.share))
        seen = Look(
            light, self.luminance.look(light.luminance), self.mean.look(light.mean), self.red.look(light)
        )
        general, red = self.kinds
        seen.kinds = (
            general.look(seen.luminance, seen.mean[1], self.now),
            red.look(seen.red if self.red.started else None, None, self.now),
        )
        return seen

    def accept(self, seen: Look) -> None:
        """The frame looked at is what was shown."""
        self.luminance.accept(seen.light.luminance, seen.luminance)
        self.mean.accept(*seen.mean)
        self.red.accept(seen.light, seen.red)
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            kind.accept(kind_seen, self.now, self.dt)

    def bad_tiles(self, seen: Look, part: float) -> np.ndarray:
        """Tiles with which the rule would not hold, as more than `part` of them flashes; bool."""
        tiles = np.zeros(self.grid.tiles, bool)
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            if not kind_seen.ok:
                tiles |= kind.bad_tiles(kind_seen, part)
        return tiles

    def flashes(self) -> float:
        """The most flashes, of either kind, that any block made as a whole in the last second."""
        return max(float(kind.events.count.max()) for kind in self.kinds) / 2
