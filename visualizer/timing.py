"""What the live engine measures of itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

# Half an hour at 60 frames a second; older figures make room.
KEPT = 108_000


def _recent() -> deque[float]:
    return deque(maxlen=KEPT)


@dataclass
class Statistics:
    """Times in seconds. Written by the render thread alone.

    intervals: between swaps. latencies: from the sound's capture to the swap that first shows its
    effect. paintings: what the generator took for each picture. late: frames shown more than half a
    refresh after their time. dropped: events that the physics never saw. first_picture: from the
    start to the first picture's swap. shut_down: from the wish to quit to the end.
    """

    refresh: float = 1 / 60
    intervals: deque[float] = field(default_factory=_recent)
    latencies: deque[float] = field(default_factory=_recent)
    paintings: deque[float] = field(default_factory=_recent)
    frames: int = 0
    late: int = 0
    dropped: int = 0
    first_picture: float = float("nan")
    shut_down: float = float("nan")
    callback_share: tuple[float, float] | None = None

    def swapped(self, interval: float) -> None:
        """Count a frame."""
        self.frames += 1
        self.intervals.append(interval)
        self.late += interval > 1.5 * self.refresh

    @property
    def fps(self) -> float:
        """Frames a second, over the last second."""
        total = count = 0.0
        for interval in reversed(self.intervals):
            total += interval
            count += 1
            if total >= 1:
                break
        return count / total if total else 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.frames} frames, {self.late} late, {self.dropped} events dropped; "
            f"first picture after {self.first_picture:.2f} s",
            f"interval  {_spread(self.intervals)}",
            f"painting  {_spread(self.paintings)}",
            f"latency   {_spread(self.latencies)}",
        ]
        if self.callback_share is not None:
            median, p99 = self.callback_share
            lines.append(f"callback  median {median:.1%}, 99 % within {p99:.1%} of a block's time")
        return "\n".join(lines)


def _spread(times: Iterable[float]) -> str:
    values = 1000 * np.fromiter(times, float)
    if not len(values):
        return "none"
    median, p99 = np.percentile(values, [50, 99])
    return f"median {median:.1f} ms, 99 % within {p99:.1f} ms, longest {values.max():.1f} ms"
