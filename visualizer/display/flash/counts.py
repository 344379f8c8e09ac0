"""How often cells, or whole blocks of them, made transitions in the last second and the last five.

Masks are int16, 0 or 1. Time is in seconds and only ever summed from the frames' durations: the frame
rate does not matter.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

import numpy as np
import torch

from visualizer.display.flash import rule

# Sums of many durations are not exact: a transition exactly one window ago is no longer in it.
CLOCK_SLACK = 1e-5
# From here on no further busy second may begin: it could last one WINDOW more.
TIRED = rule.SUSTAINED - rule.WINDOW - 0.05
# Cells are counted in tensors, on whatever device they are; blocks are few, and numpy is faster.
Array = TypeVar("Array", torch.Tensor, np.ndarray)


def total(arrays: Iterable[Array]) -> Array:
    """The sum of one array or more; of a single one, itself."""
    return reduce(operator.add, arrays)


@dataclass
class _Busy(Generic[Array]):
    """How long everybody was busy between two times."""

    start: float
    end: float
    seconds: float
    amount: Array


def _at_least(count: Array, least: int) -> Array:
    """Whether counts are `least` or more, int16."""
    if isinstance(count, np.ndarray):
        return (count >= least).astype(np.int16)
    # Comparing in place is ten times as fast as comparing into booleans.
    return count.clone().ge_(least)


class Counts(Generic[Array]):
    """For every element: its moves in the last second, and how long it has been busy.

    Busy is who made SUSTAINED_TRANSITIONS moves or more in the last second; `busy_time` is for how
    many of the last five seconds.
    """

    def __init__(self, zeros: Array, limit: int = rule.MAX_TRANSITIONS, resolution: float = 0.25):
        """zeros: the counts to begin with, int16, kept; limit: the most moves in a second that are not
        too many; resolution: seconds by which a busy time may be overrated, to store less."""
        self.count: Array = zeros
        self.limit, self.resolution = limit, resolution
        self.busy_time: Array | None = None
        # Who was let go on although tired, because the area doing so was small.
        self.exempt: Array | None = None
        self._marks: deque[tuple[float, Array, int]] = deque()
        self._bins: deque[_Busy[Array]] = deque()
        self._tired: Array | None = None
        # Nobody has made more moves than `bound` in the last second.
        self.bound = 0
        self._busy_bound = 0.0

    def advance(self, now: float, dt: float) -> None:
        """Forget what is too long ago; dt: seconds since the last time."""
        while self._marks and self._marks[0][0] <= now - rule.WINDOW + CLOCK_SLACK:
            _, moves, most = self._marks.popleft()
            self.count -= moves
            self.bound -= most
        while self.busy_time is not None and self._bins[0].end <= now - rule.SUSTAINED_WINDOW:
            amount = self._bins.popleft().amount
            self.busy_time = self.busy_time - amount if self._bins else None
        self._busy_bound = sum(b.seconds for b in self._bins)
        # Who has been busy for as long as is safe.
        self._tired = None
        if self.busy_time is not None and self._marks and self._busy_bound + dt >= TIRED:
            tired = (self.busy_time + dt) >= TIRED
            self._tired = tired if bool(tired.any()) else None

    def _exhausted(self, moves: Array) -> Array | None:
        """Who is tired and would be busy again with these moves; None if nobody."""
        if self._tired is None:
            return None
        return _at_least(self.count + moves, rule.SUSTAINED_TRANSITIONS) * self._tired * _at_least(moves, 1)

    def over(self, moves: Array, most: int) -> Array | None:
        """Who would be over a limit, or is already, if these moves were made; None if nobody can be.

        moves: how many each makes; most: the most of these.
        """
        over, exhausted = self.exempt, self._exhausted(moves)
        if self.bound + most > self.limit:
            many = _at_least(self.count + moves, self.limit + 1)
            over = many if over is None else over | many
        if exhausted is None:
            return over
        return exhausted if over is None else over | exhausted

    def add(self, now: float, dt: float, moves: Array | None, most: int = 0) -> None:
        """The moves that were made at time `now`, at most `most` by anybody; None for none.

        dt: seconds since the time before.
        """
        if moves is not None:
            exhausted = self._exhausted(moves)
            if exhausted is not None:
                self.exempt = exhausted if self.exempt is None else self.exempt | exhausted
            self.count += moves
            self.bound += most
            self._marks.append((now, moves, most))
        busy = None
        if self.bound >= rule.SUSTAINED_TRANSITIONS:
            busy = _at_least(self.count, rule.SUSTAINED_TRANSITIONS)
            busy = busy if int(busy.max()) > 0 else None
        if self.exempt is not None:
            self.exempt = None if busy is None else self.exempt * busy
        if busy is None:
            return
        amount = busy * float(dt)
        self.busy_time = amount if self.busy_time is None else self.busy_time + amount
        self._busy_bound += dt
        if self._bins and now - self._bins[-1].start < self.resolution:
            last = self._bins[-1]
            last.end, last.seconds = now, last.seconds + dt
            last.amount = last.amount + amount
        else:
            self._bins.append(_Busy(now, now, dt, amount))

    def broken(self) -> tuple[Array | None, Array | None]:
        """(who is over the limit of one second, who is over that of five); None if nobody can be."""
        general = sustained = None
        if self.bound > self.limit:
            general = _at_least(self.count, self.limit + 1)
        if self.busy_time is not None and self._busy_bound >= rule.SUSTAINED - 10 * CLOCK_SLACK:
            long = self.busy_time >= rule.SUSTAINED - 10 * CLOCK_SLACK
            sustained = _at_least(self.count, rule.SUSTAINED_TRANSITIONS) * long
        return general, sustained
