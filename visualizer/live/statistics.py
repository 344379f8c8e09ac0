"""What the live engine measures of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from visualizer.common.record import Record

if TYPE_CHECKING:
    from visualizer.audio.spectrum import SpectrumSettings

# A moment of sound that took longer to the screen was not late but lost: a device was gone.
LOST_S = 0.5


@dataclass
class Statistics:
    """Times in seconds. Written by the render thread alone.

    intervals: between swaps. latencies: for every moment of sound, from when it was recorded to the swap
    that first shows its analysis; the moment is the middle of the analysed window, where a sound counts in
    full; latest: the last thousand of them. head_start: sound has its first effect so much sooner, as it
    enters the window: of a hop's samples, the oldest. paintings: what the generator took for each picture.
    composing: what effects, flash limiter and drawing took for each frame. late: frames shown more than
    half a refresh after their time. dropped: events that the physics never saw. first_picture: from the
    start to the first picture's swap. shut_down: from the wish to quit to the end. ways: by name,
    (seconds of the processor's that each took, its errors). callback_share:
    (median, 99th percentile) of the audio callback's time as a share of its sound's duration.
    """

    refresh: float = 1 / 60
    intervals: Record = field(default_factory=Record)
    latencies: Record = field(default_factory=Record)
    paintings: Record = field(default_factory=Record)
    composing: Record = field(default_factory=Record)
    head_start: float = 0.0
    frames: int = 0
    late: int = 0
    dropped: int = 0
    first_picture: float = float("nan")
    shut_down: float = float("nan")
    callback_share: tuple[float, float] | None = None
    ways: dict[str, tuple[float, int]] = field(default_factory=dict)
    latest: Record = field(default_factory=lambda: Record(1000))
    _recent: Record = field(default_factory=lambda: Record(60))
    _heard: float = -np.inf

    def swapped(self, interval: float) -> None:
        """Count a frame."""
        self.frames += 1
        self.intervals.add(interval)
        self._recent.add(interval)
        self.late += interval > 1.5 * self.refresh

    def showed(self, swap: float, heard: float, settings: SpectrumSettings) -> None:
        """Note the latency of what a swap shows for the first time.

        swap: its time; heard: the time of the newest event in the picture.
        """
        hop = settings.hop_s
        self.head_start = settings.latency_s - hop
        new = heard - self._heard
        if new <= 0:
            return
        if new < LOST_S:
            for i in range(max(1, round(new / hop))):
                self.latencies.add(swap - heard + i * hop)
                self.latest.add(swap - heard + i * hop)
        self._heard = heard

    def forget(self) -> None:
        """Begin the distributions and counts of frames afresh, e.g. when all is warmed up."""
        for record in (self.intervals, self.latencies, self.paintings, self.composing):
            record.clear()
        self.frames = self.late = 0

    @property
    def fps(self) -> float:
        """Frames a second, of late."""
        recent = self._recent.values()
        return float(len(recent) / recent.sum()) if len(recent) else 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.frames} frames, {self.late} late, {self.dropped} events dropped; "
            f"first picture after {self.first_picture:.2f} s",
            f"interval  {_spread(self.intervals)}",
            f"painting  {_spread(self.paintings)}",
            f"composing {_spread(self.composing)}",
            f"latency   {_spread(self.latencies, -self.head_start)} to the first effect,",
            f"          {_spread(self.latencies)} to the whole",
        ]
        for name, (spent, errors) in self.ways.items():
            lines.append(
                f"{name:<9} took {spent:.2f} s of the processor{f', {errors} ERRORS' if errors else ''}"
            )
        if self.callback_share is not None:
            median, p99 = self.callback_share
            lines.append(f"callback  median {median:.1%}, 99 % within {p99:.1%} of its sound's duration")
        return "\n".join(lines)


def _spread(record: Record, more: float = 0.0) -> str:
    spread = record.spread()
    if spread is None:
        return "none"
    median, p99, greatest = (1000 * (seconds + more) for seconds in spread)
    return f"median {median:.1f} ms, 99 % within {p99:.1f} ms, longest {greatest:.1f} ms"
