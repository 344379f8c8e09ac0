"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

All trackers keep one or more *levels* at once, the first dimension of most tensors: a level is the
rule with its thresholds tightened by a margin. `look` changes nothing, `accept` does. Moves are
int16, 0 or 1, which a CPU adds fastest.
"""

from __future__ import annotations

import copy

import torch

from visualizer.display import flash_rule as rule
from visualizer.display.flash_rule import Grid

UP, DOWN = 0, 1
# Added to a step, so that it can't be taken.
NEVER = 9.0
# Steps are shorter by this, so that sums in another order can't find more.
ROUNDING = 1e-6
# A bound in u'v' that any colour goes beyond.
EMPTY = 9.0


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margins: tuple[float, ...], device: torch.device):
        steps = [rule.LUMINANCE_STEP * (1 - m) - ROUNDING for m in margins]
        # Clamped here, a change reaches a step just when its darker end is below DARK.
        ceilings = [rule.DARK * (1 + m / 4) + s for m, s in zip(margins, steps, strict=True)]
        self.step = torch.tensor(steps, device=device).view(-1, 1, 1)
        self.ceiling = torch.tensor(ceilings, device=device).view(-1, 1, 1)
        # The luminances at which each cell rises or falls next, [up/down, levels, ...], and how far
        # they stay above the least (below the most) luminance since its last move.
        self.turn: torch.Tensor | None = None
        self.gap: torch.Tensor | None = None

    def look(self, luminance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(clamped luminance, moves [up/down, levels, rows, columns] or None) if this were shown.

        luminance: [rows, columns] in 0..1.
        """
        clamped = torch.minimum(luminance, self.ceiling)
        if self.turn is None:
            return clamped, None
        moves = torch.empty_like(self.turn)
        torch.sub(clamped, self.turn[UP], out=moves[UP])
        torch.sub(self.turn[DOWN], clamped, out=moves[DOWN])
        return clamped, moves.ge_(0).short() if float(moves.max()) >= 0 else None

    def accept(self, clamped: torch.Tensor, moves: torch.Tensor | None) -> None:
        if self.turn is None:
            self.gap = self.step.expand(2, *clamped.shape).clone()
            self.turn = torch.stack((clamped + self.step, clamped - self.step))
            return
        torch.minimum(self.turn[UP], clamped + self.gap[UP], out=self.turn[UP])
        torch.maximum(self.turn[DOWN], clamped - self.gap[DOWN], out=self.turn[DOWN])
        if moves is not None:
            # A new extreme begins where a move was made, and the next move is the opposite one.
            # (lerp by 0 or 1 is a fast torch.where.)
            moves = moves.float()
            moved = moves[UP] + moves[DOWN]
            self.gap.lerp_(torch.add(self.step, moves, alpha=NEVER), moved)
            self.turn[UP].lerp_(clamped + self.gap[UP], moved)
            self.turn[DOWN].lerp_(clamped - self.gap[DOWN], moved)

    def fork(self, level: int) -> LuminanceTracker:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = copy.copy(self)
        other.step, other.ceiling = self.step[one], self.ceiling[one]
        other.turn, other.gap = self.turn[:, one].clone(), self.gap[:, one].clone()
        return other


class MeanTracker:
    """Transitions of one number, the mean luminance of the picture: LuminanceTracker in plain floats."""

    def __init__(self, margins: tuple[float, ...]):
        self.steps = [rule.LUMINANCE_STEP * (1 - m) - ROUNDING for m in margins]
        self.ceilings = [rule.DARK * (1 + m / 4) + s for m, s in zip(margins, self.steps, strict=True)]
        self.low: list[float] | None = None
        self.high: list[float] | None = None
        self.last = [None] * len(margins)

    def look(self, mean: float) -> tuple[float, list[int | None] | None]:
        """(the mean, for each level UP, DOWN or None for no move; None if no level moves)."""
        if self.low is None:
            return mean, None
        moves = [None] * len(self.steps)
        for i, (step, ceiling) in enumerate(zip(self.steps, self.ceilings, strict=True)):
            if self.last[i] != UP and min(mean, ceiling) - self.low[i] >= step:
                moves[i] = UP
            elif self.last[i] != DOWN and self.high[i] - min(mean, ceiling) >= step:
                moves[i] = DOWN
        return mean, moves if any(move is not None for move in moves) else None

    def accept(self, mean: float, moves: list[int | None] | None) -> None:
        clamped = [min(mean, ceiling) for ceiling in self.ceilings]
        if self.low is None:
            self.low, self.high = list(clamped), list(clamped)
        for i, now in enumerate(clamped):
            move = None if moves is None else moves[i]
            self.low[i] = now if move == DOWN else min(self.low[i], now)
            self.high[i] = now if move == UP else max(self.high[i], now)
            self.last[i] = self.last[i] if move is None else move

    def fork(self, level: int) -> MeanTracker:
        """An independent copy of one level."""
        other = copy.copy(self)
        for name in ("steps", "ceilings", "low", "high", "last"):
            setattr(other, name, getattr(self, name)[level : level + 1])
        return other


class RedTracker:
    """Transitions to and from saturated red, as moves UP and DOWN.

    A cell goes up when it is saturated red; it comes down once it is further than RED_STEP from a
    red it was since it went up, kept as a box in u'v' that holds them all. So of any two moves one
    goes further than RED_STEP; the rule asks that of both, which can only make fewer.
    """

    def __init__(self, margins: tuple[float, ...], grid: Grid):
        device = grid.device
        self.grid = grid
        shares = [rule.RED_SHARE * (1 - m / 4) for m in margins]
        self.share_rows = torch.tensor([[1 - q, -q, -q] for q in shares], device=device)
        flares = [rule.FLARE * (1 - 3 * q) + 1e-7 for q in shares]
        self.share_flare = torch.tensor(flares, device=device).view(-1, 1)
        self.step = torch.tensor([rule.RED_STEP * (1 - m) for m in margins], device=device).view(-1, 1)
        x, y, z = (torch.tensor(row, device=device) for row in rule.XYZ)
        self.chroma_rows = torch.stack((4 * x, 9 * y, x + 15 * y + 3 * z))
        self.chroma_flare = (self.chroma_rows.sum(1) * rule.FLARE)[:, None]
        # Whether each cell is up, [levels, cells] float, and [u' low, -u' high, v' low, -v' high] of
        # its reds since then, [4, levels, cells], EMPTY where it is not; None while nothing is red.
        self.inside: torch.Tensor | None = None
        self.box: torch.Tensor | None = None
        self.started = False

    def weight(self, linear: torch.Tensor) -> torch.Tensor:
        """X + 15Y + 3Z of linear RGB [3, n]: with how much weight a light counts in a mixture's u'v'."""
        return self.chroma_rows[2] @ (linear + rule.FLARE)

    def chromaticity(self, linear: torch.Tensor) -> torch.Tensor:
        """u' and v' of linear RGB [3, n], [2, n]; white of no light at all."""
        rows = torch.addmm(self.chroma_flare, self.chroma_rows, linear)
        return rows[:2].div_(rows[2])

    def look(self, linear: torch.Tensor) -> tuple[tuple | None, torch.Tensor | None]:
        """(what accept needs, moves [up/down, levels, padded rows, columns] or None) if this were shown."""
        flat = linear.view(3, -1)
        red = torch.addmm(self.share_flare, self.share_rows, flat)
        if self.inside is None and float(red.max()) < 0:
            return None, None
        red.ge_(0)
        colour = self.chromaticity(flat)
        moves = torch.zeros(2, *red.shape, device=flat.device)
        if self.inside is not None:
            # The way to the far corner of the box: to either side the longer one.
            du = torch.maximum(colour[0] - self.box[0], -self.box[1] - colour[0])
            dv = torch.maximum(colour[1] - self.box[2], -self.box[3] - colour[1])
            far = du.square_().addcmul_(dv, dv).gt_(self.step * self.step)
            torch.mul(self.inside, far, out=moves[DOWN])
        if self.started:
            moves[UP] = red if self.inside is None else (red - self.inside).clamp_(min=0)
        seen = red, colour, moves
        if float(moves.max()) == 0:
            return seen, None
        return seen, self.grid.pad(moves.short().view(2, len(red), *linear.shape[1:]))

    def accept(self, seen: tuple | None) -> None:
        """seen: from `look`."""
        if seen is not None:
            self._accept_red(*seen)
        self.started = True

    def _accept_red(self, red: torch.Tensor, colour: torch.Tensor, moves: torch.Tensor) -> None:
        if self.inside is None:
            self.inside = torch.zeros_like(red)
            self.box = torch.full((4, *red.shape), EMPTY, device=red.device)
        # What is red is up, unless it just came down, being red still: then the next frame will be.
        self.inside = torch.maximum(self.inside, red).sub_(moves[DOWN]).clamp_(min=0)
        self.box += moves[DOWN] * (2 * EMPTY)
        outside = (1 - red * self.inside).mul_(EMPTY)
        for axis in (0, 1):
            torch.minimum(self.box[2 * axis], colour[axis] + outside, out=self.box[2 * axis])
            torch.minimum(self.box[2 * axis + 1], outside - colour[axis], out=self.box[2 * axis + 1])
        if float(self.inside.max()) == 0:
            self.inside = self.box = None

    def fork(self, level: int) -> RedTracker:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = copy.copy(self)
        for name in ("share_rows", "share_flare", "step"):
            setattr(other, name, getattr(self, name)[one])
        if self.inside is not None:
            other.inside, other.box = self.inside[one].clone(), self.box[:, one].clone()
        return other
