"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

`look` changes nothing, `accept` does. Moves are int16, 0 or 1, which a CPU adds fastest. `margin` is
by what part the rule's thresholds are tightened.
"""

from __future__ import annotations

import copy
from functools import cached_property

import torch

from visualizer.display.flash import rule
from visualizer.display.flash.grid import Grid

UP, DOWN = 0, 1
# Added to a step, so that it can't be taken.
NEVER = 9.0
# Steps are shorter by this, so that sums in another order can't find more.
ROUNDING = 1e-6
# A bound in u'v' that any colour goes beyond.
EMPTY = 9.0

RedSeen = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Whether each cell is red, its u' and v', and whether it comes down; the last None if none does."""


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margin: float):
        self.step = rule.LUMINANCE_STEP * (1 - margin) - ROUNDING
        # Clamped here, a change reaches a step just when its darker end is below DARK.
        self.ceiling = rule.DARK * (1 + margin / 4) + self.step
        # The luminances at which each cell rises or falls next, [up/down, rows, columns], and how far
        # they stay above the least (below the most) luminance since its last move.
        self.turn: torch.Tensor | None = None
        self.gap: torch.Tensor | None = None

    def look(self, luminance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(clamped luminance, moves [up/down, rows, columns] or None) if this were shown.

        luminance: [rows, columns] in 0..1.
        """
        clamped = luminance.clamp(max=self.ceiling)
        if self.turn is None:
            return clamped, None
        moves = torch.empty_like(self.turn)
        torch.sub(clamped, self.turn[UP], out=moves[UP])
        torch.sub(self.turn[DOWN], clamped, out=moves[DOWN])
        return clamped, moves.ge_(0).short() if float(moves.max()) >= 0 else None

    def accept(self, clamped: torch.Tensor, moves: torch.Tensor | None) -> None:
        """Go on from what `look` gave: it was shown."""
        if self.turn is None or self.gap is None:
            self.gap = torch.full((2, *clamped.shape), self.step, device=clamped.device)
            self.turn = torch.stack((clamped + self.step, clamped - self.step))
            return
        torch.minimum(self.turn[UP], clamped + self.gap[UP], out=self.turn[UP])
        torch.maximum(self.turn[DOWN], clamped - self.gap[DOWN], out=self.turn[DOWN])
        if moves is not None:
            # A new extreme begins where a move was made, and the next move is the opposite one.
            # (lerp by 0 or 1 is a fast torch.where.)
            moves = moves.float()
            moved = moves[UP] + moves[DOWN]
            self.gap.lerp_(moves * NEVER + self.step, moved)
            self.turn[UP].lerp_(clamped + self.gap[UP], moved)
            self.turn[DOWN].lerp_(clamped - self.gap[DOWN], moved)

    def fork(self) -> LuminanceTracker:
        """An independent copy."""
        other = copy.copy(self)
        if self.turn is not None and self.gap is not None:
            other.turn, other.gap = self.turn.clone(), self.gap.clone()
        return other


class MeanTracker:
    """Transitions of one number, the mean luminance of the picture: LuminanceTracker in plain floats."""

    def __init__(self, margin: float):
        self.step = rule.LUMINANCE_STEP * (1 - margin) - ROUNDING
        self.ceiling = rule.DARK * (1 + margin / 4) + self.step
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

    def __init__(self, linear: torch.Tensor, grid: Grid, red: RedTracker):
        """linear: [3, rows, columns] linear RGB in 0..1, contiguous; red: any that will look at it."""
        self._flat, self._grid, self._red = linear.view(3, -1), grid, red
        luminance = relative_luminance(linear)
        self.mean = float(luminance.mean())
        self.luminance = grid.pad(luminance)

    @cached_property
    def red(self) -> torch.Tensor | None:
        """Whether each cell is saturated red, [cells] float; None if none is."""
        redness = self._red.redness(self._flat)
        return redness.ge_(0) if float(redness.max()) >= 0 else None

    @cached_property
    def colour(self) -> torch.Tensor:
        """u' and v' of the cells, [2, cells]."""
        return self._red.chromaticity(self._flat)


def relative_luminance(linear: torch.Tensor) -> torch.Tensor:
    """[3, rows, columns] linear RGB to [rows, columns] in 0..1."""
    weights = torch.tensor(rule.LUMINANCE, device=linear.device)
    return (weights @ linear.view(3, -1)).view(linear.shape[1:])


class RedTracker:
    """Transitions to and from saturated red, as moves UP and DOWN.

    A cell goes up when it is saturated red; it comes down once it is further than RED_STEP from a
    red it was since it went up, kept as a box in u'v' that holds them all. So of any two moves one
    goes further than RED_STEP; the rule asks that of both, which can only make fewer.
    """

    def __init__(self, margin: float, grid: Grid):
        self.grid = grid
        share = rule.RED_SHARE * (1 - margin / 4)
        self.share_row = torch.tensor([1 - share, -share, -share], device=grid.device)
        self.share_flare = rule.FLARE * (1 - 3 * share) + 1e-7
        self.step = rule.RED_STEP * (1 - margin)
        x, y, z = (torch.tensor(row, device=grid.device) for row in rule.XYZ)
        self.chroma_rows = torch.stack((4 * x, 9 * y, x + 15 * y + 3 * z))
        self.chroma_flare = (self.chroma_rows.sum(1) * rule.FLARE)[:, None]
        # Whether each cell is up, [cells] float, and [u' low, -u' high, v' low, -v' high] of its reds
        # since then, [4, cells], EMPTY where it is not; None while nothing is red.
        self.inside: torch.Tensor | None = None
        self.box: torch.Tensor | None = None
        self.started = False

    def redness(self, linear: torch.Tensor) -> torch.Tensor:
        """Of linear RGB [3, n], [n]: 0 or more where it is saturated red; linear in the light."""
        return (self.share_row @ linear).add_(self.share_flare)

    def weight(self, linear: torch.Tensor) -> torch.Tensor:
        """X + 15Y + 3Z of linear RGB [3, n]: with how much weight a light counts in a mixture's u'v'."""
        return self.chroma_rows[2] @ (linear + rule.FLARE)

    def chromaticity(self, linear: torch.Tensor) -> torch.Tensor:
        """u' and v' of linear RGB [3, n], [2, n]; white of no light at all."""
        rows = torch.addmm(self.chroma_flare, self.chroma_rows, linear)
        return rows[:2].div_(rows[2])

    def look(self, light: Light) -> tuple[RedSeen | None, torch.Tensor | None]:
        """(what accept needs, moves [up/down, padded rows, columns] or None) if this were shown."""
        red = light.red
        if self.inside is None and red is None:
            return None, None
        colour = light.colour
        red = torch.zeros_like(colour[0]) if red is None else red
        moves = torch.zeros(2, len(red), device=red.device)
        if self.inside is not None and self.box is not None:
            # The way to the far corner of the box: to either side the longer one.
            away = torch.maximum(colour - self.box[0::2], -self.box[1::2] - colour).square_()
            torch.mul(self.inside, (away[0] + away[1]).gt_(self.step**2), out=moves[DOWN])
        if self.started:
            moves[UP] = red if self.inside is None else (red - self.inside).clamp_(min=0)
        if float(moves.max()) == 0:
            return (red, colour, None), None
        return (red, colour, moves[DOWN]), self.grid.pad(moves.short().view(2, *self.grid.shape))

    def accept(self, seen: RedSeen | None) -> None:
        """seen: from `look`."""
        if seen is not None:
            self._accept_red(*seen)
        self.started = True

    def _accept_red(self, red: torch.Tensor, colour: torch.Tensor, down: torch.Tensor | None) -> None:
        if self.inside is None or self.box is None:
            self.inside = torch.zeros_like(red)
            self.box = torch.full((4, len(red)), EMPTY, device=red.device)
        self.inside = torch.maximum(self.inside, red)
        if down is not None:
            self.inside.sub_(down)
            self.box.add_(down, alpha=2 * EMPTY)
        outside = (1 - red * self.inside).mul_(EMPTY)
        torch.minimum(self.box[0::2], outside + colour, out=self.box[0::2])
        torch.minimum(self.box[1::2], outside - colour, out=self.box[1::2])
        if float(self.inside.max()) == 0:
            self.inside = self.box = None

    def fork(self) -> RedTracker:
        """An independent copy."""
        other = copy.copy(self)
        if self.inside is not None and self.box is not None:
            other.inside, other.box = self.inside.clone(), self.box.clone()
        return other
