"""Onsets: in which moments something is struck, how strongly, and whether low, in the middle or high.

Peaks of spectral flux that doesn't count a note's wavering from band to band (SuperFlux, Böck & Widmer 2013),
over a threshold that follows the music: a multiple of the flux's own median, so that neither steady noise nor
what rings on is a strike, but the strikes themselves don't raise it. A window of 23 ms, half as long as that
which names moments, tells earlier and more exactly when; only the bass needs the longer one.

A strike is given in the hop after the peak, 12 or 23 ms of sound after the hop in which it was played.
"""

from __future__ import annotations

import math

import numpy as np

from visualizer.audio.bands import band_edges
from visualizer.audio.beat.fourier import PowerSpectrum
from visualizer.audio.rhythm import NO_STRIKES, Strikes
from visualizer.audio.spectrum import SpectrumSettings, Window
from visualizer.common.compiled import compiled

N_FFT = 1024
# Two bins are the least that a band of noise can do with.
N_BANDS, LOWEST_HZ, HIGHEST_HZ = 20, 43.0, 16000.0
BASS_HZ, MIDDLE_HZ = 140.0, 2000.0
# What lies so far below the loudest of late is not heard: in all and in the treble, in the middle, in bass.
DEPTH_DB = 60.0
MIDDLE_DEPTH_DB, BASS_DEPTH_DB = 18.0, 12.0
FALL_DB_PER_S = 6.0
QUIETEST_DB = -120.0
# A low note's own waves are no strikes: bass must rise above all of the last hops.
BASS_HOPS = 4
# So many decibels below the loudest of late, a strike counts next to nothing.
SOFT_DB, FAINTEST = 40.0, 0.1
# A range is struck where all is, or the bass alone if it rises by so much.
TOGETHER_HOPS = 5
BASS_ALONE_DB = 9.0


class _Peaks:
    """Peaks of a curve that stand out, each once."""

    # The threshold: a multiple of the median, a share of the highest of late, and never below the least.
    TIMES_MEDIAN = 9.0
    MEDIAN_STEP = 0.01
    LEAST_MEDIAN = 0.02
    FALL = 0.9985
    MOST = 20.0
    # How near to each other two strikes may be, in hops: 58 ms.
    APART = 5

    def __init__(self, least: float, share: float, full: float):
        """least: below it there are no peaks; share: of the highest; full: strength 1 takes so much."""
        self._least, self._share, self._full = least, share, full
        self._median, self._highest = 0.3, 0.0
        self._before = self._last = 0.0
        self._since = self.APART
        self.height = 0.0
        """Of the last peak."""

    def push(self, value: float) -> float:
        """The strength 0..1 of a peak in the hop before, 0 if there was none."""
        # What breaks a silence is no measure for what comes after it.
        value = min(value, self.MOST)
        before, last = self._before, self._last
        self._before, self._last = last, value
        self._since += 1
        threshold = max(self._least, self.TIMES_MEDIAN * self._median, self._share * self._highest)
        self._median *= 1 + self.MEDIAN_STEP if value > self._median else 1 - self.MEDIAN_STEP
        self._median = max(self._median, self.LEAST_MEDIAN)
        self._highest = max(self._highest * self.FALL, value)
        if last > value and last >= before and last > threshold and self._since > self.APART:
            self._since = 0
            self.height = last
            return min(1.0, last / max(self._highest, self._full))
        return 0.0

    def rest(self) -> None:
        """Nothing sounds."""
        self._before = self._last = 0.0
        self._since += 1


class Onsets:
    """Hops of sound in, strikes out. Pure arithmetic, and the same however the sound was cut."""

    def __init__(self, settings: SpectrumSettings):
        """settings: of the analysis whose windows come with the hops."""
        n_fft = N_FFT
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        self._spectrum = PowerSpectrum(hann * math.sqrt(4 / (n_fft * np.sum(hann**2))), n_fft)
        resolution = settings.sr / n_fft
        edges = band_edges(2 * settings.sr, n_fft, N_BANDS, LOWEST_HZ, HIGHEST_HZ)
        self._begins = np.round(edges / resolution).astype(np.int64)
        self._middle = int(np.searchsorted(edges, 2 * BASS_HZ))
        self._treble = int(np.searchsorted(edges, MIDDLE_HZ))
        self._bass_bands = int(np.searchsorted(settings.edges, BASS_HZ))
        self._db = np.full((2, N_BANDS), QUIETEST_DB)
        self._rises = np.zeros(4)
        self._below = 0.0
        self._fall = FALL_DB_PER_S * settings.hop_s
        self._peaks = np.full(2, QUIETEST_DB)
        self._bass = [0.0] * BASS_HOPS
        self._bass_peak = QUIETEST_DB
        self._all, self._low = _Peaks(1.0, 0.1, 4.0), _Peaks(2.0, 0.15, 6.0)
        self._mid, self._high = _Peaks(3.0, 0.15, 6.0), _Peaks(1.0, 0.1, 4.0)
        self._together = 0

    def push(self, samples: np.ndarray, window: Window) -> Strikes:
        """Take the newest `N_FFT` samples and the window that ends with them."""
        _rise(
            self._spectrum(samples),
            self._begins,
            self._middle,
            self._treble,
            self._fall,
            self._db,
            self._peaks,
            self._rises,
        )
        bass = self._bass_rise(window.power_db)
        if window.silent:
            for peaks in (self._all, self._low, self._mid, self._high):
                peaks.rest()
            return NO_STRIKES
        everywhere, middle, treble, below = self._rises.tolist()
        struck = self._all.push(everywhere) * max(FAINTEST, 1 - min(below, self._below) / SOFT_DB)
        self._below = below
        low, mid, high = self._low.push(bass), self._mid.push(middle), self._high.push(treble)
        self._together = TOGETHER_HOPS if struck else self._together - 1
        if low and self._together <= 0 and self._low.height >= BASS_ALONE_DB:
            struck, self._together = low, TOGETHER_HOPS
        if self._together <= 0 or not (struck or low or mid or high):
            return NO_STRIKES
        return Strikes(struck, low, mid, high)

    def _bass_rise(self, power_db: np.ndarray) -> float:
        """How many decibels the bass rose above its last hops."""
        level = 10 * math.log10(sum(10 ** (x / 10) for x in power_db[: self._bass_bands].tolist()) + 1e-12)
        self._bass_peak = max(level, self._bass_peak - self._fall, QUIETEST_DB)
        level = max(level, self._bass_peak - BASS_DEPTH_DB)
        rise = max(0.0, level - max(self._bass))
        self._bass = [*self._bass[1:], level]
        return rise


@compiled("void(f4[::1], i8[::1], i8, i8, f8, f8[:,::1], f8[::1], f8[::1])")
def _rise(power, begins, middle, treble, fall, db, peaks, rises):
    """Rises: how many decibels the bands rose on average, in all, in the middle and in the treble; then how
    many decibels below the peak it sounds.

    db: the bands' levels before, in full and for the middle alone, which become those of now. peaks: of all
    and of the middle, slowly falling.
    """
    bands = len(begins) - 1
    level = np.empty(bands)
    total, between = 0.0, 0.0
    for band in range(bands):
        energy = 1e-13
        for i in range(begins[band], begins[band + 1]):
            energy += power[i]
        level[band] = 10 * math.log10(energy)
        total += energy
        if middle <= band < treble:
            between += energy
    loudness = 10 * math.log10(total)
    peaks[0] = max(loudness, peaks[0] - fall, QUIETEST_DB)
    peaks[1] = max(10 * math.log10(between + 1e-12), peaks[1] - fall, QUIETEST_DB)
    rises[:3] = 0.0
    rises[3] = peaks[0] - loudness
    for depth in range(2):
        first, last = (0, bands) if depth == 0 else (middle, treble)
        floor = max(peaks[0] - DEPTH_DB, QUIETEST_DB)
        if depth == 1:
            floor = max(floor, peaks[1] - MIDDLE_DEPTH_DB)
        before = db[depth]
        for band in range(first, last):
            near = max(before[max(band - 1, first)], before[band], before[min(band + 1, last - 1)], floor)
            rise = max(0.0, level[band] - near)
            if depth == 1:
                rises[1] += rise / (treble - middle)
            else:
                rises[0] += rise / bands
                if band >= treble:
                    rises[2] += rise / (bands - treble)
        for band in range(first, last):
            before[band] = max(level[band], floor)
