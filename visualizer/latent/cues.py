"""Cues: when a particle is to move, and after which sound.

A particle follows onsets, beats, bars or every change of sound. Where the music has no beat to trust, onsets
stand in; where nothing strikes, changes of sound do, and rarely, so that what is calm stays calm.
"""

from __future__ import annotations

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.choreography import Follow, MoveOn
from visualizer.latent.memory import Memory, most_heard

# When a target may be left, only a strong strike does it at first, and any a little later.
STRONG, ANY, PATIENCE_S = 0.8, 0.1, 1.0
# After so long without a strike, changes of sound lead.
UNSTRUCK_S = 2.5
# Least time between two targets where something else stands in for beats and bars: onsets, or changes of
# sound.
STAND_IN_S = {"sound": (0.0, 0.0), "onset": (0.0, 1.0), "beat": (0.3, 1.0), "bar": (1.6, 3.0)}
# It begins to move before a beat or bar by no more than this part of it, however slow it is; a target is held
# for so much less than it should be, if that lets it move on with a beat that comes a little early.
LONGEST_LEAD, SLACK = 0.75, 0.9
# A beat that came unforeseen is moved with, so long after it.
LATE_S = 0.12


class Cues:
    """Tells for one particle when to move and to which cluster."""

    def __init__(self, move_on: MoveOn, follow: Follow, hold: float, lead: float):
        """follow: the strikes that count. hold: least seconds between two targets. lead: how long before a
        beat to begin, to arrive with it."""
        self.move_on, self.follow, self.hold, self.lead = move_on, follow, hold, lead
        self._moved = self._struck = -np.inf
        self._met = -1  # the beat or bar that was moved for last

    def resume(self, other: Cues) -> None:
        """Go on where another's left off."""
        self._moved, self._struck, self._met = other._moved, other._struck, other._met

    def due(self, event: Event, memory: Memory, cluster: int) -> int | None:
        """The cluster to move to now, or None. memory: with this event; cluster: the present target's."""
        if event.cluster == SILENCE:
            return None
        strike = getattr(event.strikes, self.follow)
        if strike > 0 or self._struck == -np.inf:  # it may be about to
            self._struck = event.time
        chosen = self._choose(event, memory, strike, cluster)
        if chosen is not None:
            self._moved = event.time
        return chosen

    def _choose(self, event: Event, memory: Memory, strike: float, cluster: int) -> int | None:
        since = event.time - self._moved
        if cluster == SILENCE:
            return event.cluster
        if self.move_on in ("beat", "bar") and memory.trusted:
            return self._with_the_beat(event, memory, since, cluster)
        by_onset, by_sound = (max(self.hold, least) for least in STAND_IN_S[self.move_on])
        if self.move_on == "sound" or event.time - self._struck > UNSTRUCK_S:
            return event.cluster if since >= by_sound and event.cluster != cluster else None
        left = 1 - (since - by_onset) / PATIENCE_S
        if since >= by_onset and strike >= max(ANY, STRONG * left):
            return most_heard(memory.lately, (cluster,)) if self.move_on == "bar" else event.cluster
        return None

    def _with_the_beat(self, event: Event, memory: Memory, since: float, cluster: int) -> int | None:
        """As `_choose`, so early that it arrives with the next beat or bar; at once if that came
        unforeseen."""
        beat, period = memory.beat, 60 / memory.beat.tempo
        left = beat.next_s if self.move_on == "beat" else memory.until_bar
        beats = 1 if self.move_on == "beat" else memory.meter
        meets = beat.number + 1 + round((left - beat.next_s) / period)
        missed = left > min(self.lead, LONGEST_LEAD * beats * period)
        meets -= beats * missed  # then it may still be time for the last one
        if meets <= self._met:
            return None
        self._met = meets
        if since < SLACK * self.hold or (missed and beats * period - left > LATE_S):
            return None
        foreseen = memory.foreseen if meets > beat.number else event.cluster
        # A bar is for what is heard most in one; and where a sound goes on, the next beside it.
        return (
            most_heard(memory.lately, (cluster,))
            if self.move_on == "bar" or foreseen == cluster
            else foreseen
        )
