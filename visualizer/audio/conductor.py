"""The conductor: who leads the beat, what is heard or somebody outside: a clock, a hand that taps."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from visualizer.audio.rhythm import NO_BEAT, Beat

if TYPE_CHECKING:
    from visualizer.audio.ears import Sink
    from visualizer.audio.listener import Event

# Taps further apart begin anew, and a tempo comes of so many at the most.
PAUSE_S = 2.0
TAPS = 8
# A hand is never so steady that its beat would hold for longer.
TAPPED_S = 30.0


class Lead(NamedTuple):
    """A beat from outside. by: who leads; tempo: beats a minute; time: of a beat, and number: that beat's;
    meter: beats in a bar, 0 if unknown; until: when it no longer counts. Times in perf_counter seconds."""

    by: object
    tempo: float
    time: float
    number: int
    meter: int
    until: float


class Conductor:
    """Leads from any thread; one thread, that hears, asks for beats."""

    def __init__(self) -> None:
        self._lead: Lead | None = None
        self._taps: deque[float] = deque(maxlen=TAPS)
        # What has been counted: of the heard beats, of the leader's, and of all.
        self._heard = self._led = self._number = 0
        self._leader: object = None
        self.newest = NO_BEAT
        """The beat last asked for."""

    def lead(
        self, by: object, tempo: float, time: float, number: int, meter: int = 0, until: float = math.inf
    ) -> None:
        """Say when beats fall. tempo: beats a minute, above 0; time: of beat `number`."""
        self._lead = Lead(by, tempo, time, number, meter, until)

    def release(self, by: object) -> None:
        """Let lead what is heard, if that one led."""
        if (lead := self._lead) is not None and lead.by is by:
            self._lead = None

    def tap(self, time: float) -> float:
        """A hand taps a beat; returns the tempo that it comes to, 0 while it is the first."""
        if self._taps and not 0 < time - self._taps[-1] < PAUSE_S:
            self._taps.clear()
        self._taps.append(time)
        if len(self._taps) < 2:
            return 0.0
        period, last = np.polyfit(np.arange(len(self._taps)), np.array(self._taps) - time, 1)
        now = time + last + (len(self._taps) - 1) * period
        lead = self._lead
        number = lead.number + 1 if lead is not None and lead.by is self else 0
        self.lead(self, 60 / period, now, number, until=time + TAPPED_S)
        return 60 / period

    def beat(self, time: float, heard: Beat) -> Beat:
        """The beat at a time: the leader's, or what is heard; its number never goes back."""
        self.newest = self._beat(time, heard)
        return self.newest

    def _beat(self, time: float, heard: Beat) -> Beat:
        lead = self._lead
        if lead is None or time > lead.until:
            self._number += max(0, heard.number - self._heard)
            self._heard, self._leader = heard.number, None
            return heard._replace(number=self._number)
        self._heard = heard.number
        period = 60 / lead.tempo
        passed = math.floor((time - lead.time) / period)
        number = lead.number + passed
        if self._leader is not lead.by:
            self._leader, self._led = lead.by, number
        self._number += max(0, number - self._led)
        self._led = max(self._led, number)
        phase = (time - lead.time) / period - passed
        position = number % lead.meter if lead.meter else 0
        return Beat(lead.tempo, phase, (1 - phase) * period, self._number, 1.0, lead.meter, position)


class Led:
    """A sink whose events have the conductor's beat."""

    def __init__(self, sink: Sink, conductor: Conductor):
        self._sink, self._conductor = sink, conductor

    def push(self, event: Event) -> None:
        """Pass an event on, whose time is one of perf_counter."""
        self._sink.push(replace(event, beat=self._conductor.beat(event.time, event.beat)))
