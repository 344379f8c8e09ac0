"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

`look` changes nothing, `accept` does. Moves are int16, 0 or 1, which a CPU adds fastest. `margin` is
by what part the rule's thresholds are tightened.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import torch

from visualizer.display.flash import rule
from visualizer.display.flash.grid import Grid, set_places

UP, DOWN = 0, 1
# Added to a step, so that it can't be taken.
NEVER = 9.0
# Steps are shorter by this, so that sums in another order can't find more.
ROUNDING = 1e-6
# A bound in u'v' that any colour goes beyond.
EMPTY = 9.0


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margin: float):
        self.step = rule.LUMINANCE_STEP * (1 - margin) - ROUNDING
        # Clamped here, a change reaches a step just when its darker end is below DARK.
        self.ceiling = rule.DARK * (1 + margin / 4) + self.step
        # The luminance at which each cell rises next and minus that at which it falls, [up/down, rows,
        # columns], and how far they stay above the least (below the most) luminance since its last move.
        self.turn: torch.Tensor | None = None
        self.gap: torch.Tensor | None = None

    def look(self, signed: torch.Tensor) -> torch.Tensor | None:
        """Moves [up/down, rows, columns] if this were shown, None for none.

        signed: clamped luminance in 0..ceiling and minus that, [up/down, rows, columns].
        """
        if self.turn is None:
            return None
        beyond = signed - self.turn
        return beyond.ge_(0).short() if float(beyond.amax()) >= 0 else None

    def accept(self, signed: torch.Tensor, moves: torch.Tensor | None) -> None:
        """Go on from what `look` was given and gave: it was shown."""
        if self.turn is None or self.gap is None:
            self.gap = torch.full_like(signed, self.step)
            self.turn = signed + self.step
            return
        torch.minimum(self.turn, signed + self.gap, out=self.turn)
        if moves is not None:
            # A new extreme begins where a move was made, and the next move is the opposite one.
            # (lerp by 0 or 1 is a fast torch.where.)
            moves = moves.float()
            moved = moves[UP] + moves[DOWN]
            self.gap.lerp_(moves.mul_(NEVER).add_(self.step), moved)
            self.turn.lerp_(signed + self.gap, moved)

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

    def __init__(self, linear: torch.Tensor, grid: Grid, luminance: LuminanceTracker, red: RedTracker):
        """linear: [3, rows, columns] linear RGB in 0..1, contiguous; luminance, red: any that will look."""
        self.flat, self._red = linear.view(3, -1), red
        plain = relative_luminance(linear)
        self.mean = float(plain.mean())
        plain = grid.pad(plain)
        # Luminance as trackers of it want it, [up/down, padded rows, padded columns].
        self.luminance = torch.empty(2, *plain.shape, device=plain.device)
        torch.clamp(plain, max=luminance.ceiling, out=self.luminance[UP])
        torch.neg(self.luminance[UP], out=self.luminance[DOWN])

    @cached_property
    def red(self) -> torch.Tensor | None:
        """Whether each cell is saturated red, [cells] float; None if none is."""
        redness = self._red.redness(self.flat)
        return redness.ge_(0) if float(redness.amax()) >= 0 else None


def relative_luminance(linear: torch.Tensor) -> torch.Tensor:
    """[3, rows, columns] linear RGB to [rows, columns] in 0..1."""
    weights = torch.tensor(rule.LUMINANCE, device=linear.device)
    return (weights @ linear.view(3, -1)).view(linear.shape[1:])


@dataclass
class RedSeen:
    """A frame that a RedTracker looked at.

    moves: cells that turn red and that come down, [up/down, cells] float; rise, fall: whether any does.
    colour, down: of the cells that were up, their u', v', -u' and -v', and whether they come down.
    """

    light: Light
    moves: torch.Tensor
    rise: bool = False
    fall: bool = False
    colour: torch.Tensor | None = None
    down: torch.Tensor | None = None


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
        # The cells that are up, [n], and the least u', v', -u' and -v' of their reds since then, [4, n]; and
        # whether each cell is up, [cells] float. None while none is.
        self.up: torch.Tensor | None = None
        self.box: torch.Tensor | None = None
        self.is_up: torch.Tensor | None = None
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
        if self.up is None and light.red is None:
            return None, None
        seen = RedSeen(light, torch.zeros_like(light.flat[:2]))
        if self.up is not None and self.box is not None:
            seen.colour = self._colour(light, self.up)
            # The way to the far corner of the box: to either side the longer one.
            way = seen.colour - self.box
            away = torch.maximum(way[:2], way[2:]).square_()
            seen.down = (away[0] + away[1]).gt_(self.step**2)
            seen.fall = float(seen.down.amax()) > 0
            if seen.fall:
                seen.moves[DOWN].index_copy_(0, self.up, seen.down)
        if light.red is not None:
            if self.is_up is None:
                seen.moves[UP] = light.red
            else:
                torch.sub(light.red, self.is_up, out=seen.moves[UP]).clamp_(min=0)
            seen.rise = float(seen.moves[UP].amax()) > 0
        if not (self.started and (seen.rise or seen.fall)):
            return seen, None
        return seen, self.grid.pad(seen.moves.short().view(2, *self.grid.shape))

    def _colour(self, light: Light, cells: torch.Tensor) -> torch.Tensor:
        """u', v', -u' and -v' of some cells [n], [4, n]."""
        colour = self.chromaticity(light.flat.index_select(1, cells))
        return torch.cat((colour, -colour))

    def accept(self, seen: RedSeen | None) -> None:
        """seen: from `look`."""
        if seen is not None:
            self._accept_red(seen)
        self.started = True

    def _accept_red(self, seen: RedSeen) -> None:
        up, box, is_up, red = self.up, self.box, self.is_up, seen.light.red
        if up is not None and box is not None:
            assert seen.colour is not None and seen.down is not None
            if red is not None:
                outside = (1 - red.index_select(0, up)).mul_(EMPTY)
                box = torch.minimum(box, outside.add(seen.colour))
            if seen.fall:
                stay = set_places(1 - seen.down)
                up, box = up.index_select(0, stay), box.index_select(1, stay)
        if seen.rise:
            new = set_places(seen.moves[UP])
            first = self._colour(seen.light, new)
            up = new if up is None else torch.cat((up, new))
            box = first if box is None else torch.cat((box, first), 1)
        if seen.rise or seen.fall:
            change = seen.moves[UP] - seen.moves[DOWN]
            is_up = change if is_up is None else is_up + change
        none = up is None or len(up) == 0
        self.up, self.box, self.is_up = (None, None, None) if none else (up, box, is_up)

    def box_of(self, cells: torch.Tensor) -> torch.Tensor:
        """The box of some cells [n], [4, n]; EMPTY where they are not up."""
        boxes = torch.full((4, self.grid.n_cells), EMPTY, device=cells.device)
        if self.up is not None and self.box is not None:
            boxes.index_copy_(1, self.up, self.box)
        return boxes.index_select(1, cells)

    def fork(self) -> RedTracker:
        """An independent copy."""
        return copy.copy(self)  # what it knows is replaced and never changed
