"""How often cells, or whole blocks of them, made transitions in the last second and the last five.

As in flash_transitions, the first dimension of most tensors is the level, and masks are int16, 0 or
1. Time is in seconds and only ever summed from the frames' durations: the frame rate does not matter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import torch

from visualizer.display import flash_rule as rule

# Sums of many durations are not exact: a transition exactly one window ago is no longer in it.
CLOCK_SLACK = 1e-5
# From here on no further busy second may begin: it could last one WINDOW more.
TIRED = rule.SUSTAINED - rule.WINDOW - 0.05


@dataclass
class _Busy:
    """How long everybody was busy between two times."""

    start: float
    end: float
    seconds: float
    amount: torch.Tensor


class Counts:
    """For every element of a shape: its moves in the last second, and how long it has been busy.

    Busy is who made SUSTAINED_TRANSITIONS moves or more in the last second; `busy_time` is for how
    many of the last five seconds.
    """

    def __init__(self, shape: tuple[int, ...], device: torch.device, resolution: float):
        """resolution: seconds by which a busy time may be overrated, to store less."""
        self.shape, self.device, self.resolution = shape, device, resolution
        self.count = torch.zeros(shape, dtype=torch.int16, device=device)
        self.busy_time: torch.Tensor | None = None
        # Who was let go on although tired, because the area doing so was small.
        self.exempt: torch.Tensor | None = None
        self._marks: deque[tuple[float, torch.Tensor, int]] = deque()
        self._bins: deque[_Busy] = deque()
        self._tired: torch.Tensor | None = None

    def advance(self, now: float, dt: float) -> None:
        """Forget what is too long ago; dt: seconds since the last time."""
        while self._marks and self._marks[0][0] <= now - rule.WINDOW + CLOCK_SLACK:
            self.count -= self._marks.popleft()[1]
        while self._bins and self._bins[0].end <= now - rule.SUSTAINED_WINDOW:
            self.busy_time -= self._bins.popleft().amount
        if not self._bins:
            self.busy_time = None
        # Who has been busy for as long as is safe.
        self._tired = None
        if self._marks and self._busy_bound() + dt >= TIRED:
            tired = (self.busy_time + dt).ge_(TIRED)
            self._tired = tired.short() if float(tired.max()) > 0 else None

    def _busy_bound(self) -> float:
        return sum(b.seconds for b in self._bins)

    @property
    def bound(self) -> int:
        """Nobody has made more moves than this in the last second."""
        return sum(most for _, _, most in self._marks)

    def _exhausted(self, moves: torch.Tensor) -> torch.Tensor | None:
        """Who is tired and would be busy again with these moves; None if nobody."""
        if self._tired is None:
            return None
        return (self.count + moves).ge_(rule.SUSTAINED_TRANSITIONS).mul_(self._tired).mul_(moves.clamp(max=1))

    def over(self, moves: torch.Tensor | None) -> torch.Tensor | None:
        """Who would be over a limit, or is already, if these moves were made; None if nobody can be.

        moves: how many each makes, None for none at all.
        """
        over, exhausted = self.exempt, None
        most = self.bound + (0 if moves is None else int(moves.max()))
        if most > rule.MAX_TRANSITIONS:
            count = self.count.clone() if moves is None else self.count + moves
            over = count.gt_(rule.MAX_TRANSITIONS)
            over = over if self.exempt is None else torch.maximum(over, self.exempt)
        exhausted = None if moves is None else self._exhausted(moves)
        if exhausted is None:
            return over
        return exhausted if over is None else torch.maximum(over, exhausted)

    def over_now(self) -> torch.Tensor | None:
        """Who is over the limit of a second, or tired and still at it; None if nobody can be."""
        over = None
        if self.bound > rule.MAX_TRANSITIONS:
            over = self.count.clone().gt_(rule.MAX_TRANSITIONS)
        if self._busy_bound() >= TIRED:
            tired = self._busy_now() * self.busy_time.ge(TIRED)
            over = tired if over is None else torch.maximum(over, tired)
        return over

    def _busy_now(self) -> torch.Tensor:
        return self.count.clone().ge_(rule.SUSTAINED_TRANSITIONS)

    def add(self, now: float, dt: float, moves: torch.Tensor | None) -> None:
        """The moves that were made at time `now`, None for none; dt: seconds since the time before."""
        if moves is not None:
            exhausted = self._exhausted(moves)
            if exhausted is not None:
                self.exempt = exhausted if self.exempt is None else torch.maximum(self.exempt, exhausted)
            self.count += moves
            self._marks.append((now, moves, int(moves.max())))
        busy = None
        if self.bound >= rule.SUSTAINED_TRANSITIONS:
            busy = self._busy_now()
            busy = busy if int(busy.max()) > 0 else None
        if self.exempt is not None:
            self.exempt = None if busy is None else self.exempt * busy
        if busy is None:
            return
        if self.busy_time is None:
            self.busy_time = torch.zeros(self.shape, device=self.device)
        amount = busy.float().mul_(dt)
        self.busy_time += amount
        if self._bins and now - self._bins[-1].start < self.resolution:
            last = self._bins[-1]
            last.end, last.seconds = now, last.seconds + dt
            last.amount += amount
        else:
            self._bins.append(_Busy(now, now, dt, amount))

    def broken(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """(who is over the limit of one second, who is over that of five); None if nobody can be."""
        general = sustained = None
        if self.bound > rule.MAX_TRANSITIONS:
            general = self.count.clone().gt_(rule.MAX_TRANSITIONS)
        if self._busy_bound() >= rule.SUSTAINED - 10 * CLOCK_SLACK:
            sustained = self._busy_now() * self.busy_time.ge(rule.SUSTAINED - 10 * CLOCK_SLACK)
        return general, sustained

    def fork(self, level: int) -> Counts:
        """An independent copy of one level."""
        one = slice(level, level + 1)
        other = Counts((1, *self.shape[1:]), self.device, self.resolution)
        other.count = self.count[one].clone()
        for name in ("busy_time", "exempt", "_tired"):
            tensor = getattr(self, name)
            setattr(other, name, None if tensor is None else tensor[one].clone())
        other._marks = deque((t, moves[one], most) for t, moves, most in self._marks)
        other._bins = deque(replace(b, amount=b.amount[one].clone()) for b in self._bins)
        return other
