"""Memory: what was heard so far, as far as it matters for where to go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.audio.rhythm import NO_BEAT, Beat

# A beat is trusted from the one confidence on, and doubted again below the other.
TRUST, DOUBT = 0.5, 0.35
# Beats in a bar where the music doesn't tell.
COMMON_METER = 4
# A strike so near to a beat is the beat's.
NEAR_S = 0.08
# Time constants by which the memory of sounds fades: for a bar, and for a scene.
BAR_S, SCENE_S = 2.0, 8.0
# The level is that beside the last seconds' mean; so many decibels above it are the loudest, 1.
LEVEL_S, LEVEL_DB = 6.0, 12.0
# A rise of the spectrum counts beside the steepest of late, which is forgotten within some seconds, and
# beside no less than this; by its power what is struck stands out from what only stirs.
STEEPEST_S, LEAST_STEEP = 6.0, 0.25
RISE_POWER = 4.0


class Memory(NamedTuple):
    """What was heard so far, as far as it matters for where to go. Never changed, only followed by another.

    time: of the newest event. beat: its beat; trusted: whether that may lead. lately, longer: [n_clusters]
    how much each was heard in about the last bar, and in some seconds. beats: the clusters of the last beats,
    the newest first. struck: the time and cluster of the last strike. mean: the usual loudness in dB, or
    None. level: the loudness beside that, 0..1. steepest: the onset of late that was; rise: how much the
    present one carries, 0..1, near 1 in strong strikes alone.
    """

    time: float
    lately: np.ndarray
    longer: np.ndarray
    beat: Beat = NO_BEAT
    trusted: bool = False
    beats: tuple[int, ...] = ()
    struck: tuple[float, int] = (-np.inf, SILENCE)
    mean: float | None = None
    level: float = 0.5
    steepest: float = LEAST_STEEP
    rise: float = 0.0

    @classmethod
    def empty(cls, n_clusters: int, time: float = -np.inf) -> Memory:
        """Nothing was heard yet."""
        return cls(time, np.zeros(n_clusters), np.zeros(n_clusters))

    def after(self, event: Event) -> Memory:
        """With the next event."""
        beat = event.beat
        trusted = beat.tempo > 0 and beat.confidence >= (DOUBT if self.trusted else TRUST)
        if event.cluster == SILENCE:
            return self._replace(time=event.time, beat=beat, trusted=trusted, rise=0.0)
        dt = min(max(event.time - self.time, 0.0), 1.0)
        cluster = event.cluster % len(self.lately)
        lately, longer = self.lately * (1 - dt / BAR_S), self.longer * (1 - dt / SCENE_S)
        lately[cluster] += dt
        longer[cluster] += dt
        struck, beats = self.struck, self.beats
        if event.strikes.all > 0:
            struck = event.time, cluster
            if beats and self._since_beat(event) < NEAR_S:
                beats = (cluster, *beats[1:])
        if beat.number != self.beat.number:
            at_beat = struck[1] if event.time - struck[0] < NEAR_S else cluster
            beats = (at_beat, *beats)[: 2 * COMMON_METER]
        mean = (
            event.loudness if self.mean is None else self.mean + (event.loudness - self.mean) * dt / LEVEL_S
        )
        level = min(1.0, max(0.0, 0.5 + (event.loudness - mean) / (2 * LEVEL_DB)))
        steepest = max(LEAST_STEEP, event.onset, self.steepest * (1 - dt / STEEPEST_S))
        rise = (event.onset / steepest) ** RISE_POWER
        return Memory(event.time, lately, longer, beat, trusted, beats, struck, mean, level, steepest, rise)

    def _since_beat(self, event: Event) -> float:
        return event.beat.phase * 60 / event.beat.tempo if event.beat.tempo else np.inf

    @property
    def meter(self) -> int:
        """Beats in a bar, as far as one knows."""
        return self.beat.meter or COMMON_METER

    @property
    def position(self) -> int:
        """Of the last beat in its bar, 0 the downbeat."""
        return self.beat.position if self.beat.meter else self.beat.number % COMMON_METER

    @property
    def foreseen(self) -> int:
        """The sound that the next beat will bring, if it is as a bar ago."""
        if len(self.beats) >= self.meter:
            return self.beats[self.meter - 1]
        return self.beats[0] if self.beats else most_heard(self.lately)

    @property
    def until_bar(self) -> float:
        """Seconds to the next downbeat."""
        return self.beat.next_s + (self.meter - 1 - self.position) * 60 / self.beat.tempo


def most_heard(heard: np.ndarray, but: tuple[int, ...] = ()) -> int:
    """The cluster that was heard most, of [n_clusters], leaving some out if others were heard."""
    rest = heard.copy()
    rest[[cluster % len(heard) for cluster in but]] = 0
    return int((rest if rest.any() else heard).argmax())
