"""Scenes: vectors of the bank by which a picture stays for a while, as on a leash.

A scene changes where the music does, or on a downbeat after so many bars, never within a phrase. Its vector
is that of the sound heard most in the last seconds, so that what sounds alike comes back to the same scene.
"""

from __future__ import annotations

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.memory import Memory, most_heard

# Scenes that don't come back at once.
LAST = 3
# Without a beat a bar is as long as this; and no scene is shorter than some bars of it, sections or not.
BAR_S = 2.0
SHORTEST_S = 4.0
# How long it waits for a strike to change with.
PATIENCE_BARS = 2


class Scenes:
    """Follows the music from scene to scene. A scene is named by a cluster."""

    def __init__(self, bars: int, cluster: int):
        """bars: how long a scene lasts; 0 leaves it to the music's sections."""
        self.bars = bars
        self.begin(cluster)

    def begin(self, cluster: int) -> None:
        """Start afresh with a cluster's scene; with `SILENCE`, the first sound's."""
        self._past: tuple[int, ...] = () if cluster == SILENCE else (cluster,)
        self._since = np.inf
        self._beat = -1
        self._bars = 0

    def resume(self, other: Scenes) -> None:
        """Go on where another's left off."""
        self._past, self._since, self._beat, self._bars = other._past, other._since, other._beat, other._bars

    def hear(self, event: Event, memory: Memory) -> int:
        """The present scene's cluster. memory: with this event."""
        if event.cluster == SILENCE:
            return self._past[0] if self._past else 0
        if not self._past:
            self._past = (event.cluster % len(memory.longer),)
        self._since = min(self._since, event.time)
        downbeat = memory.trusted and memory.position == 0 and memory.beat.number != self._beat
        self._beat = memory.beat.number
        self._bars += downbeat
        if self._ends(event, memory, downbeat):
            self._past = (most_heard(memory.longer, self._past[:LAST]), *self._past)[:LAST]
            self._since, self._bars = event.time, 0
        return self._past[0]

    def _ends(self, event: Event, memory: Memory, downbeat: bool) -> bool:
        lasted = event.time - self._since
        if event.section.starts and lasted >= SHORTEST_S:
            return True
        if not self.bars:
            return False
        if memory.trusted:
            return downbeat and self._bars >= self.bars
        bars = lasted / BAR_S
        return bars >= self.bars and (event.strikes.all > 0 or bars >= self.bars + PATIENCE_BARS)
