"""How often cells, or whole blocks of them, made transitions in the last second and the last five.

Time is in seconds and only ever summed from the frames' durations: the frame rate does not matter.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from visualizer.picture.flash import rule

# Sums of many durations are not exact: a transition exactly one window ago is no longer in it.
CLOCK_SLACK = 1e-5
# From here on no further busy second may begin: it could last one WINDOW more.
TIRED = rule.SUSTAINED - rule.WINDOW - 0.05


def total(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of one array or more; of a single one, itself."""
    return reduce(operator.add, arrays)


def either(some: np.ndarray | None, others: np.ndarray | None) -> np.ndarray | None:
    """The union of two masks, of which None is an empty one."""
    if some is None or others is None:
        return others if some is None else some
    return some | others


@dataclass
class _Busy:
    """How long everybody was busy between two times."""

    start: float
    end: float
    seconds: float
    amount: np.ndarray


class Counts:
    """For every element: its moves in the last second, and how long it has been busy.

    Busy is who made SUSTAINED_TRANSITIONS moves or more in the last second; `busy_time` is for how
    many of the last five seconds. Masks are bool, moves int16.
    """

    def __init__(self, shape: tuple[int, ...], limit: int = rule.MAX_TRANSITIONS, resolution: float = 0.25):
        """limit: the most moves in a second that are not too many; resolution: seconds by which a busy
        time may be overrated, to store less."""
        self.count = np.zeros(shape, np.int16)
        self.limit, self.resolution = limit, resolution
        self.busy_time: np.ndarray | None = None
        # Who was let go on although tired, because the area doing so was small.
        self.exempt: np.ndarray | None = None
        self._marks: deque[tuple[float, np.ndarray, int]] = deque()
        self._bins: deque[_Busy] = deque()
        self._tired: np.ndarray | None = None
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
            tired = self.busy_time >= np.float32(TIRED - dt)
            self._tired = tired if tired.any() else None

    def _exhausted(self, moves: np.ndarray) -> np.ndarray | None:
        """Who is tired and would be busy again with these moves; None if nobody."""
        if self._tired is None:
            return None
        return (self.count + moves >= rule.SUSTAINED_TRANSITIONS) & self._tired & (moves > 0)

    def over(self, moves: np.ndarray, most: int) -> np.ndarray | None:
        """Who would be over a limit, or is already, if these moves were made; None if nobody can be.

        moves: how many each makes; most: the most of these.
        """
        over = either(self.exempt, self._exhausted(moves))
        if self.bound + most > self.limit:
            over = either(over, self.count + moves > self.limit)
        return over

    def add(self, now: float, dt: float, moves: np.ndarray | None, most: int = 0) -> None:
        """The moves that were made at time `now`, at most `most` by anybody; None for none.

        dt: seconds since the time before.
        """
        if moves is not None:
            self.exempt = either(self.exempt, self._exhausted(moves))
            self.count += moves
            self.bound += most
            self._marks.append((now, moves, most))
        busy = None
        if self.bound >= rule.SUSTAINED_TRANSITIONS:
            busy = self.count >= rule.SUSTAINED_TRANSITIONS
            busy = busy if busy.any() else None
        if self.exempt is not None:
            self.exempt = None if busy is None else self.exempt & busy
        if busy is None:
            return
        amount = busy * np.float32(dt)
        self.busy_time = amount if self.busy_time is None else self.busy_time + amount
        self._busy_bound += dt
        if self._bins and now - self._bins[-1].start < self.resolution:
            last = self._bins[-1]
            last.end, last.seconds = now, last.seconds + dt
            last.amount = last.amount + amount
        else:
            self._bins.append(_Busy(now, now, dt, amount))

    def broken(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(who is over the limit of one second, who is over that of five); None if nobody can be."""
        general = sustained = None
        if self.bound > self.limit:
            general = self.count > self.limit
        if self.busy_time is not None and self._busy_bound >= rule.SUSTAINED - 10 * CLOCK_SLACK:
            long = self.busy_time >= rule.SUSTAINED - 10 * CLOCK_SLACK
            sustained = (self.count >= rule.SUSTAINED_TRANSITIONS) & long
        return general, sustained
