"""The power spectrum of a short piece of sound, for the audio callback.

Compiled, because it then keeps Python's lock, and because a library's transform, called once in 10 ms, takes
three times as long as when it is called again and again: 147 µs for 4096 numbers.
"""

from __future__ import annotations

import math

import numpy as np

from visualizer.common.compiled import compiled


class PowerSpectrum:
    """|DFT|² of windowed samples, padded with zeros. The array that it returns is used again."""

    def __init__(self, window: np.ndarray, n_fft: int):
        """window: [at most n_fft, an even number]; n_fft: a power of two."""
        n = n_fft // 2
        turns = np.exp(-1j * math.pi * np.arange(n) / n)
        self._window = window.astype(np.float32)
        self._cos, self._sin = turns.real.astype(np.float32), turns.imag.astype(np.float32)
        self._scratch = np.zeros((4, n), np.float32)
        self._power = np.zeros(n, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """[n_fft / 2] float32, of the frequencies from 0 on, of samples [as many as the window] float32."""
        _power_spectrum(samples, self._window, self._cos, self._sin, self._scratch, self._power)
        return self._power


@compiled("void(f4[::1], f4[::1], f4[::1], f4[::1], f4[:,::1], f4[::1])")
def _power_spectrum(samples, window, cos, sin, scratch, power):
    """Stockham's transform of pairs of real samples as complex numbers, then taken apart."""
    n = len(power)
    re, im, to_re, to_im = scratch[0], scratch[1], scratch[2], scratch[3]
    re[:] = 0
    im[:] = 0
    for i in range(len(samples) // 2):
        re[i] = samples[2 * i] * window[2 * i]
        im[i] = samples[2 * i + 1] * window[2 * i + 1]
    together = 1
    while together < n:
        apart = n // (2 * together)
        for j in range(apart):
            c, s = cos[2 * j * together], sin[2 * j * together]
            a, b, to = j * together, (j + apart) * together, 2 * j * together
            first_re, first_im = re[a : a + together], im[a : a + together]
            other_re, other_im = re[b : b + together], im[b : b + together]
            sum_re, sum_im = to_re[to : to + together], to_im[to : to + together]
            to += together
            off_re, off_im = to_re[to : to + together], to_im[to : to + together]
            for k in range(together):
                x, y = first_re[k] - other_re[k], first_im[k] - other_im[k]
                sum_re[k] = first_re[k] + other_re[k]
                sum_im[k] = first_im[k] + other_im[k]
                off_re[k] = x * c - y * s
                off_im[k] = x * s + y * c
        re, im, to_re, to_im = to_re, to_im, re, im
        together *= 2
    power[0] = (re[0] + im[0]) ** 2
    for k in range(1, n):
        j = n - k
        even_re, even_im = re[k] + re[j], im[k] - im[j]
        odd_re, odd_im = im[k] + im[j], re[j] - re[k]
        x = even_re + odd_re * cos[k] - odd_im * sin[k]
        y = even_im + odd_re * sin[k] + odd_im * cos[k]
        power[k] = np.float32(0.25) * (x * x + y * y)
