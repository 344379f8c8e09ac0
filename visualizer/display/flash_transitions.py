"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

Both trackers keep one or more *levels* at once, the first dimension of most tensors: a level is the
rule with its thresholds tightened by a margin. `look` changes nothing, `accept` does. Masks are
float, 0 or 1: on a CPU, comparing into float is several times as fast as comparing into bool.
"""

from __future__ import annotations

import torch

from visualizer.display import flash_rule as rule

UP, DOWN = 0, 1
# Added to a step that a cell can't take, being past it already.
NEVER = 9.0


def column(values: list[float], device: torch.device) -> torch.Tensor:
    """One value per level, [levels, 1, 1]."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margins: tuple[float, ...], device: torch.device):
        self.step = column([rule.LUMINANCE_STEP * (1 - m) for m in margins], device)
        # Clamped here, a change reaches `step` just when its darker end is below DARK.
        self.ceiling = column([rule.DARK * (1 + m / 4) for m in margins], device) + self.step - 1e-6
        # The last extremes: the least since the last fall, the most since the last rise.
        self.low = self.high = None
        # The steps up from `low` and down from `high` that make the next move, [up/down, levels, ...].
        self.steps = None

    def look(self, luminance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(clamped luminance, moves [up/down, levels, rows, columns] or None) if this were shown."""
        clamped = torch.minimum(luminance, self.ceiling)
        if self.high is None:
            return clamped, None
        moves = torch.empty_like(self.steps)
        torch.sub(clamped, self.low, out=moves[UP])
        torch.sub(self.high, clamped, out=moves[DOWN])
        moves.sub_(self.steps).ge_(0)
        return clamped, moves if bool(moves.sum() > 0) else None

    def accept(self, clamped: torch.Tensor, moves: torch.Tensor | None) -> None:
        if self.high is None:
            self.high, self.low = clamped.clone(), clamped.clone()
            self.steps = self.step.expand(2, *clamped.shape).clone()
            return
        torch.maximum(self.high, clamped, out=self.high)
        torch.minimum(self.low, clamped, out=self.low)
        if moves is not None:
            # A new extreme begins where a move was made. (lerp by 0 or 1 is a fast torch.where.)
            self.high.lerp_(clamped, moves[UP])
            self.low.lerp_(clamped, moves[DOWN])
            moved = moves[UP] + moves[DOWN]
            self.steps.lerp_(moves * NEVER + self.step, moved)

    def fork(self, level: int) -> LuminanceTracker:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = object.__new__(LuminanceTracker)
        other.step, other.ceiling = self.step[one], self.ceiling[one]
        other.low, other.high = self.low[one].clone(), self.high[one].clone()
        other.steps = self.steps[:, one].clone()
        return other


class RedTracker:
    """Transitions to and from saturated red, as moves UP and DOWN.

    A cell goes up when it is saturated red and further than RED_STEP from what it was since it last
    came down; it comes down once it is that far from a red it was since it went up. What it was is
    kept as a box in u'v' that holds it all. Tightened levels go up at any saturated red.
    """

    def __init__(self, margins: tuple[float, ...], device: torch.device):
        shares = [rule.RED_SHARE * (1 - m / 4) for m in margins]
        self.share_rows = torch.tensor([[1 - q, -q, -q] for q in shares], device=device)
        self.share_flare = column([rule.FLARE * (1 - 3 * q) for q in shares], device)[..., 0]
        self.step = column([rule.RED_STEP * (1 - m) for m in margins], device)[..., 0]
        x, y, z = (torch.tensor(row, device=device) for row in rule.XYZ)
        self.chroma_rows = torch.stack((4 * x, 9 * y, x + 15 * y + 3 * z))
        self.lower = torch.tensor([[True], [False], [True], [False]], device=device)
        # Whether each cell is up, and [u' low, u' high, v' low, v' high] of its reds since then;
        # [levels, cells] and [4, levels, cells], None while nothing is red.
        self.inside = self.box = None
        # The same of what was not red since a cell last came down, for the first level, [4, cells].
        self.away: torch.Tensor | None = None
        self.exact = margins[0] == 0
        self.started = False

    def weight(self, linear: torch.Tensor) -> torch.Tensor:
        """X + 15Y + 3Z of linear RGB [3, n]: with how much weight a light counts in a mixture's u'v'."""
        return self.chroma_rows[2] @ (linear + rule.FLARE)

    def chromaticity(self, linear: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """u' and v' of linear RGB [3, n]; white of no light at all."""
        rows = self.chroma_rows @ (linear + rule.FLARE)
        return rows[0] / rows[2], rows[1] / rows[2]

    def look(self, linear: torch.Tensor) -> tuple[tuple, torch.Tensor | None]:
        """(what accept needs, moves [up/down, levels, rows, columns] or None) if this were shown."""
        flat = linear.view(3, -1)
        red = torch.addmm(self.share_flare, self.share_rows, flat).ge_(0)
        concerned = red if self.inside is None else torch.maximum(red, self.inside)
        cells = concerned.amax(0).nonzero()[:, 0]
        if not len(cells):
            return (linear, None), None
        red = red.index_select(1, cells)
        u, v = self.chromaticity(flat.index_select(1, cells))
        up = red * self.started
        down = torch.zeros_like(red)
        if self.inside is not None:
            inside = self.inside.index_select(1, cells)
            up, down = up * (1 - inside), inside * self._far(u, v, self._boxes(cells), self.step)
        if self.away is not None:
            up[0] *= self._far(u, v, self.away.index_select(1, cells), self.step[0])
        moves = torch.stack((up, down))
        seen = linear, (cells, red, u, v, moves)
        if not bool(moves.sum() > 0):
            return seen, None
        dense = torch.zeros((2, len(red), flat.shape[1]), device=linear.device)
        return seen, dense.index_copy_(2, cells, moves).view(2, len(red), *linear.shape[1:])

    def _boxes(self, cells: torch.Tensor) -> torch.Tensor:
        # Flattened, because index_select is much slower with three dimensions.
        return self.box.flatten(0, 1).index_select(1, cells).view(4, -1, len(cells))

    @staticmethod
    def _far(u: torch.Tensor, v: torch.Tensor, box: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Whether (u, v) is further than `step` from a colour that the cell has been."""
        du = torch.maximum(u - box[0], box[1] - u).clamp_(min=0)
        dv = torch.maximum(v - box[2], box[3] - v).clamp_(min=0)
        return (du * du + dv * dv).gt_(step * step)

    def accept(self, seen: tuple) -> None:
        """seen: from `look`."""
        linear, concerned = seen
        if concerned is not None:
            self._accept_red(concerned, linear[0].numel())
        if self.exact:
            self._accept_away(linear.view(3, -1), concerned)
        self.started = True

    def _accept_away(self, linear: torch.Tensor, concerned: tuple | None) -> None:
        u, v = self.chromaticity(linear)
        if self.away is None:
            # An empty box: nothing is far from it.
            self.away = torch.tensor([[NEVER], [-NEVER]] * 2, device=u.device).repeat(1, len(u))
        low, high = torch.stack((u, v)), torch.stack((u, v))
        if concerned is not None:
            places, red, _, _, moves = concerned
            low[:, places] += 2 * NEVER * red[0]
            high[:, places] -= 2 * NEVER * red[0]
            gone = places[moves[DOWN, 0] > 0]
            self.away[0::2, gone], self.away[1::2, gone] = NEVER, -NEVER
        torch.minimum(self.away[0::2], low, out=self.away[0::2])
        torch.maximum(self.away[1::2], high, out=self.away[1::2])

    def _accept_red(self, concerned: tuple, cells: int) -> None:
        places, red, u, v, moves = concerned
        if self.inside is None:
            self.inside = torch.zeros((len(red), cells), device=u.device)
            self.box = torch.zeros((4, len(red), cells), device=u.device)
        was, box = self.inside.index_select(1, places), self._boxes(places)
        new = moves[UP] if self.started else red
        outside = torch.maximum(torch.maximum(box[0] - u, u - box[1]), torch.maximum(box[2] - v, v - box[3]))
        # Only a few of the cells change: where, as level and index into the cells concerned.
        level, n = (new + moves[DOWN] + red * was * outside.gt_(0)).nonzero().T
        if len(n):
            inner, point = box[:, level, n], torch.stack((u, u, v, v))[:, n]
            outer = torch.where(self.lower, torch.minimum(inner, point), torch.maximum(inner, point))
            is_new = new[level, n]
            self.box[:, level, places[n]] = torch.where(is_new > 0, point, outer)
            self.inside[level, places[n]] = torch.maximum(was[level, n], is_new) * (1 - moves[DOWN][level, n])
        if not bool(self.inside.sum() > 0):
            self.inside = self.box = None

    def fork(self, level: int) -> RedTracker:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = object.__new__(RedTracker)
        vars(other).update(vars(self))
        for name in ("share_rows", "share_flare", "step"):
            setattr(other, name, getattr(self, name)[one])
        other.exact = self.exact and level == 0
        other.away = self.away.clone() if other.exact else None
        if self.inside is not None:
            other.inside, other.box = self.inside[one].clone(), self.box[:, one].clone()
        return other
