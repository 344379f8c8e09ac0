"""The rolling spectrum: samples in, level-independent log-frequency bands out.

Every hop, a Hann window of the newest samples becomes a power spectrum, the spectrum 64 bands in
dB, and the bands are compared with how this piece of music has sounded so far: each band's slowly
adapting mean is subtracted and the result divided by its slowly adapting deviation. What is left
tells what changes in the music, not how loud it is or how it was mastered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import scipy.fftpack

from visualizer.audio.bands import BandPower, band_edges
from visualizer.audio.rest import Rest
from visualizer.audio.slices import LONGEST, short_slices

# Of all sound in the program, frames a second; files and devices of other rates are resampled.
SAMPLE_RATE = 44100
# No sound goes so far beyond full scale, 1. What does is a fault, and would deafen the analysis to all that
# follows by its loudness.
LIMIT = 16.0
# The newest samples, of which so many can be looked at, are on a tape this many times as long.
KEPT = 4096
TAPE = 4
# One and a half seconds at 44.1 kHz.
MAX_FFT = 1 << 16


@dataclass(frozen=True)
class SpectrumSettings:
    """What an analysis depends on; a codebook only fits the settings it was made with.

    2048 samples at 44.1 kHz resolve 21.5 Hz and blur time by 46 ms; a hop of 512 brings a new
    window every 11.6 ms, more often than any display refreshes.

    sr: frames a second. n_fft, hop_length: samples in a window, and from one to the next. n_bands: between
    fmin and fmax, in Hz. adapt_s: time constant, in seconds, with which the mean and the deviation of each
    band follow the music.
    """

    sr: int = SAMPLE_RATE
    n_fft: int = 2048
    hop_length: int = 512
    n_bands: int = 64
    fmin: float = 40.0
    fmax: float = 16000.0
    adapt_s: float = 8.0

    def __post_init__(self) -> None:
        """Raises ValueError or TypeError for what no analysis can have."""
        whole = all(isinstance(n, int) for n in (self.sr, self.n_fft, self.hop_length, self.n_bands))
        if not (whole and 0 < self.hop_length <= self.n_fft <= MAX_FFT and 0 < self.adapt_s < math.inf):
            raise ValueError("settings of an analysis")
        if not (0 < self.fmin < self.fmax <= self.sr / 2 and 0 < self.n_bands <= self.n_fft // 4):
            raise ValueError("range of bands")

    @property
    def hop_s(self) -> float:
        """Seconds from one window to the next."""
        return self.hop_length / self.sr

    @property
    def edges(self) -> np.ndarray:
        """[n_bands + 1] frequencies in Hz between which the bands lie."""
        return band_edges(self.sr, self.n_fft, self.n_bands, self.fmin, self.fmax)

    @property
    def latency_s(self) -> float:
        """How far a window's centre lies behind its newest sample."""
        return self.n_fft / 2 / self.sr


def mend(samples: np.ndarray) -> bool:
    """Make of samples [n] that are no sound some that are, in place; whether any differs from zero."""
    least, most = np.minimum.reduce(samples), np.maximum.reduce(samples)
    if not (least >= -LIMIT and most <= LIMIT):  # which is also true of what is not a number
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(samples, -LIMIT, LIMIT, out=samples)
        return bool(samples.any())
    return bool(least != 0 or most != 0)


@dataclass
class Window:
    """One analysed moment. The object and its array are reused: copy what must last.

    bands: [n_bands] float64, in deviations from how the music has sounded, roughly -3..3;
        zeros in silence.
    power_db: [n_bands] float64, plain band power in dB re a full-scale sine.
    loudness: dB re a full-scale sine, -120 at the least.
    onset: 0..1, how much the spectrum rose since the last window (spectral flux; 1 is 15 dB
        averaged over the bands).
    silent: true below -110 dB, more than 50 dB under the recent peak, and in the steady noise of a pause,
        see `Rest`: a state of its own, in which nothing adapts.
    """

    bands: np.ndarray
    power_db: np.ndarray
    loudness: float = -120.0
    onset: float = 0.0
    silent: bool = True


@dataclass
class Spectrum:
    """Streaming analysis of mono samples. Pure arithmetic: no thread, no device, no clock.

    However the samples are cut into blocks, the windows are the same to the last bit.
    """

    settings: SpectrumSettings = field(default_factory=SpectrumSettings)

    # The floor below the recent level under which bands are all alike, the onset's full scale,
    # and a prior on the deviation, worth one second of music, that tames the first moments.
    FLOOR_DB = 50.0
    ONSET_FULL_DB = 15.0
    RELEASE_S = 0.06
    PRIOR_DEVIATION_DB = 8.0
    PRIOR_S = 1.0
    MIN_DEVIATION_DB = 3.0

    def __post_init__(self) -> None:
        s = self.settings
        # Periodic, as a spectrum wants it. Not scipy.signal's, which takes half a second to load.
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(s.n_fft) / s.n_fft)
        # A full-scale sine then has 0 dB in its band: |X|² peaks at (Σw/2)², spread by the window.
        scale = 4.0 / (s.n_fft * np.sum(hann**2))
        self._band_power = BandPower(s.edges, s.sr, s.n_fft, scale)
        self._hann = hann.astype(np.float32)
        self._kept = max(s.n_fft, KEPT)
        self._tape = np.zeros(TAPE * self._kept, np.float32)
        self._end = self._kept - s.hop_length  # of what was recorded on the tape
        self._pending = 0  # samples of an unfinished hop
        self._windowed = np.empty(s.n_fft, np.float32)
        self._slices, self._kept_slices = short_slices(s.n_fft), short_slices(self._kept)
        self._db = np.empty(s.n_bands)
        self._previous_db = np.empty(s.n_bands)
        self._smooth_db = np.empty(s.n_bands)
        self._mean = np.zeros(s.n_bands)
        self._variance = np.zeros(s.n_bands)
        self._scratch = np.empty(s.n_bands)
        self._forget = s.hop_s / s.adapt_s
        self._weight_sum = 0.0
        self._level = 0.0
        self._rest = Rest(s.edges, s.sr / s.n_fft, s.hop_s)
        self._release = 1 - np.exp(-s.hop_s / self.RELEASE_S)
        self._heard = 0.0
        self._was_silent = True
        self._window = Window(np.zeros(s.n_bands), np.full(s.n_bands, -120.0))

    def push(self, samples: np.ndarray) -> Iterator[Window]:
        """Take the next samples [n], -1..1; yield a window for each completed hop.

        Values that are not finite count as zero. The windows must be consumed in order.
        """
        hop = self.settings.hop_length
        start = 0
        while start < len(samples):
            take = min(hop - self._pending, len(samples) - start, LONGEST)
            self._record(samples[start : start + take])
            start += take
            self._pending += take
            if self._pending == hop:
                self._pending = 0
                self._analyse()
                yield self._window

    def newest(self, n: int, before: int = 0) -> np.ndarray:
        """[n] of the newest samples, or of those `before` that many; n + before is at most `KEPT`. A view."""
        return self._tape[self._end - before - n : self._end - before]

    def _record(self, samples: np.ndarray) -> None:
        tape, begin = self._tape, self._end
        if begin + len(samples) > len(tape):
            for part in self._kept_slices:
                tape[: self._kept][part] = tape[begin - self._kept : begin][part]
            begin = self._kept
        self._end = begin + len(samples)
        place = tape[begin : self._end]
        place[:] = samples
        mend(place)

    def _analyse(self) -> None:
        w = self._window
        recent = self.newest(self.settings.n_fft)
        for part in self._slices:
            np.multiply(recent[part], self._hann[part], out=self._windowed[part])
        self._band_power(scipy.fftpack.rfft(self._windowed, overwrite_x=True), w.power_db)
        w.loudness = 10 * math.log10(max(float(np.add.reduce(w.power_db)), 1e-12))
        np.maximum(w.power_db, 1e-20, out=w.power_db)
        np.log10(w.power_db, out=w.power_db)
        w.power_db *= 10
        verdict = self._rest(w.power_db, w.loudness, self._level)
        w.silent = verdict.still
        if verdict.shift:
            self._follow_down(verdict.shift)
        if w.silent:
            w.bands[:] = 0.0
            w.onset = 0.0
            self._was_silent = True
            return
        self._adapt_and_compare()

    def _follow_down(self, shift: float) -> None:
        """The music is quieter for good, by a common gain of so many dB: it is heard as before."""
        self._level += shift
        self._mean += shift
        # What was loud no longer weighs more.
        self._weight_sum *= 10 ** (shift / 40)

    def _adapt_and_compare(self) -> None:
        """Everything here is relative to the music's own level, so that a fader changes nothing."""
        s, w, db, scratch = self.settings, self._window, self._db, self._scratch

        # Loud moments say more about the music than its fading in and out; a common gain cancels.
        weight = 10 ** (w.loudness / 40)
        self._weight_sum += weight - self._forget * self._weight_sum
        rate = weight / self._weight_sum
        self._heard = min(self._heard + s.hop_s, s.adapt_s)

        self._level += rate * (w.loudness - self._level)
        floor = self._level - self.FLOOR_DB
        np.maximum(w.power_db, floor, out=db)
        if self._was_silent:
            self._previous_db[:] = floor
            self._smooth_db[:] = db
            self._was_silent = False

        np.subtract(db, self._previous_db, out=scratch)
        np.maximum(scratch, 0.0, out=scratch)
        w.onset = min(1.0, float(np.add.reduce(scratch)) / s.n_bands / self.ONSET_FULL_DB)
        self._previous_db[:] = db

        # Rise at once, fall slowly: an attack is not delayed, and noise flickers less.
        smooth = self._smooth_db
        np.subtract(db, smooth, out=scratch)
        scratch *= self._release
        smooth += scratch
        np.maximum(smooth, db, out=smooth)

        # Welford's update of mean and variance, with weights and exponential forgetting.
        np.subtract(smooth, self._mean, out=scratch)
        np.multiply(scratch, rate, out=db)
        self._mean += db
        np.subtract(smooth, self._mean, out=w.bands)
        scratch *= w.bands
        scratch -= self._variance
        scratch *= rate
        self._variance += scratch

        prior = self.PRIOR_S / (self.PRIOR_S + self._heard)
        np.multiply(self._variance, 1 - prior, out=scratch)
        scratch += prior * self.PRIOR_DEVIATION_DB**2
        np.sqrt(scratch, out=scratch)
        np.maximum(scratch, self.MIN_DEVIATION_DB, out=scratch)
        w.bands /= scratch
