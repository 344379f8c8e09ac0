"""Watching a picture flash: how often its cells and whole areas make transitions.

As in flash_transitions, the first dimension of most tensors is the level. Time is in seconds and
only ever summed from the frames' durations, so the frame rate does not matter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import torch

from visualizer.display import flash_rule as rule
from visualizer.display.flash_rule import Grid
from visualizer.display.flash_transitions import DOWN, UP, LuminanceTracker, RedTracker, column

KINDS = ("general", "red")
# Sums of many durations are not exact: a transition exactly one window ago is no longer in it.
CLOCK_SLACK = 1e-5
# From here on no further busy second may begin: it could last one WINDOW more.
TIRED = rule.SUSTAINED - rule.WINDOW - 0.05


class Counts:
    """For every element of a shape: its moves in the last second, and how long it has been busy.

    Busy is who made SUSTAINED_TRANSITIONS moves or more in the last second; `busy_time` is for how
    many of the last five seconds.
    """

    def __init__(self, shape: tuple[int, ...], device: torch.device, resolution: float):
        self.shape, self.device, self.resolution = shape, device, resolution
        self.count = torch.zeros(shape, dtype=torch.int16, device=device)
        self.busy_time: torch.Tensor | None = None
        # Who was let go on although tired, because the area doing so was small.
        self.exempt: torch.Tensor | None = None
        self._marks: deque[tuple[float, torch.Tensor]] = deque()
        self._bins: deque[list] = deque()

    def advance(self, now: float) -> None:
        """Forget what is too long ago."""
        while self._marks and self._marks[0][0] <= now - rule.WINDOW + CLOCK_SLACK:
            self.count -= self._marks.popleft()[1].view(torch.uint8)
        while self._bins and self._bins[0][1] <= now - rule.SUSTAINED_WINDOW:
            self.busy_time -= self._bins.popleft()[2]
        if not self._bins:
            self.busy_time = None

    def tired(self, dt: float) -> torch.Tensor | None:
        """Who has been busy for as long as is safe; None if nobody."""
        if self.busy_time is None or len(self._marks) < rule.SUSTAINED_TRANSITIONS - 1:
            return None
        tired = (self.busy_time + dt >= TIRED) & (self.count >= rule.SUSTAINED_TRANSITIONS - 1)
        return tired if bool(tired.any()) else None

    def over(self, moves: torch.Tensor | None, dt: float) -> torch.Tensor | None:
        """Who would be over the limit, or is already, if `moves` were made; None if nobody can be."""
        over = None
        if len(self._marks) >= rule.MAX_TRANSITIONS:
            count = self.count if moves is None else self.count + moves
            over = count > rule.MAX_TRANSITIONS
        tired = None if moves is None else self.tired(dt)
        for more in (self.exempt, None if tired is None else tired & moves):
            if more is not None:
                over = more if over is None else over | more
        return over

    def over_now(self) -> torch.Tensor | None:
        """Who is over the limit of a second, or tired and still at it; None if nobody can be."""
        over = self.count > rule.MAX_TRANSITIONS if len(self._marks) > rule.MAX_TRANSITIONS else None
        if self.busy_time is not None:
            tired = (self.busy_time >= TIRED) & (self.count >= rule.SUSTAINED_TRANSITIONS)
            over = tired if over is None else over | tired
        return over

    def add(self, now: float, dt: float, moves: torch.Tensor | None) -> None:
        """The moves that were made at time `now`, None for none; dt since the last ones."""
        if moves is not None:
            tired = self.tired(dt)
            if tired is not None:
                tired = tired & moves
                self.exempt = tired if self.exempt is None else self.exempt | tired
            self.count += moves
            self._marks.append((now, moves))
        busy = None
        if len(self._marks) >= rule.SUSTAINED_TRANSITIONS:
            busy = self.count >= rule.SUSTAINED_TRANSITIONS
            busy = busy if bool(busy.any()) else None
        if self.exempt is not None:
            self.exempt = None if busy is None else self.exempt & busy
        if busy is None:
            return
        if self.busy_time is None:
            self.busy_time = torch.zeros(self.shape, device=self.device)
        amount = busy * dt
        self.busy_time += amount
        if self._bins and now - self._bins[-1][0] < self.resolution:
            self._bins[-1][1] = now
            self._bins[-1][2] += amount
        else:
            self._bins.append([now, now, amount])

    def worst(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """(who is over the limit of one second, who is over the limit of five); None if nobody can be."""
        general = sustained = None
        if len(self._marks) > rule.MAX_TRANSITIONS:
            general = self.count > rule.MAX_TRANSITIONS
        if self.busy_time is not None:
            long = self.busy_time >= rule.SUSTAINED - 10 * CLOCK_SLACK
            sustained = long & (self.count >= rule.SUSTAINED_TRANSITIONS)
        return general, sustained

    def fork(self, level: int) -> Counts:
        one = slice(level, level + 1)
        other = Counts((1, *self.shape[1:]), self.device, self.resolution)
        other.count = self.count[one].clone()
        for name in ("busy_time", "exempt"):
            tensor = getattr(self, name)
            setattr(other, name, None if tensor is None else tensor[one].clone())
        other._marks = deque((t, mask[one]) for t, mask in self._marks)
        other._bins = deque([start, end, amount[one].clone()] for start, end, amount in self._bins)
        return other


@dataclass
class _Recent:
    """The moves of one frame, still waiting for others to make an event together."""

    time: float
    moves: torch.Tensor
    tile_sums: torch.Tensor
    fractions: torch.Tensor | None = None


@dataclass
class KindLook:
    """What showing a frame would do to the counts of one kind of flash."""

    moves: torch.Tensor | None = None
    moved: torch.Tensor | None = None
    recent: _Recent | None = None
    fired: torch.Tensor | None = None
    opposed: torch.Tensor | None = None
    # Cells over the limit, the blocks of which they fill too much, and events that are one too many.
    over: torch.Tensor | None = None
    bad_blocks: torch.Tensor | None = None
    bad_events: torch.Tensor | None = None

    @property
    def ok(self) -> bool:
        return self.bad_blocks is None and self.bad_events is None


class Flashes:
    """The counts of one kind of flash: of every cell, and of every block as a whole.

    A block has an event when more than AREA of it moves in one direction within TOGETHER; events in
    opposing directions, in whatever part of the block, are transitions of the block. The whole
    picture is one more block, and its mean luminance another.
    """

    def __init__(self, grid: Grid, margins: tuple[float, ...], resolution: float):
        self.grid, levels = grid, len(margins)
        self.area = column([rule.AREA * (1 - m) for m in margins], grid.device)
        self.blocks = grid.positions[0] * grid.positions[1]
        shape = levels, self.blocks + 2
        self.cells = Counts((levels, *grid.shape), grid.device, resolution)
        self.events = Counts(shape, grid.device, resolution)
        # Directions of the last event: 1 up, 2 down, 3 both at once.
        self.last = torch.zeros(shape, dtype=torch.uint8, device=grid.device)
        self.last_time = torch.full((2, *shape), -1e9, dtype=torch.float64, device=grid.device)
        self.recent: deque[_Recent] = deque()

    def advance(self, now: float) -> None:
        self.cells.advance(now)
        self.events.advance(now)
        while self.recent and self.recent[0].time <= now - rule.TOGETHER:
            self.recent.popleft()

    def _fractions(self, recent: _Recent) -> torch.Tensor:
        if recent.fractions is None:
            blocks = self.grid.fractions(recent.moves).flatten(2)
            whole = recent.moves.float().mean((2, 3))[..., None]
            recent.fractions = torch.cat((blocks, whole), 2)
        return recent.fractions

    def _fired(self, recent: _Recent | None, mean_moves: torch.Tensor | None) -> torch.Tensor | None:
        """Who has an event now, [up/down, levels, blocks + 2]; None if nobody."""
        fired = None
        if recent is not None:
            sums = recent.tile_sums
            for r in self.recent:
                sums = sums + r.tile_sums
            if bool((self.grid.bound(sums) > self.area.view(-1)).any()):
                filled = self._fractions(recent)
                for r in self.recent:
                    waiting = r.time > self.last_time[..., :-1]
                    filled = filled + self._fractions(r) * waiting
                fired = torch.nn.functional.pad(filled > self.area[..., 0], (0, 1))
        if mean_moves is not None:
            if fired is None:
                fired = torch.zeros_like(self.last_time, dtype=torch.bool)
            fired[..., -1] = mean_moves
        return fired if fired is not None and bool(fired.any()) else None

    def look(
        self, moves: torch.Tensor | None, mean_moves: torch.Tensor | None, now: float, dt: float
    ) -> KindLook:
        """What these moves would do: of cells [up/down, levels, rows, columns], and of the mean."""
        seen = KindLook()
        if moves is not None and bool(moves.any()):
            seen.moves, seen.moved = moves, moves[UP] | moves[DOWN]
            seen.recent = _Recent(now, moves, self.grid.sum_tiles(moves))
        seen.over = self.cells.over(seen.moved, dt)
        if seen.over is not None and seen.moved is not None:
            seen.bad_blocks = self.grid.exceeds(seen.over, self.area)
        seen.fired = self._fired(seen.recent, mean_moves)
        if seen.fired is not None:
            seen.opposed = (seen.fired[UP] & (self.last != 1)) | (seen.fired[DOWN] & (self.last != 2))
            over = self.events.over(seen.opposed, dt)
            if over is not None:
                bad = over & seen.opposed
                seen.bad_events = bad if bool(bad.any()) else None
        return seen

    def accept(self, seen: KindLook, now: float, dt: float) -> None:
        self.cells.add(now, dt, seen.moved)
        self.events.add(now, dt, seen.opposed)
        if seen.recent is not None:
            self.recent.append(seen.recent)
        if seen.fired is not None:
            bits = seen.fired[UP].to(torch.uint8) + 2 * seen.fired[DOWN].to(torch.uint8)
            self.last = torch.where(seen.opposed, bits, self.last)
            self.last_time.masked_fill_(seen.fired, now)

    def tiles_over(self, cells: torch.Tensor | None, events: torch.Tensor | None) -> torch.Tensor:
        """Tiles touched by the blocks that these (any level) or these events are in, bool."""
        blocks = torch.zeros(self.grid.positions, dtype=torch.bool, device=self.grid.device)
        if cells is not None:
            blocks |= cells.any(0)
        if events is not None:
            events = events.any(0)
            if bool(events[-2:].any()):
                return torch.ones(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
            blocks |= events[:-2].view(self.grid.positions)
        return self.grid.tiles_under(blocks)

    def restless(self, part: float) -> torch.Tensor | None:
        """Tiles of which more than `part`, or a block on them, is over a limit now; None if there are none."""
        cells, events = self.cells.over_now(), self.events.over_now()
        tiles = None if events is None else self.tiles_over(None, events)
        if cells is not None:
            many = self.grid.sum_tiles(cells[-1]) > part * self.grid.tile_cells
            tiles = many if tiles is None else tiles | many
        return tiles

    def worst(self) -> dict[str, float]:
        """Part of the worst block that is over each limit now: {"limit": .., "sustained": ..}, 0 if none."""
        result = {"limit": 0.0, "sustained": 0.0}
        for name, cells, events in zip(result, self.cells.worst(), self.events.worst(), strict=True):
            if cells is not None and self.grid.exceeds(cells, self.area) is not None:
                result[name] = float(self.grid.fractions(cells).max())
            elif events is not None and bool(events.any()):
                result[name] = rule.AREA
        return result

    def fork(self, level: int) -> Flashes:
        one = slice(level, level + 1)
        other = object.__new__(Flashes)
        other.grid, other.blocks, other.area = self.grid, self.blocks, self.area[one]
        other.cells, other.events = self.cells.fork(level), self.events.fork(level)
        other.last, other.last_time = self.last[one].clone(), self.last_time[:, one].clone()
        other.recent = deque(_Recent(r.time, r.moves[:, one], r.tile_sums[:, one], None) for r in self.recent)
        return other


@dataclass
class Look:
    """What showing a frame would do: nothing has been done yet."""

    luminance: tuple[torch.Tensor, torch.Tensor]
    mean: tuple[torch.Tensor, torch.Tensor]
    red: tuple[tuple | None, torch.Tensor | None]
    kinds: tuple[KindLook, KindLook] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the rule would still hold."""
        return all(kind.ok for kind in self.kinds)


class Watch:
    """Follows frames on the analysis grid and tells whether they keep the rule.

    For every frame: `advance` the clock, `look` at one or more candidates, `accept` what is shown.
    """

    def __init__(self, grid: Grid, margins: tuple[float, ...] = (0.0,), resolution: float = 0.25):
        """One level per margin; `resolution` in seconds is by how much busy times may be overrated."""
        self.grid = grid
        self.weights = torch.tensor(rule.LUMINANCE, device=grid.device)
        self.luminance = LuminanceTracker(margins, grid.device)
        self.mean = LuminanceTracker(margins, grid.device)
        self.red = RedTracker(margins, grid.device)
        self.kinds = tuple(Flashes(grid, margins, resolution) for _ in KINDS)
        self.now = self.dt = 0.0

    def advance(self, dt: float) -> None:
        """dt: seconds since the last accepted frame."""
        self.now += dt
        self.dt = dt
        for kind in self.kinds:
            kind.advance(self.now)

    def relative_luminance(self, linear: torch.Tensor) -> torch.Tensor:
        """[3, rows, columns] linear RGB to [rows, columns] in 0..1."""
        return (self.weights @ linear.view(3, -1)).view(linear.shape[1:])

    def look(self, linear: torch.Tensor) -> Look:
        """linear: the candidate on the grid, [3, rows, columns] linear RGB in 0..1."""
        luminance = self.relative_luminance(linear)
        seen = Look(
            self.luminance.look(luminance),
            self.mean.look(luminance.mean().view(1, 1)),
            self.red.look(linear),
        )
        mean_moves = seen.mean[1][..., 0, 0]
        mean_moves = mean_moves if bool(mean_moves.any()) else None
        general, red = self.kinds
        seen.kinds = (
            general.look(seen.luminance[1], mean_moves, self.now, self.dt),
            red.look(seen.red[1], None, self.now, self.dt),
        )
        return seen

    def accept(self, seen: Look) -> None:
        """The frame looked at is what was shown."""
        self.luminance.accept(*seen.luminance, moved=seen.kinds[0].moves is not None)
        self.mean.accept(*seen.mean, moved=True)
        self.red.accept(*seen.red)
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            kind.accept(kind_seen, self.now, self.dt)

    def bad_tiles(self, seen: Look) -> torch.Tensor:
        """Tiles in the blocks where the rule would not hold, bool."""
        tiles = torch.zeros(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
        for kind, kind_seen in zip(self.kinds, seen.kinds, strict=True):
            if not kind_seen.ok:
                tiles |= kind.tiles_over(kind_seen.bad_blocks, kind_seen.bad_events)
        return tiles

    def flashes(self) -> float:
        """The most flashes, of either kind, that any block made as a whole in the last second."""
        return max(int(kind.events.count[0].max()) for kind in self.kinds) / 2

    def restless_tiles(self, part: float) -> torch.Tensor:
        """Tiles of which more than `part`, or a block on them, is over a limit now, bool."""
        tiles = torch.zeros(self.grid.tiles, dtype=torch.bool, device=self.grid.device)
        for kind in self.kinds:
            more = kind.restless(part)
            if more is not None:
                tiles |= more
        return tiles

    def fork(self, level: int) -> Watch:
        """An independent copy of one level, with the same past."""
        other = object.__new__(Watch)
        other.grid, other.weights, other.now, other.dt = self.grid, self.weights, self.now, self.dt
        other.luminance, other.mean = self.luminance.fork(level), self.mean.fork(level)
        other.red = self.red.fork(level)
        other.kinds = tuple(kind.fork(level) for kind in self.kinds)
        return other
