"""Bands: which bins of a spectrum make up each of the log-spaced bands, and their power."""

from __future__ import annotations

import numpy as np

from visualizer.audio.slices import short_slices


def band_edges(sr: float, n_fft: int, n_bands: int, fmin: float, fmax: float) -> np.ndarray:
    """[n_bands + 1] frequencies in Hz: log-spaced, but never closer than one FFT bin.

    Pure log spacing would cut the bass into bands far narrower than the transform resolves, so
    that a dozen of them repeat one bin; here they are one bin wide up to some 200 Hz.
    """
    resolution = sr / n_fft

    def edges(ratio: float) -> np.ndarray:
        out = [fmin]
        for _ in range(n_bands):
            out.append(max(out[-1] * ratio, out[-1] + resolution))
        return np.array(out)

    low, high = 1.0, (fmax / fmin) ** (1 / n_bands)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if edges(middle)[-1] < fmax else (low, middle)
    return edges(high)


class BandPower:
    """Sums the power of a spectrum's bins into bands.

    A bin counts as a rectangle one resolution wide, shared by the bands that it overlaps. Only the bins
    are read that belong to a band, and no matrix of weights: half a megabyte, nearly all of it zeros, would
    take an audio callback, which finds little in the caches, longer than all the rest.
    """

    def __init__(self, edges: np.ndarray, sr: float, n_fft: int, scale: float = 1.0):
        """edges: [n_bands + 1] in Hz, one bin apart or more, none in the bins of 0 Hz and the Nyquist
        frequency. scale: a factor for the power.
        """
        places = edges * (n_fft / sr) + 0.5  # in bins, counted from where the first one begins
        bins = places.astype(int)  # in which the edges lie
        first, last = bins[0], bins[-1]
        # As scipy.fftpack.rfft packs it: the real and the imaginary part of bin k are 2k - 1 and 2k.
        self._slice = slice(2 * first - 1, 2 * last + 1)
        self._starts = 2 * (bins - first)
        self._squares = np.empty(2 * (last - first + 1), np.float32)
        self._slices = short_slices(len(self._squares))
        self._below = scale * (places - bins)  # how much of an edge's bin lies below it
        self._scale = scale

    def __call__(self, spectrum: np.ndarray, out: np.ndarray) -> None:
        """out [n_bands] becomes the power in each band; spectrum: [n_fft] float32, packed."""
        parts, squares, starts = spectrum[self._slice], self._squares, self._starts
        for part in self._slices:
            np.multiply(parts[part], parts[part], out=squares[part])
        # From edge to edge in whole bins, each with the bin in which its lower edge lies; then what of that
        # bin lies below the edge goes to the band below.
        np.multiply(np.add.reduceat(squares, starts)[:-1], self._scale, out=out)
        below = (squares.take(starts) + squares.take(starts + 1)) * self._below
        out += below[1:]
        out -= below[:-1]
