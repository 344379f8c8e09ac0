"""The picture stream: a painter on a thread of its own, always a little ahead of the screen.

A generator may take longer than the screen leaves between two frames. So each picture is painted for the
time at which it will be seen, which the particle's exact path allows to know ahead, and between two
pictures the screen gets blends of them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from visualizer.common.cores import give_way
from visualizer.latent.code import Code

# The furthest that a picture is painted ahead of its beginning.
LONGEST_S = 3.0
# A picture is to be ready so long before it is needed.
SPARE_S = 0.002

Painting = Callable[[np.ndarray, np.ndarray], np.ndarray | torch.Tensor]
"""Shape [n, d] and matter [n, e] float32 to pictures [n, h, w, 3] uint8, a tensor if they are on a card."""


class Pose(Protocol):
    """Where the particles are. Times are of time.perf_counter."""

    def code(self, time: float) -> Code:
        """What to draw at a time."""
        ...

    def heard(self, time: float) -> float:
        """The time of the newest sound that has a part in that."""
        ...


@dataclass(frozen=True)
class Picture:
    """A painted moment.

    pixels: [h, w, 3] uint8. time: when it is to be seen. begun, took: when painting began and how long
    it went on, seconds of time.perf_counter. pose: what it was painted from.
    """

    pixels: torch.Tensor
    time: float
    begun: float
    took: float
    pose: Pose


class PictureStream:
    """Paints on its own thread; a context manager.

    The render thread calls `tick` after every swap, `wait` before it composes the next frame, and `at`
    for the picture. An error in painting comes out of `at`.

    Where a picture takes less than a frame's time, each is begun as late as it can be to be ready when
    the frame is composed, so that it knows of the newest sound. Where it takes longer, one is begun
    after the other, each for a later frame, and the frames between them are blends.
    """

    def __init__(self, painter: Painting, pose: Callable[[], Pose]):
        """pose: gives the newest pose; called on the painting thread."""
        self._painter, self._pose = painter, pose
        self._changed = threading.Condition()
        self._tick: tuple[float, float, float] | None = None
        self._stopped = False
        self._error: BaseException | None = None
        self._pair: tuple[Picture | None, Picture | None] = (None, None)
        self._took: deque[float] = deque(maxlen=20)
        # Seconds for the next picture, from when it should be begun: half of them take so long, and most.
        self._usual = self._most = 0.02
        self._target = -math.inf  # the time of the picture that is being painted, or was last
        self._ready = -math.inf  # when it will be there; -inf while nothing is painted
        self._free = -math.inf  # since when nothing is painted
        self._begun_for = -math.inf  # the swap of the tick by which it was begun
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)

    def tick(self, swap: float, period: float, lead: float) -> None:
        """Ask for what the next swap shows.

        swap: its time; period: from swap to swap; lead: how long before the swap the picture is needed.
        """
        with self._changed:
            self._tick = swap, period, lead
            self._changed.notify_all()

    def wait(self, until: float) -> None:
        """Sleep until the picture for the next swap is there, or not at all if it can't be by a time."""
        with self._changed:
            assert self._tick is not None
            swap, period, _ = self._tick
            while self._error is None and not self._stopped:
                newest = self._pair[1]
                there = newest is not None and newest.time > swap - period / 2
                # Another that will be there in time knows of newer sound.
                if there and not -math.inf < self._ready <= until:
                    return
                left = until - time.perf_counter()
                if left <= 0 or self._ready > until:
                    return
                self._changed.wait(left)

    def at(self, moment: float) -> torch.Tensor | None:
        """The picture [256, 256, 3] uint8 for a time: the newest, or a blend towards it. None at first."""
        if self._error is not None:
            raise self._error
        older, newer = self._pair
        if newer is None:
            return None
        if older is None or moment >= newer.time or older.time >= newer.time:
            return newer.pixels
        if older.pixels.device != newer.pixels.device:  # the painter has changed over
            return newer.pixels
        weight = max(0.0, (moment - older.time) / (newer.time - older.time))
        mixed = torch.lerp(older.pixels.float(), newer.pixels.float(), weight)
        return mixed.add_(0.5).to(torch.uint8)

    @property
    def newest(self) -> Picture | None:
        """The last picture painted."""
        return self._pair[1]

    def _work(self) -> None:
        give_way()
        try:
            while (turn := self._turn()) is not None:
                self._paint(*turn)
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _turn(self) -> tuple[float, float] | None:
        """Sleep until it is time to paint. None when all is over.

        Returns the time that the picture is for, and when it should be begun, which is about now.
        """
        with self._changed:
            while not self._stopped:
                now = time.perf_counter()
                plan = self._plan(now)
                if self._tick is not None and plan is not None and plan[0] <= now:
                    self._target, self._ready = plan[1], now + self._usual
                    self._begun_for = self._tick[0]
                    self._changed.notify_all()
                    return self._target, plan[0]
                self._changed.wait(None if plan is None else plan[0] - now)
        return None

    def _plan(self, now: float) -> tuple[float, float] | None:
        """(when to begin the next picture, the time that it is for); None: not before the next tick."""
        if self._tick is None:
            return None
        swap, period, lead = self._tick
        first = max(0, math.ceil((now + self._usual + lead - swap) / period))
        if self._usual + SPARE_S > period:
            if swap <= self._begun_for:
                return None
            # The last swap that shows this picture before the next one can take over.
            target = swap + (first + math.ceil(self._usual / period) - 1) * period
            # After a longer guess the next may be shorter, but time goes on.
            return now, max(target, self._target)
        if first > 0 and self._target < swap - period / 2:
            # It is behind, and the next frame will go without: no time to sleep, lest it sleeps for ever.
            return now, swap + first * period
        if swap + first * period < self._target + period / 2:
            first += 1
        # Not for more than one swap after the one that was asked for: there may be none.
        if first > 1:
            return None
        target = swap + first * period
        # The earliest that makes sense is when the picture before it was finished.
        return max(target - lead - self._most - SPARE_S, self._free), target

    def _paint(self, target: float, planned: float) -> None:
        begun = time.perf_counter()
        pose = self._pose()
        code = pose.code(target)
        pixels = torch.as_tensor(self._painter(code.shape[None], code.matter[None])[0])
        now = time.perf_counter()
        picture = Picture(pixels, target, begun, now - begun, pose)
        with self._changed:
            # Waking up late counts: a picture that isn't there when it is needed is a frame shown twice.
            self._took.append(min(LONGEST_S, now - planned))
            took = sorted(self._took)
            self._usual, self._most = took[len(took) // 2], took[-3:][0]
            self._free = now
            self._pair = self._pair[1], picture
            self._ready = -math.inf
            self._changed.notify_all()

    def __enter__(self) -> PictureStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=1)
