"""Rest: telling silence and the noise of a pause from music, however quiet that is.

Nothing absolute helps: one room's noise is louder than another's music. But noise that is steady has a
spectrum whose mean does not change from one half second to the next, and the fluctuations of a random
process; music changes, and what of it lasts is a tone, which does not fluctuate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Below any music, and what floating point makes of nothing.
SILENCE_DB = -110.0


@dataclass
class Verdict:
    """still: there is nothing to dance to. shift: dB by which the music became quieter for good, mostly 0."""

    still: bool = True
    shift: float = 0.0


class Rest:
    """Judges every window of a spectrum. Blocks of a third of a second are compared, two with the two before.

    It is relative throughout: a common gain changes nothing, down to -110 dB re a full-scale sine.
    """

    BLOCK_S = 0.35
    # Silence is also what lies so far below what was heard lately, whose level falls by so much a second.
    BELOW_PEAK_DB, PEAK_FALL_DB_PER_S = 50.0, 0.5
    # How far the mean of a band may move, besides what chance does, and what the squares of the moves may
    # come to on average, each in relation to what is expected of steady noise.
    DRIFT_DB, STEADY = 0.7, 2.0
    RANGE_DB = 70.0
    # One band that moves is no more than so many.
    MOST = 20.0
    # The loud bands' fluctuation, in relation to a random process's: what has less is a tone, what has more a
    # beat that may repeat from block to block.
    NOISY, LIVELY = 0.4, 1.6
    # Steady noise rests so far below what was heard lately, or after so long; a steady tone, as mains hum,
    # only so far below.
    NOISE_BELOW_DB, NOISE_S, TONE_BELOW_DB = 6.0, 6.0, 35.0
    # What is louder than the noise by so much wakes at once.
    WAKE_DB = 8.0
    # Music is quieter for good when, for one block more than are compared, all of it lies so far below what
    # was heard lately.
    DROP_DB, HEADROOM_DB = 14.0, 3.0

    def __init__(self, edges: np.ndarray, resolution: float, hop_s: float):
        """edges: [n_bands + 1] in Hz; resolution: Hz from bin to bin; hop_s: seconds between windows."""
        # Of a band's power in dB when it is random, and of the difference of two means of two blocks: both
        # are measured on white noise.
        self._random = 37.0 / (np.diff(edges) / resolution + 1.2)
        self._expected = 0.06 * self._random + self.DRIFT_DB**2
        self._hop_s = hop_s
        self._length = round(self.BLOCK_S / hop_s)
        self._count = 0
        n_bands = len(edges) - 1
        self._sum, self._squares = np.zeros(n_bands), np.zeros(n_bands)
        self._power = self._weighted = self._weight = 0.0
        self._top = SILENCE_DB
        # Of the last blocks: the mean of every band; the loudest window; how much it fluctuates; its level.
        self._means: list[np.ndarray] = []
        self._tops: list[float] = []
        self._noisy: list[float] = []
        self._levels: list[tuple[float, float]] = []
        self._steady_s = 0.0
        self._peak = SILENCE_DB
        self._resting = False
        self._wake = 0.0
        self._verdict = Verdict()

    def __call__(self, power_db: np.ndarray, loudness: float, level: float) -> Verdict:
        """The next window's verdict; it is reused.

        power_db: [n_bands] in dB; loudness: of all of them; level: of the music, as the analysis has it.
        """
        verdict = self._verdict
        verdict.shift = 0.0
        if not self._resting or loudness > self._peak:
            self._peak = max(loudness, self._peak - self.PEAK_FALL_DB_PER_S * self._hop_s)
        self._gather(power_db, loudness)
        if self._count == self._length:
            self._judge(level)
        if self._resting and loudness > self._wake:
            self._resting, self._steady_s = False, 0.0
            self._means.clear()
        verdict.still = self._resting or loudness < max(SILENCE_DB, self._peak - self.BELOW_PEAK_DB)
        return verdict

    def _gather(self, power_db: np.ndarray, loudness: float) -> None:
        self._count += 1
        # What lies far below the rest is rounding errors, where there is nothing but a tone.
        heard = np.maximum(power_db, loudness - self.RANGE_DB)
        self._sum += heard
        self._squares += heard * heard
        self._top = max(self._top, loudness)
        # As the analysis weighs it.
        weight = 10 ** (loudness / 40)
        self._weight += weight
        self._weighted += weight * loudness

    def _judge(self, level: float) -> None:
        """At the end of a block."""
        n = self._count
        mean = self._sum / n
        spread = self._squares / n - mean * mean
        share = np.power(10.0, (mean - np.max(mean)) / 10)
        noisy = float(np.sum(share * np.minimum(spread / self._random, 4.0)) / np.sum(share))
        self._means = [*self._means, mean][-4:]
        self._tops = [*self._tops, self._top][-5:]
        self._noisy = [*self._noisy, noisy][-4:]
        self._levels = [*self._levels, (self._weighted, self._weight)][-4:]
        self._count, self._top, self._weight, self._weighted = 0, SILENCE_DB, 0.0, 0.0
        self._sum, self._squares = np.zeros_like(self._sum), np.zeros_like(self._squares)
        if len(self._means) < 4:
            self._steady_s = 0.0
            return
        now = sum(weighted for weighted, _ in self._levels) / sum(weight for _, weight in self._levels)
        if self._is_steady():
            self._steady_s += self.BLOCK_S
            self._consider_rest(now)
        else:
            self._steady_s, self._resting = 0.0, False
            top = max(self._tops)
            if SILENCE_DB < top < self._peak - self.DROP_DB:
                self._peak = top + self.HEADROOM_DB
                self._verdict.shift = min(0.0, now - level)

    def _is_steady(self) -> bool:
        first, second, third, fourth = self._means
        moves = (third + fourth - first - second) / 2
        moved = float(np.mean(np.minimum(moves * moves / self._expected, self.MOST)))
        return moved < self.STEADY and sum(self._noisy) < 4 * self.LIVELY

    def _consider_rest(self, now: float) -> None:
        below = self._peak - now
        noise = sum(self._noisy) / len(self._noisy) > self.NOISY
        quiet = below > self.NOISE_BELOW_DB or self._steady_s > self.NOISE_S
        self._resting = below > self.TONE_BELOW_DB or (noise and (self._resting or quiet))
        self._wake = now + self.WAKE_DB
