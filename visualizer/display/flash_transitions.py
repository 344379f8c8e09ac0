"""Transitions of every cell of a picture: of its luminance, and to and from saturated red.

Both trackers keep one or more *levels* at once, the first dimension of most tensors: a level is the
rule with its thresholds tightened by a margin. `look` changes nothing, `accept` does.
"""

from __future__ import annotations

import torch

from visualizer.display import flash_rule as rule

UP, DOWN = 0, 1


def column(values: list[float], device: torch.device) -> torch.Tensor:
    """One value per level, [levels, 1, 1]."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)


class LuminanceTracker:
    """Transitions of relative luminance between adjacent extremes, however slow the way between them."""

    def __init__(self, margins: tuple[float, ...], device: torch.device):
        self.step = column([rule.LUMINANCE_STEP * (1 - m) for m in margins], device)
        # Clamped here, a change reaches `step` just when its darker end is below DARK.
        dark = column([rule.DARK * (1 + m / 4) for m in margins], device)
        self.ceiling = dark + self.step - 1e-6
        self.high = self.low = self.direction = None

    def look(self, luminance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(clamped luminance, moves [up/down, levels, rows, columns] bool) if this were shown."""
        clamped = torch.minimum(luminance, self.ceiling)
        if self.high is None:
            return clamped, torch.zeros((2, *clamped.shape), dtype=torch.bool, device=clamped.device)
        moves = torch.stack(((clamped - self.low) >= self.step, (self.high - clamped) >= self.step))
        moves[UP] &= self.direction < 1
        moves[DOWN] &= self.direction > -1
        return clamped, moves

    def accept(self, clamped: torch.Tensor, moves: torch.Tensor, moved: bool) -> None:
        if self.high is None:
            self.high, self.low = clamped.clone(), clamped.clone()
            self.direction = torch.zeros(clamped.shape, dtype=torch.int8, device=clamped.device)
            return
        torch.maximum(self.high, clamped, out=self.high)
        torch.minimum(self.low, clamped, out=self.low)
        if moved:
            self.high = torch.where(moves[UP], clamped, self.high)
            self.low = torch.where(moves[DOWN], clamped, self.low)
            self.direction.masked_fill_(moves[UP], 1).masked_fill_(moves[DOWN], -1)

    def fork(self, level: int) -> LuminanceTracker:
        other = object.__new__(LuminanceTracker)
        for name, tensor in vars(self).items():
            setattr(other, name, None if tensor is None else tensor[level : level + 1].clone())
        return other


class RedTracker:
    """Transitions to and from saturated red, as moves UP and DOWN.

    A cell that turns saturated red goes up; it comes down once it is further than RED_STEP from a
    red it has been since. The reds it has been are kept as a box in u'v', which holds them all.
    """

    def __init__(self, margins: tuple[float, ...], device: torch.device):
        shares = [rule.RED_SHARE * (1 - m / 4) for m in margins]
        self.share_rows = torch.tensor([[1 - q, -q, -q] for q in shares], device=device)
        self.share_flare = column([rule.FLARE * (1 - 3 * q) for q in shares], device)
        self.step = column([rule.RED_STEP * (1 - m) for m in margins], device)
        x, y, z = (torch.tensor(row, device=device) for row in rule.XYZ)
        self.chroma_rows = torch.stack((4 * x, 9 * y, x + 15 * y + 3 * z))
        # Both None while nothing is red. The box is [u' low, u' high, v' low, v' high] of reds seen.
        self.inside = self.box = None
        self.started = False

    def chromaticity(self, linear: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """u' and v' of linear RGB [3, ...]; white of no light at all."""
        rows = self.chroma_rows @ (linear.reshape(3, -1) + rule.FLARE)
        uv = rows[:2] / rows[2]
        return uv[0].view(linear.shape[1:]), uv[1].view(linear.shape[1:])

    def weight(self, linear: torch.Tensor) -> torch.Tensor:
        """X + 15Y + 3Z of linear RGB [3, n]: with how much weight a light counts in a mixture's u'v'."""
        return self.chroma_rows[2] @ (linear + rule.FLARE)

    def far(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Whether (u, v) is further than RED_STEP from a red that the cell has been."""
        du = torch.maximum(u - self.box[0], self.box[1] - u)
        dv = torch.maximum(v - self.box[2], self.box[3] - v)
        return (du * du + dv * dv) > self.step * self.step

    def look(self, linear: torch.Tensor) -> tuple[tuple | None, torch.Tensor | None]:
        """(what accept needs, moves [up/down, levels, rows, columns] or None) if this were shown."""
        share = (self.share_rows @ linear.view(3, -1)).view(-1, *linear.shape[1:])
        red = share >= -self.share_flare
        if self.inside is None and not bool(red.any()):
            return None, None
        u, v = self.chromaticity(linear)
        if self.inside is None:
            to_red = red & self.started
            return (red, u, v), torch.stack((to_red, torch.zeros_like(red)))
        return (red, u, v), torch.stack((red & ~self.inside, self.inside & self.far(u, v)))

    def accept(self, seen: tuple | None, moves: torch.Tensor | None) -> None:
        started, self.started = self.started, True
        if seen is None:
            return
        red, u, v = seen
        point = torch.stack((u, u, v, v))[:, None]
        if self.inside is None:
            self.inside = torch.zeros_like(red) if started else red
            self.box = point.expand(4, *red.shape)
        wider = self.box.clone()
        torch.minimum(self.box[0::2], point[0::2], out=wider[0::2])
        torch.maximum(self.box[1::2], point[1::2], out=wider[1::2])
        self.box = torch.where(moves[UP], point, torch.where(red & self.inside, wider, self.box))
        self.inside = (self.inside | moves[UP]) & ~moves[DOWN]
        if not bool(self.inside.any()):
            self.inside = self.box = None

    def fork(self, level: int) -> RedTracker:
        other = object.__new__(RedTracker)
        vars(other).update(vars(self))
        for name in ("share_rows", "share_flare", "step"):
            setattr(other, name, getattr(self, name)[level : level + 1])
        if self.inside is not None:
            other.inside = self.inside[level : level + 1].clone()
            other.box = self.box[:, level : level + 1].clone()
        return other
