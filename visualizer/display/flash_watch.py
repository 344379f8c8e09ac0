"""Watching a picture flash: the transitions of its cells and of its blocks, and whether they are too many."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from visualizer.display import flash_rule as rule
from visualizer.display.flash_counts import Counts
from visualizer.display.flash_rule import Grid
from visualizer.display.flash_transitions import DOWN, SCALE, UP, LuminanceTracker, MeanTracker, RedTracker

KINDS = ("general", "red")


@dataclass
class _Recent:
    """The moves of one frame, [up/down, levels, rows, columns], not too old to be together with others."""

    time: float
    moves: torch.Tensor
    # Their sums over the tiles, and over all of them for each level.
    tiles: torch.Tensor
    total: torch.Tensor
    # Those, in any direction, that have not been counted because too few were together.
    waiting: torch.Tensor
    # The part of every block, and last of the whole picture, that moved, [up/down, levels, blocks + 1].
    filled: torch.Tensor | None = None


@dataclass
class KindLook:
    """What showing a frame would do to the counts of one kind of flash."""

    moves: torch.Tensor | None = None
    moved: torch.Tensor | None = None
    recent: _Recent | None = None
    # Where moves count, [levels, rows, columns], and how many of each cell do now.
    together: torch.Tensor | None = None
    counted: torch.Tensor | None = None
    fired: torch.Tensor | None = None
    opposed: torch.Tensor | None = None
    # Cells over the limit, the blocks of which they fill too much, and events that are one too many.
    over: torch.Tensor | None = None
    bad_blocks: torch.Tensor | None = None
    bad_events: torch.Tensor | None = None
    # Whether each level of the rule would still hold.
    levels: tuple[bool, ...] = ()

    @property
    def ok(self) -> bool:
        return self.bad_blocks is None and self.bad_events is None

    @property
    def only_mean(self) -> bool:
        """Whether nothing but the mean luminance breaks the rule: no place does by itself."""
        elsewhere = self.bad_blocks is not None or self.bad_events is None
        return not elsewhere and not bool(self.bad_events[:, :-1].any())


class Flashes:
    """The counts of one kind of flash: of every cell, and of every block as a whole.

    A cell's moves count where more than AREA of a block around it moves, either way, within TOGETHER:
    a texture that drifts by is no flash. Besides, a block has an event when more than AREA of it
    moves in one direction; events in opposing directions, in whatever part of the block, are
    transitions of the block. The whole picture is one more block, and its mean luminance another.
    """

    def __init__(self, grid: Grid, margins: tuple[float, ...], resolution: float):
        self.grid, levels = grid, len(margins)
        self.areas = [rule.AREA * (1 - m) for m in margins]
        self.area = torch.tensor(self.areas, device=grid.device).view(-1, 1)
        shape = levels, grid.positions[0] * grid.positions[1] + 2
        self.cells = Counts((levels, *grid.padded), grid.device, resolution)
        self.events = Counts(shape, grid.device, resolution)
        # Directions of the last event: 1 up, 2 down, 3 both at once.
        self.last = torch.zeros(shape, dtype=torch.uint8, device=grid.device)
        self.last_time = torch.full((2, *shape), -1e9, dtype=torch.float64, device=grid.device)
        self.recent: deque[_Recent] = deque()

    def advance(self, now: float, dt: float) -> None:
        """Forget what is too long ago; dt: seconds since the last time."""
        self.cells.advance(now, dt)
        self.events.advance(now, dt)
        while self.recent and self.recent[0].time <= now - rule.TOGETHER:
            self.recent.popleft()

    def _filled(self, recent: _Recent) -> torch.Tensor:
        if recent.filled is None:
            whole = recent.tiles.sum((2, 3)).float().div_(self.grid.shape[0] * self.grid.shape[1])
            recent.filled = torch.cat((self.grid.filled(recent.tiles).flatten(2), whole[..., None]), 2)
        return recent.filled

    def _together(self, recents: list[_Recent]) -> torch.Tensor | None:
        """Where so many cells moved that they fill too much of a block, [levels, rows, columns]; or None."""
        tiles = sum(r.tiles[UP] + r.tiles[DOWN] for r in recents)
        blocks = self.grid.exceeds(tiles, lambda: sum(r.moves.sum(0) for r in recents), self.areas)
        return None if blocks is None else self.grid.to_cells(self.grid.tiles_in(blocks).short())

    def _fired(self, recents: list[_Recent]) -> torch.Tensor:
        """Who has an event now, [up/down, levels, blocks + 2] bool."""
        filled = sum(self._filled(r) * (r.time > self.last_time[..., :-1]) for r in recents)
        return F.pad(filled > self.area, (0, 1))

    def look(self, moves: torch.Tensor | None, mean_moves: torch.Tensor | None, now: float) -> KindLook:
        """What these moves would do: of cells [up/down, levels, rows, columns], and of the mean."""
        seen = KindLook(levels=(True,) * len(self.areas))
        if moves is not None:
            self._look_at_cells(seen, moves, now)
        if mean_moves is not None:
            if seen.fired is None:
                seen.fired = torch.zeros(self.last_time.shape, dtype=torch.bool, device=self.grid.device)
            seen.fired[..., -1] = mean_moves
        if seen.counted is not None:
            seen.over = self.cells.over(seen.counted)
            if seen.over is not None:
                tiles = self.grid.sum_tiles(seen.over)
                seen.bad_blocks = self.grid.exceeds(tiles, lambda: seen.over, self.areas)
        if seen.fired is not None:
            opposed = (seen.fired[UP] & (self.last != 1)) | (seen.fired[DOWN] & (self.last != 2))
            seen.opposed = opposed.short()
            over = self.events.over(seen.opposed)
            if over is not None:
                bad = (over * seen.opposed) > 0
                seen.bad_events = bad if bool(bad.any()) else None
        for bad in (seen.bad_blocks, seen.bad_events):
            if bad is not None:
                broken = bad.flatten(1).any(1).tolist()
                seen.levels = tuple(ok and not b for ok, b in zip(seen.levels, broken, strict=True))
        return seen

    def _look_at_cells(self, seen: KindLook, moves: torch.Tensor, now: float) -> None:
        seen.moves, seen.moved = moves, moves[UP] + moves[DOWN]
        tiles = self.grid.sum_tiles(moves)
        seen.recent = _Recent(now, moves, tiles, tiles.sum((0, 2, 3)), seen.moved)
        recents = [*self.recent, seen.recent]
        cells = sum(r.total for r in recents).tolist()
        if all(n <= area * self.grid.block_cells for n, area in zip(cells, self.areas, strict=True)):
            return
        seen.together = self._together(recents)
        if seen.together is not None:
            seen.counted = sum(r.waiting for r in recents) * seen.together
        whole = max(n / area for n, area in zip(cells, self.areas, strict=True))
        if seen.together is not None or whole > self.grid.shape[0] * self.grid.shape[1]:
            seen.fired = self._fired(recents)

    def accept(self, seen: KindLook, now: float, dt: float) -> None:
        """What was looked at is what was shown."""
        self.cells.add(now, dt, seen.counted)
        self.events.add(now, dt, seen.opposed)
        if seen.recent is not None:
            self.recent.append(seen.recent)
        if seen.together is not None:
            for recent in self.recent:
                recent.waiting = recent.waiting * (1 - seen.together)
        if seen.fired is not None:
            bits = seen.fired[UP].byte() + 2 * seen.fired[DOWN].byte()
            self.last = torch.where(seen.opposed > 0, bits, self.last)
            self.last_time.masked_fill_(seen.fired, now)

    def tiles_over(self, blocks: torch.Tensor | None, events: torch.Tensor | None) -> torch.Tensor:
        """Tiles in any of these blocks [levels, positions], or of those with these events, bool."""
        over = torch.zeros(self.grid.positions, dtype=torch.bool, device=self.grid.device)
        if blocks is not None:
            over |= blocks.any(0)
        if events is not None:
            events = events.any(0)
            if bool(events[-2]):
                return torch.ones(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
            over |= events[:-2].view(self.grid.positions)
        return self.grid.tiles_in(over)

    def bad_tiles(self, seen: KindLook, part: float) -> torch.Tensor:
        """Tiles of which more than `part` flashes, in the blocks that would break the rule; bool."""
        tiles = torch.zeros(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
        enough = part * self.grid.tile_cells
        if seen.bad_blocks is not None:
            flashing = self.grid.sum_tiles((seen.over * seen.counted)[-1]) > enough
            tiles |= flashing & self.tiles_over(seen.bad_blocks, None)
        if seen.only_mean:
            return ~tiles
        if seen.bad_events is not None:
            # What only moves through such a block once in a while has no part in its flashing.
            flashing = self.grid.sum_tiles(seen.moved[-1] * self.cells.count[-1].ge(2)) > enough
            tiles |= flashing & self.tiles_over(None, seen.bad_events)
        return tiles

    def restless(self, part: float) -> torch.Tensor | None:
        """Tiles of which more than `part`, or a block over them, is over a limit now; None for none."""
        cells, events = self.cells.over_now(), self.events.over_now()
        tiles = None
        if events is not None and bool(events.any()):
            often = self.grid.sum_tiles(self.cells.count[-1].ge(2).short()) > part * self.grid.tile_cells
            tiles = often & self.tiles_over(None, events > 0)
        if cells is not None:
            many = self.grid.sum_tiles(cells[-1]) > part * self.grid.tile_cells
            tiles = many if tiles is None else tiles | many
        return tiles

    def broken(self) -> tuple[float, float]:
        """(for the limit of one second, for that of five): the part of the worst block over it, 0 if kept."""
        parts = []
        for cells, events in zip(self.cells.broken(), self.events.broken(), strict=True):
            part = 0.0
            if events is not None and bool(events.any()):
                part = rule.AREA
            if cells is not None:
                tiles = self.grid.sum_tiles(cells)
                if self.grid.exceeds(tiles, lambda cells=cells: cells, self.areas) is not None:
                    part = float(self.grid.filled(tiles).max())
            parts.append(part)
        return parts[0], parts[1]

    def fork(self, level: int) -> Flashes:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = copy.copy(self)
        other.areas, other.area = self.areas[one], self.area[one]
        other.cells, other.events = self.cells.fork(level), self.events.fork(level)
        other.last, other.last_time = self.last[one].clone(), self.last_time[:, one].clone()
        other.recent = deque(
            _Recent(r.time, r.moves[:, one], r.tiles[:, one], r.total[one], r.waiting[one])
            for r in self.recent
        )
        return other


@dataclass
class Look:
    """What showing a frame would do: nothing has been done yet."""

    luminance: tuple[torch.Tensor, torch.Tensor | None]
    mean: tuple[float, list[int | None] | None]
    red: tuple[tuple | None, torch.Tensor | None]
    kinds: tuple[KindLook, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether all levels of the rule would still hold."""
        return all(kind.ok for kind in self.kinds)

    def keeps(self, level: int) -> bool:
        """Whether one level of the rule would still hold."""
        return all(kind.levels[level] for kind in self.kinds)


class Watch:
    """Follows frames on the analysis grid and tells whether they keep the rule.

    For every frame: `advance` the clock, `look` at one or more candidates, `accept` what is shown.
    """

    def __init__(self, grid: Grid, margins: tuple[float, ...] = (0.0,), resolution: float = 0.25):
        """One level per margin, in rising order; resolution: seconds by which busy times may be overrated."""
        self.grid = grid
        self.weights = torch.tensor(rule.LUMINANCE, device=grid.device)
        self.luminance = LuminanceTracker(margins, grid.device)
        self.mean = MeanTracker(margins)
        self.red = RedTracker(margins, grid)
        self.kinds = tuple(Flashes(grid, margins, resolution) for _ in KINDS)
        self.now = self.dt = 0.0

    def advance(self, dt: float) -> None:
        """dt: seconds since the last accepted frame."""
        self.now += dt
        self.dt = dt
        for kind in self.kinds:
            kind.advance(self.now, dt)

    def relative_luminance(self, linear: torch.Tensor) -> torch.Tensor:
        """[3, rows, columns] linear RGB to [rows, columns] in 0..1."""
        return (self.weights @ linear.view(3, -1)).view(linear.shape[1:])

    def look(self, linear: torch.Tensor) -> Look:
        """linear: the candidate on the grid, [3, rows, columns] linear RGB in 0..1, contiguous."""
        luminance = self.relative_luminance(linear)
        mean = self.mean.look(float(luminance.mean()))
        units = self.grid.pad(luminance.mul_(SCALE).add_(0.5).short())
        seen = Look(self.luminance.look(units), mean, self.red.look(linear))
        mean_moves = None
        if mean[1] is not None:
            moves = [[move == way for move in mean[1]] for way in (UP, DOWN)]
            mean_moves = torch.tensor(moves, device=self.grid.device)
        general, red = self.kinds
        seen.kinds = (
            general.look(seen.luminance[1], mean_moves, self.now),
            red.look(seen.red[1], None, self.now),
        )
        return seen

    def accept(self, seen: Look) -> None:
        """The frame looked at is what was shown."""
        self.luminance.accept(*seen.luminance)
        self.mean.accept(*seen.mean)
        self.red.accept(seen.red[0])
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            kind.accept(kind_seen, self.now, self.dt)

    def bad_tiles(self, seen: Look, part: float) -> torch.Tensor:
        """Tiles with which the rule would not hold, as more than `part` of them flashes; bool."""
        tiles = torch.zeros(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            if not kind_seen.ok:
                tiles |= kind.bad_tiles(kind_seen, part)
        return tiles

    def restless_tiles(self, part: float) -> torch.Tensor:
        """Tiles of which more than `part`, or a block over them, is over a limit now, bool."""
        tiles = torch.zeros(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
        for kind in self.kinds:
            more = kind.restless(part)
            if more is not None:
                tiles |= more
        return tiles

    def flashes(self) -> float:
        """The most flashes, of either kind, that any block made as a whole in the last second."""
        return max(float(kind.events.count[0].max()) for kind in self.kinds) / 2

    def fork(self, level: int) -> Watch:
        """An independent copy of one level, with the same past; something must have been accepted."""
        other = copy.copy(self)
        other.luminance, other.mean = self.luminance.fork(level), self.mean.fork(level)
        other.red = self.red.fork(level)
        other.kinds = tuple(kind.fork(level) for kind in self.kinds)
        return other
