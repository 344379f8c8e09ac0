"""The listener: samples in, named moments out. The live callback and the offline engine share it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from visualizer.audio.beat.network import BeatNetwork
from visualizer.audio.beat.tracker import BeatTracker
from visualizer.audio.codebook import SILENCE, Codebook
from visualizer.audio.onsets import N_FFT, Onsets
from visualizer.audio.rhythm import NO_BEAT, NO_SECTION, NO_STRIKES, Beat, Section, Strikes
from visualizer.audio.sections import Sections
from visualizer.audio.spectrum import Spectrum
from visualizer.common import assets


@dataclass(frozen=True, slots=True)
class Event:
    """One analysed moment of sound.

    time: seconds since the first sample, the centre of the analysis window.
    cluster: 0..99, or `codebook.SILENCE`.
    loudness: dB re a full-scale sine. onset: 0..1, how much the spectrum rose.
    strikes, beat, section: see `rhythm`.
    """

    time: float
    cluster: int
    loudness: float
    onset: float
    strikes: Strikes = NO_STRIKES
    beat: Beat = NO_BEAT
    section: Section = NO_SECTION

    def at(self, time: float) -> Event:
        """The same moment by another clock."""
        return Event(time, self.cluster, self.loudness, self.onset, self.strikes, self.beat, self.section)

    def sensed(self, sensitivity: float) -> Event:
        """The same moment as it seems with a sensitivity, positive; with 1 it is itself.

        Strikes and onset are multiplied, and are 1 at the most; the sound is louder by 20 log10 of it in dB,
        but silence never is.
        """
        if sensitivity == 1:
            return self
        louder = 20 * math.log10(sensitivity)
        return replace(
            self,
            loudness=self.loudness + (min(louder, 0.0) if self.cluster == SILENCE else louder),
            onset=min(1.0, sensitivity * self.onset),
            strikes=Strikes(*(min(1.0, sensitivity * strike) for strike in self.strikes)),
        )


class Listener:
    """The rolling spectrum, the codebook, the onsets, the beat and the sections, one after the other."""

    def __init__(self, codebook: Codebook):
        self.codebook = codebook
        self.spectrum = Spectrum(codebook.settings)
        self.onsets = Onsets(codebook.settings)
        self.beat = BeatTracker(BeatNetwork.load(assets.model("beat.safetensors")))
        self.sections = Sections(codebook.settings)
        self._windows = 0

    def push(self, samples: np.ndarray) -> Iterator[Event]:
        """Take the next mono samples [n]; yield an event for each completed hop."""
        settings = self.codebook.settings
        for window in self.spectrum.push(samples):
            self._windows += 1
            time = self._windows * settings.hop_s - settings.latency_s
            strikes = self.onsets.push(self.spectrum.newest(N_FFT), window)
            beat = self.beat.push(self.spectrum, window, time)
            section = self.sections.push(window, beat)
            cluster = self.codebook.cluster(window)
            yield Event(time, cluster, window.loudness, window.onset, strikes, beat, section)
