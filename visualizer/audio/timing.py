"""Time in an audio callback: when its frames were sound, and how long it took."""

from __future__ import annotations

import math
import os
from contextlib import suppress

from visualizer.common.record import Record


def request_realtime_priority() -> None:
    """Give the calling thread real-time priority, as audio threads have, where the system allows it."""
    # AttributeError: not on Linux.
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(5))


class StreamClock:
    """When each block of a stream passed the converter, freed from the jitter of measuring it.

    A delay-locked loop: Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005.
    """

    BANDWIDTH_HZ = 0.5
    # Further off than this for so long, samples were lost, and the loop starts afresh. Before that it
    # is a driver's wrong word, of which some say one a second.
    LOST_S = 0.03
    LASTING_S = 0.08

    def __init__(self, sr: float):
        """sr: the stream's nominal frames per second."""
        self._sr = sr
        self._next: float | None = None
        self._drift = 1.0
        self._blocks = 0
        self._off = 0.0  # seconds for which it has been further off than believed

    def begin(self, n_frames: int, measured: float) -> float:
        """The time of the first of a block's frames, in seconds of any clock.

        measured: what this block alone tells of that time.
        """
        seconds = n_frames / self._sr
        error = 0.0 if self._next is None else measured - self._next
        self._off = self._off + seconds if abs(error) > self.LOST_S else 0.0
        if self._next is None or self._off > self.LASTING_S:
            self._next, self._drift, self._blocks, self._off = measured, 1.0, 0, 0.0
            error = 0.0
        elif self._off:
            error = 0.0
        self._blocks += 1
        omega = 2 * math.pi * self.BANDWIDTH_HZ * seconds
        # At first the plain mean of what was measured, which settles sooner.
        gain = max(min(math.sqrt(2) * omega, 1.0), 1 / self._blocks)
        begin = self._next + gain * error
        self._drift += omega**2 * error / max(seconds, 1e-9)
        self._drift = min(max(self._drift, 0.99), 1.01)
        self._next = begin + seconds * self._drift
        return begin


class Durations:
    """How long a callback took, of late, in a record that does not grow.

    Devices cut sound into blocks of any length, so each share is of 10 ms of sound, or of a longer block.
    """

    SPAN_S = 0.01

    def __init__(self, size: int = 4096):
        self._shares = Record(size)
        self._took = self._sound = 0.0

    def add(self, took: float, sound: float) -> None:
        """Note a callback that took so many seconds for so many seconds of sound."""
        self._took += took
        self._sound += sound
        if self._sound >= self.SPAN_S:
            self._shares.add(self._took / self._sound)
            self._took = self._sound = 0.0

    def summary(self) -> tuple[float, float]:
        """(median, 99th percentile) of the shares of real time; zeros before the first."""
        median, p99, _ = self._shares.spread() or (0.0, 0.0, 0.0)
        return median, p99
