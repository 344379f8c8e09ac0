"""MIDI clock: 24 ticks a beat become a tempo and the times of beats, whatever the cable's jitter."""

from __future__ import annotations

from collections import deque

import numpy as np

from visualizer.audio.conductor import Conductor

TICKS = 24
# A line through the ticks of the last two beats evens out a millisecond's jitter.
KEPT = 2 * TICKS
ENOUGH = TICKS // 2
# Without ticks for so long, it has stopped.
GONE_S = 0.5
METER = 4


class Clock:
    """Follows one clock and leads the beat by it. Times in perf_counter seconds."""

    def __init__(self, conductor: Conductor):
        self._conductor = conductor
        self._times: deque[float] = deque(maxlen=KEPT)
        self._ticks = -1  # number of the newest tick since the start
        self._running = True
        self.tempo = 0.0

    def start(self) -> None:
        """The next tick is the first of a first bar."""
        self._ticks, self._running = -1, True

    def place(self, sixteenths: int) -> None:
        """The next tick is so many sixteenths into the song."""
        self._ticks = sixteenths * TICKS // 4 - 1

    def resume(self) -> None:
        """Go on where it stopped."""
        self._running = True

    def stop(self) -> None:
        """What is heard leads again, even if it ticks on."""
        self._running = False
        self._conductor.release(self)

    def tick(self, time: float) -> None:
        """A tick arrived."""
        if self._times and time - self._times[-1] > GONE_S:
            self._times.clear()
        self._times.append(time)
        if not self._running:
            return
        self._ticks += 1
        if len(self._times) < ENOUGH:
            return
        numbers = np.arange(len(self._times)) - len(self._times) + 1
        period, now = np.polyfit(numbers, np.array(self._times) - time, 1)
        if period <= 0:
            return
        self.tempo = 60 / (TICKS * period)
        beat, part = divmod(self._ticks, TICKS)
        self._conductor.lead(self, self.tempo, time + now - part * period, beat, METER)

    def look(self, now: float) -> None:
        """Let go if nothing ticks any more."""
        if self._times and now - self._times[-1] > GONE_S:
            self._times.clear()
            self._conductor.release(self)
