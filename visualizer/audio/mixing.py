"""Many channels to two for the ear, and to one for the analysis, so that nothing is lost on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from visualizer.audio.slices import LONGEST

_HALF = 0.5**0.5
# How loud channels are (left, right), by FFmpeg's names for the loudspeakers that they belong to, as ITU-R
# BS.775 has them. It leaves out the bass channel; but some recordings have sound in nothing else.
GAINS = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "LFE": (0.5, 0.5),
    "LFE2": (0.5, 0.5),
    "BC": (0.5, 0.5),
    "TC": (0.5, 0.5),
    "TFC": (0.5, 0.5),
    "TBC": (0.5, 0.5),
    "BFC": (0.5, 0.5),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
}


def gains(names: Sequence[str]) -> np.ndarray:
    """[2, channels] float32: how to mix channels of these names to stereo.

    One channel is heard on both sides, two as they are. More are as loud together as they were, if they have
    nothing to do with each other. Where one belongs to no known loudspeaker, these are left and right in
    turn, and each side is a mean.
    """
    if len(names) == 1:
        return np.ones((2, 1), np.float32)
    if len(names) == 2:
        return np.eye(2, dtype=np.float32)
    rows = [_gains(name, i) for i, name in enumerate(names)]
    mixed = np.array(rows, np.float32).T
    if any(name not in GAINS and not _side(name) for name in names):
        return mixed / mixed.sum(1, keepdims=True)
    return mixed / np.sqrt(np.square(mixed).sum(1).max())


def _gains(name: str, place: int) -> tuple[float, float]:
    if name in GAINS:
        return GAINS[name]
    side = _side(name)
    if not side:
        return (1.0, 0.0) if place % 2 == 0 else (0.0, 1.0)
    return (_HALF, 0.0) if side == "L" else (0.0, _HALF)


def _side(name: str) -> str:
    """ "L" or "R" for the other loudspeakers that have a place, like SL and TBR; else ""."""
    return name[-1] if name[:1] in tuple("SBTWF") and name[-1:] in tuple("LR") else ""


class Mixer:
    """Several channels to one that can't cancel out.

    It is their mean, until that has been far weaker than the loudest of them for a moment: where two channels
    are each other's opposite, or one of many sounds alone. Then it is the loudest alone.

    However the samples are cut into blocks, the mix is the same, but for rounding. It works in an audio
    callback.
    """

    HOP = LONGEST
    # Of so many hops one is measured, the first of all included.
    MEASURED = 4
    MEMORY_S = 0.3
    # How far below the loudest channel the mean must be to be left, and to be taken again, and by how much
    # another channel must be louder, as ratios of power: 12, 9 and 6 dB.
    LEAVE, RETURN, LOUDER = 10**-1.2, 10**-0.9, 10**0.6
    NOTHING = 1e-12

    def __init__(self, sr: float):
        """sr: frames a second."""
        self._keep = float(np.exp(-self.MEASURED * self.HOP / self.MEMORY_S / sr))
        self.alone: int | None = None
        """The number of the channel that is heard alone, from 1; None while all are."""
        self._pending = self._hops = 0
        self._weights = self._target = np.zeros(0)
        self._power = self._now = np.zeros(0)  # of each channel, and of their mean

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples [n, channels] float32; return [n] float32."""
        n, channels = samples.shape
        if channels == 1:
            return samples[:, 0].copy()
        if len(self._weights) != channels:
            self._begin(channels)
        mixed = np.empty(n, np.float32)
        start = 0
        while start < n:
            stop = min(start + self.HOP - self._pending, n)
            self._mix(samples[start:stop], mixed[start:stop])
            self._pending = (self._pending + stop - start) % self.HOP
            start = stop
            if not self._pending:
                self._weights = self._target
                if self._hops % self.MEASURED == 0:
                    self._decide()
                self._hops += 1
        return mixed

    def _begin(self, channels: int) -> None:
        self._weights = self._target = np.full(channels, 1 / channels, np.float32)
        self._power, self._now = np.zeros(channels + 1), np.zeros(channels + 1)
        self.alone, self._pending, self._hops = None, 0, 0

    def _mix(self, samples: np.ndarray, out: np.ndarray) -> None:
        count = samples.shape[1]
        fading = self._weights is not self._target
        columns = [samples[:, channel] for channel in range(count)]
        share = np.float32(1 / count)
        np.multiply(columns[0], share, out=out)
        for column in columns[1:]:
            out += column * share
        if self._hops % self.MEASURED == 0:
            for i, column in enumerate((*columns, out)):
                self._now[i] += np.vecdot(column, column)
        if self.alone is None and not fading:
            return
        out[:] = 0
        places = (self._pending + np.arange(len(out), dtype=np.float32)) / self.HOP
        for channel in range(count):
            begin, end = self._weights[channel], self._target[channel]
            if begin or end:
                out += columns[channel] * (begin + (end - begin) * places)

    def _decide(self) -> None:
        """After a hop that was measured; what changes does so within the next one."""
        self._power = self._keep * self._power + self._now
        self._now = np.zeros_like(self._now)
        powers = self._power[:-1].tolist()
        loudest, mean = max(powers), float(self._power[-1])
        if not math.isfinite(sum(powers)):
            self._power = np.zeros_like(self._power)
            return
        if loudest <= self.NOTHING:
            return
        alone = self.alone
        if alone is None or loudest > self.LOUDER * powers[alone - 1]:
            alone = powers.index(loudest) + 1
        if mean > (self.LEAVE if self.alone is None else self.RETURN) * loudest:
            alone = None
        if alone != self.alone:
            self.alone = alone
            count = len(powers)
            self._target = np.full(count, 1 / count, np.float32)
            if alone is not None:
                self._target = np.zeros(count, np.float32)
                self._target[alone - 1] = 1.0

    @property
    def remark(self) -> str:
        """Which channel is heard, where it isn't all of them; else ""."""
        return (
            "" if self.alone is None else f"channel {self.alone} alone, since the others drown or cancel it"
        )
