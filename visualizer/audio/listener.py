"""The listener: samples in, named moments out. The live callback and the offline engine share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from visualizer.audio.codebook import Codebook
from visualizer.audio.onsets import N_FFT, Onsets
from visualizer.audio.rhythm import NO_BEAT, NO_SECTION, NO_STRIKES, Beat, Section, Strikes
from visualizer.audio.spectrum import Spectrum


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


class Listener:
    """The rolling spectrum, the codebook and the onsets, one after the other."""

    def __init__(self, codebook: Codebook):
        self.codebook = codebook
        self.spectrum = Spectrum(codebook.settings)
        self.onsets = Onsets(codebook.settings)
        self._windows = 0

    def push(self, samples: np.ndarray) -> Iterator[Event]:
        """Take the next mono samples [n]; yield an event for each completed hop."""
        settings = self.codebook.settings
        for window in self.spectrum.push(samples):
            self._windows += 1
            time = self._windows * settings.hop_s - settings.latency_s
            strikes = self.onsets.push(self.spectrum.newest(N_FFT), window)
            yield Event(time, self.codebook.cluster(window), window.loudness, window.onset, strikes)
