"""The beat network: how much each moment sounds like a beat, and like the first of a bar.

BeatNet's recurrent networks (Heydari, Cwitkowitz & Duan 2021, arXiv:2108.03576), the mean of two of them, on
features as theirs: 136 overlapping bands, a quarter of a tone apart, and how much each of them rose. The
level, which mattered there, is evened out first.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np

from visualizer.audio.beat.fourier import PowerSpectrum
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common import weights
from visualizer.common.compiled import compiled, inlined

# As the networks were trained: frames of 64 ms (save six samples), one every 20 ms.
FRAME = 2816
HOP = 882
N_FFT = 4096
FRAME_S = HOP / SAMPLE_RATE

# They know frequencies as the 705 bins of 1411 samples at half this rate, and bands as triangles over these.
_SAMPLES, _BINS, _BIN_HZ = 1411, 705, SAMPLE_RATE / 2 / 1410
_BANDS_PER_OCTAVE, _LOWEST_HZ, _HIGHEST_HZ = 24, 30.0, 17000.0
N_BANDS = 136

# Their weights in the order in which `_answer` takes them.
NAMES = (
    "conv.weight",
    "conv.bias",
    "dense.weight",
    "dense.scale",
    "dense.bias",
    "lstm.weight",
    "lstm.scale",
    "lstm.bias",
    "out.weight",
    "out.bias",
)

# The networks were trained on mastered music, but do better on what is less loud.
LEVEL_DB = -24.0
LEVEL_S = 8.0
MOST_GAIN_DB = 40.0


def _triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bands' weights on our spectrum: each band's first bin, where its weights begin, the weights."""
    lowest, highest = np.log2(np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 440) * _BANDS_PER_OCTAVE
    notes = 440 * 2 ** (np.arange(math.ceil(lowest), math.floor(highest) + 1) / _BANDS_PER_OCTAVE)
    bins = np.unique(np.clip(np.round(notes / _BIN_HZ), 1, _BINS - 1))
    finer = N_FFT / (2 * _SAMPLES)
    firsts, begins, parts = [], [0], []
    for low, middle, high in zip(bins, bins[1:], bins[2:]):
        inside = np.arange(low, high)
        weight = np.minimum((inside - low) / (middle - low), (high - inside) / (high - middle))
        # What lies between two of our bins is read from both; half, as twice as many samples sum up to twice.
        places, weight = inside * finer, weight / weight.sum() / 2
        first = int(places[0])
        ours = np.zeros(int(places[-1]) + 2 - first)
        share = places % 1
        np.add.at(ours, places.astype(int) - first, (1 - share) * weight)
        np.add.at(ours, places.astype(int) - first + 1, share * weight)
        firsts.append(first)
        parts.append(ours)
        begins.append(begins[-1] + len(ours))
    return np.array(firsts), np.array(begins), np.concatenate(parts).astype(np.float32)


@cache
def _read(path: Path) -> dict[str, np.ndarray]:
    tensors, _ = weights.load(path, "beat network")
    return {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}


class BeatNetwork:
    """Frames of sound in, (beat, downbeat) 0..1 out; it remembers what it has heard."""

    def __init__(self, tensors: dict[str, np.ndarray]):
        """tensors: as `load` reads them; the first axis of each counts the networks."""
        self._spectrum = PowerSpectrum(np.hanning(FRAME), N_FFT)
        self._triangles = _triangles()
        self._magnitudes = np.zeros(N_BANDS, np.float32)
        self._features = np.zeros(2 * N_BANDS, np.float32)
        networks, layers, _, outputs = tensors["lstm.weight"].shape
        hidden, cell = np.zeros((2, networks, layers, outputs // 4), np.float32)
        self._probable = np.zeros(3, np.float32)
        self._networks = self._features, *(tensors[name] for name in NAMES), hidden, cell, self._probable
        self._level = 0.0
        self._weight = 0.0

    @classmethod
    def load(cls, path: Path | str) -> BeatNetwork:
        """Read a file, once. Raises UserError if it doesn't hold beat networks."""
        return cls(_read(Path(path)))

    def push(self, samples: np.ndarray) -> tuple[float, float]:
        """Take the newest `FRAME` samples, `HOP` after the last; return how much their middle sounds like a
        beat that is not the first of its bar, and like one that is, 0..1 together."""
        power = self._spectrum(samples)
        _features(power, *self._triangles, self._gain(samples), self._magnitudes, self._features)
        return self.answer()

    def answer(self) -> tuple[float, float]:
        """What `push` returns, of the features that are there."""
        _answer(*self._networks)
        return float(self._probable[0]), float(self._probable[1])

    def _gain(self, samples: np.ndarray) -> float:
        """What brings the music of late to the level that the networks like best; loud moments say more."""
        recent = samples[-(FRAME + HOP) // 2 : -(FRAME - HOP) // 2]
        level = 10 * math.log10(float(np.vecdot(recent, recent)) / HOP + 1e-12)
        weight = 10 ** (level / 40)
        self._weight += weight - self._weight * FRAME_S / LEVEL_S
        self._level += weight / self._weight * (level - self._level)
        return 10 ** (min(LEVEL_DB - self._level, MOST_GAIN_DB) / 20)


@compiled("void(f4[::1], i8[::1], i8[::1], f4[::1], f8, f4[::1], f4[::1])")
def _features(power, firsts, begins, triangles, gain, magnitudes, features):
    """log10(1 + magnitude) of each band, then how much that rose; magnitudes: those of the frame before."""
    bands = len(magnitudes)
    for band in range(bands):
        magnitude = np.float32(0)
        for i in range(begins[band], begins[band + 1]):
            magnitude += triangles[i] * math.sqrt(power[firsts[band] + i - begins[band]])
        now, before = math.log10(1 + gain * magnitude), math.log10(1 + gain * magnitudes[band])
        features[band] = now
        features[bands + band] = max(now - before, 0.0)
        magnitudes[band] = magnitude


@inlined
def _sigmoid(x):
    return np.float32(1) / (np.float32(1) + np.exp(-x))


@inlined
def _multiply(matrix, vector, out):
    """out [m] becomes vector [n] times matrix [n, m]; four rows at a time, then what is left."""
    out[:] = 0
    whole = len(vector) // 4 * 4
    for j in range(0, whole, 4):
        a, b, c, d = vector[j], vector[j + 1], vector[j + 2], vector[j + 3]
        for i in range(len(out)):
            out[i] += (np.float32(matrix[j, i]) * a + np.float32(matrix[j + 1, i]) * b) + (
                np.float32(matrix[j + 2, i]) * c + np.float32(matrix[j + 3, i]) * d
            )
    for j in range(whole, len(vector)):
        for i in range(len(out)):
            out[i] += np.float32(matrix[j, i]) * vector[j]


@compiled(
    "void(f4[::1], f4[:,:,::1], f4[:,::1], i1[:,:,::1], f4[:,::1], f4[:,::1], i1[:,:,:,::1], f4[:,:,::1],"
    " f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[::1])"
)
def _answer(
    features,
    conv,
    conv_bias,
    dense,
    dense_scale,
    dense_bias,
    lstm,
    lstm_scale,
    lstm_bias,
    out,
    out_bias,
    h,
    c,
    answer,
):
    """Convolution over the bands, largest of each two, a dense layer, two of LSTM, three probabilities.

    Products of whole numbers of 8 bits, scaled afterwards: a quarter of the memory to be read.
    """
    networks, kinds, taps = conv.shape
    pooled = (len(features) - taps + 1) // 2
    cells = h.shape[2]
    row = np.empty(len(features) - taps + 1, np.float32)
    seen = np.empty(kinds * pooled, np.float32)
    given = np.empty(2 * cells, np.float32)
    gates = np.empty(4 * cells, np.float32)
    answer[:] = 0
    for net in range(networks):
        for kind in range(kinds):
            row[:] = conv_bias[net, kind]
            for tap in range(taps):
                for at in range(len(row)):
                    row[at] += conv[net, kind, tap] * features[at + tap]
            for place in range(pooled):
                seen[kind * pooled + place] = max(np.float32(0), row[2 * place], row[2 * place + 1])
        x = gates[:cells]
        _multiply(dense[net], seen, x)
        for i in range(cells):
            given[i] = x[i] * dense_scale[net, i] + dense_bias[net, i]
        for layer in range(lstm.shape[1]):
            given[cells:] = h[net, layer]
            _multiply(lstm[net, layer], given, gates)
            for i in range(4 * cells):
                gates[i] = gates[i] * lstm_scale[net, layer, i] + lstm_bias[net, layer, i]
            for i in range(cells):
                entry, keep = _sigmoid(gates[i]), _sigmoid(gates[cells + i])
                new, shown = np.tanh(gates[2 * cells + i]), _sigmoid(gates[3 * cells + i])
                c[net, layer, i] = keep * c[net, layer, i] + entry * new
                h[net, layer, i] = shown * np.tanh(c[net, layer, i])
                given[i] = h[net, layer, i]
        total = np.float32(0)
        odds = np.empty(3, np.float32)
        for k in range(3):
            x = out_bias[net, k]
            for i in range(cells):
                x += out[net, k, i] * given[i]
            odds[k] = np.exp(x)
            total += odds[k]
        for k in range(3):
            answer[k] += odds[k] / total / networks
