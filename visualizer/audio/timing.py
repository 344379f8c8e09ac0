"""Time in an audio callback: when its frames were sound, and how long it took."""

from __future__ import annotations

import math

import numpy as np


class StreamClock:
    """When each block of a stream passed the converter, freed from the jitter of measuring it.

    A delay-locked loop: Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005.
    """

    BANDWIDTH_HZ = 0.5
    # Further off than this, samples were lost, and the loop starts afresh.
    LOST_S = 0.03

    def __init__(self, sr: float):
        """sr: the stream's nominal frames per second."""
        self._sr = sr
        self._next: float | None = None
        self._drift = 1.0
        self._blocks = 0

    def begin(self, n_frames: int, measured: float) -> float:
        """The time of the first of a block's frames, in seconds of any clock.

        measured: what this block alone tells of that time.
        """
        seconds = n_frames / self._sr
        error = 0.0 if self._next is None else measured - self._next
        if self._next is None or abs(error) > self.LOST_S:
            self._next, self._drift, self._blocks = measured, 1.0, 0
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
    """The latest durations of a callback, in a record that does not grow."""

    def __init__(self, size: int = 4096):
        self._shares = np.zeros(size)
        self._count = 0

    def add(self, share: float) -> None:
        """Note one duration, as a share of its block's."""
        self._shares[self._count % len(self._shares)] = share
        self._count += 1

    def summary(self) -> tuple[float, float]:
        """(median, 99th percentile); zeros before the first."""
        noted = self._shares[: self._count]
        if not len(noted):
            return 0.0, 0.0
        median, p99 = np.quantile(noted, (0.5, 0.99))
        return float(median), float(p99)
