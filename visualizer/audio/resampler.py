"""From one sample rate to another, block by block."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


class Resampler:
    """A streaming polyphase filter: however the samples are cut into blocks, the output is the same.

    Flat up to 0.84 of the lower Nyquist frequency (18.5 kHz at 44.1 kHz), 80 dB down from there on.
    """

    TAPS = 64  # at the lower of the two rates

    def __init__(self, source: float, target: float, n_channels: int = 1):
        """source, target: frames per second."""
        import scipy.signal  # takes half a second to load, and most devices need no resampling

        ratio = Fraction(round(target), round(source))
        self._up, self._down = ratio.numerator, ratio.denominator
        self.ratio = float(ratio)
        taps = math.ceil(self.TAPS * max(1.0, 1 / self.ratio))
        # Of odd length, so that the middle tap, the delay, lies on a sample of the finer rate.
        length = taps * self._up - (taps * self._up + 1) % 2
        edge = 0.92 * min(1.0, self.ratio) / self._up
        prototype = scipy.signal.firwin(length, edge, window=("kaiser", 8.0)) * self._up
        prototype = np.append(prototype, np.zeros(taps * self._up - length))
        # phases[p] @ (the newest `taps` samples) is the output p / up of a sample after the oldest of them.
        self._phases = prototype.reshape(taps, self._up).T[:, ::-1].copy()
        self._taps = taps
        self.delay_s = (length - 1) / 2 / self._up / source
        """Seconds by which the output lags."""
        self._history = np.zeros((taps - 1, n_channels))
        self._position = 0  # of the next output, in finer samples from the first sample not in history

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples [n] or [n, channels]; return those that are ready."""
        if not len(samples):
            return samples
        block = samples.reshape(len(samples), -1)
        joined = np.concatenate([self._history, block])
        limit = len(block) * self._up
        places = np.arange(self._position, limit, self._down)
        self._position += len(places) * self._down - limit
        first, phase = np.divmod(places, self._up)
        windows = np.lib.stride_tricks.sliding_window_view(joined, self._taps, axis=0)[first]
        output = np.einsum("nct,nt->nc", windows, self._phases[phase])
        self._history = joined[len(joined) - (self._taps - 1) :].copy()
        return output.reshape(-1, *samples.shape[1:])
