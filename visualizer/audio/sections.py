"""Sections: where the music changes as a whole.

Foote's novelty (2000), "Automatic audio segmentation using a measure of audio novelty", made causal and free
of scale: the last seconds against those before them, as the energy distance of both relative to how far apart
they are (0: as if from the same music, 1: nothing in common). The checkerboard's corners are its three means.

A section that is noticed begins with the next downbeat or beat, if one may be trusted and comes soon.
"""

from __future__ import annotations

import math

import numpy as np

from visualizer.audio.rhythm import Beat, Section
from visualizer.audio.spectrum import SpectrumSettings, Window
from visualizer.common.compiled import compiled

# A step, of which so many are the last seconds, and so many at least and at the most are before them.
STEP_S = 0.37
RECENT, LEAST_PAST, MOST_PAST = 6, 10, 40
# Neighbouring bands that are heard as one: timbre matters, not the chord; and the depth to which it does.
POOL, DEPTH_DB = 4, 45.0
LEVEL_S = 12.0
# Novelty of a new section; on scores, styles that only repeat stay below 0.22.
NEW = 0.28
# No section is shorter, but one that a silence of so much ends.
SHORTEST_S = 8.0
SILENCE_S, SHORT_S = 2.0, 3.0
# How long a section waits for a beat to begin with, and how far that beat must be trusted.
WAIT_S, TRUST = 3.0, 0.5


class Sections:
    """Windows and beats in, sections out. Pure arithmetic."""

    def __init__(self, settings: SpectrumSettings):
        self._hop_s = settings.hop_s
        self._step = max(1, round(STEP_S / settings.hop_s))
        self._bands = np.zeros(settings.n_bands)
        self._hops = self._sounding = 0
        self._pools = np.arange(0, settings.n_bands, POOL)
        self._steps = np.zeros((MOST_PAST + RECENT, len(self._pools) + 1))
        self._known = 0
        self._level, self._weight = 0.0, 0.0
        self._lasts, self._silent = 0.0, 0.0  # seconds, of the section and of the silence
        self._waits = -1.0
        self._number = 0
        self._beat = Beat()
        self._section = Section()

    def push(self, window: Window, beat: Beat) -> Section:
        """Take the next window and its beat."""
        self._lasts += self._hop_s
        starts = self._silence_ends(window) or self._downbeat_comes(beat)
        self._beat = beat
        if not window.silent:
            self._bands += 10 ** (window.power_db / 10)
            self._sounding += 1
        self._hops += 1
        novelty = self._section.novelty
        if self._hops == self._step:
            novelty = self._end_step()
        if starts:
            self._number += 1
            self._lasts, self._waits = 0.0, -1.0
        if starts or novelty != self._section.novelty or self._section.starts:
            self._section = Section(novelty, starts, self._number)
        return self._section

    def _silence_ends(self, window: Window) -> bool:
        if window.silent:
            self._silent += self._hop_s
            return False
        silent, self._silent = self._silent, 0.0
        if silent < SILENCE_S:
            return False
        self._known = 0
        # What begins after a pause is new, but not the very first sound.
        return self._lasts - silent > SHORT_S

    def _downbeat_comes(self, beat: Beat) -> bool:
        """Whether a section that was noticed begins now."""
        if self._waits < 0:
            return False
        self._waits += self._hop_s
        falls = beat.number != self._beat.number
        if beat.confidence < TRUST or not beat.tempo:
            return True
        bar_s = 60 / beat.tempo * max(beat.meter, 1)
        if bar_s <= WAIT_S + self._hop_s:
            return (falls and beat.position == 0) or self._waits > WAIT_S
        return falls or self._waits > WAIT_S

    def _end_step(self) -> float:
        """The novelty, 0..1, now that another step has been heard."""
        sounding, self._sounding, self._hops = self._sounding, 0, 0
        if sounding < self._step / 2:
            self._bands[:] = 0.0
            return self._section.novelty
        pooled = np.add.reduceat(self._bands, self._pools) / sounding
        self._bands[:] = 0.0
        loudness = 10 * math.log10(float(np.add.reduce(pooled)) + 1e-13)
        weight = 10 ** (loudness / 40)
        self._weight += weight - self._weight * self._step * self._hop_s / LEVEL_S
        self._level += weight / self._weight * (loudness - self._level)
        heard = np.maximum(10 * np.log10(pooled + 1e-13), self._level - DEPTH_DB)
        steps = self._steps
        if self._known == len(steps):
            _wind_back(steps)
            self._known -= 1
        steps[self._known, :-1] = heard
        steps[self._known, -1] = loudness
        self._known += 1
        if self._known < LEAST_PAST + RECENT:
            return 0.0
        novelty = _novelty(steps[: self._known], RECENT)
        if novelty > NEW and self._lasts > SHORTEST_S and self._waits < 0:
            # What was heard last begins the new section.
            steps[:RECENT] = steps[self._known - RECENT : self._known].copy()
            self._known = RECENT
            self._waits = 0.0
        return novelty


@compiled("void(f8[:,::1])")
def _wind_back(steps):
    for i in range(len(steps) - 1):
        steps[i] = steps[i + 1]


@compiled("f8(f8[:,::1], i8)")
def _novelty(steps, recent):
    """Székely's energy distance of the last steps and those before, relative to their mean distance."""
    n, past = len(steps), len(steps) - recent
    between, before, after = 0.0, 0.0, 0.0
    for i in range(n):
        for j in range(i):
            square = 0.0
            for k in range(steps.shape[1]):
                square += (steps[i, k] - steps[j, k]) ** 2
            distance = math.sqrt(square)
            if i < past:
                before += distance
            elif j < past:
                between += distance
            else:
                after += distance
    between /= past * recent
    before /= past * (past - 1) / 2
    after /= recent * (recent - 1) / 2
    return max(0.0, 1 - (before + after) / (2 * between + 1e-9))
