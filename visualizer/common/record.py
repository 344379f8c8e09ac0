"""A record of many numbers: what was measured of late."""

from __future__ import annotations

import numpy as np

# Half an hour at 60 frames a second; older figures make room.
KEPT = 108_000


class Record:
    """The latest of many numbers, in memory that does not grow."""

    def __init__(self, size: int = KEPT):
        self._numbers = np.full(size, np.nan, np.float32)
        self.count = 0
        """How many there were in all."""

    def add(self, number: float) -> None:
        """Note another one."""
        self._numbers[self.count % len(self._numbers)] = number
        self.count += 1

    def clear(self) -> None:
        """Forget them all."""
        self.count = 0

    @property
    def last(self) -> float | None:
        """The newest, or None."""
        return float(self._numbers[(self.count - 1) % len(self._numbers)]) if self.count else None

    def values(self) -> np.ndarray:
        """[n] float32: those that are kept, in no particular order once some have made room."""
        return self._numbers[: self.count].copy()

    def spread(self) -> tuple[float, float, float] | None:
        """(median, 99th percentile, greatest), or None if there are none."""
        values = self.values()
        if not len(values):
            return None
        median, p99 = np.percentile(values, [50, 99])
        return float(median), float(p99), float(values.max())
