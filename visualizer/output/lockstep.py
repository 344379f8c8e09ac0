"""Lockstep: frames and sound that come with their times become a film in which they are in step."""

from __future__ import annotations

from collections import deque

import av
import numpy as np

from visualizer.output.film import Film
from visualizer.picture.framing import middle

# A frame may come so much before or after its place, in frames, before one is left out or shown twice:
# screens and films of the same rate would else do both whenever their beats drift past each other.
SLACK = 0.6
# Sound that comes later than this, seconds, finds silence in its place; and sound whose times jump by more
# has really a gap, or is another's.
PATIENCE_S = 0.5
JUMP_S = 0.1
# Else what a sound card's clock goes wrong is stretched away: by so much of each block at the most, which
# nobody hears, and by this part of what is wrong.
STRETCH, HASTE = 0.004, 0.1
# Sound from before the first frame that is kept until that comes; players hear it ahead.
KEPT = 256


class Lockstep:
    """Puts frames and sound into a film at their places. Times are of one clock, in seconds.

    The film begins with the first frame, and has as many a second as it says: where the show brought fewer,
    pictures stand still.
    """

    def __init__(self, film: Film):
        self.film = film
        self._start: float | None = None
        self._end = 0  # samples in the film's sound so far
        self._silent = True  # so that the next sound can be put where it belongs
        self._early: deque[tuple[np.ndarray, float, float]] = deque(maxlen=KEPT)
        self._rate: float | None = None
        self._resampler: av.AudioResampler | None = None

    def show(self, pixels: np.ndarray, when: float) -> None:
        """A frame [h, w, 3] uint8 is shown from a time on; its middle is taken if its shape is another."""
        if self._start is None:
            self._start = when
            for block in self._early:
                self.hear(*block)
            self._early.clear()
        film = self.film
        place = (when - self._start) * float(film.fps)
        if place < film.n_frames - SLACK:
            return
        while film.n_frames and place > film.n_frames + SLACK:
            film.add_again()
            self._sound()
        film.add_picture(middle(pixels, film.size[0] / film.size[1]))
        self._sound()

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        """Sound [n, 2] float32 is heard from a time on; sr: samples a second."""
        if self._start is None:
            self._early.append((samples, begin, sr))
            return
        # Broken drivers deliver what is no number, and encoders break on it.
        block = np.nan_to_num(self._resampled(samples, sr)).clip(-1, 1)
        rate = self.film.sr
        gap = round((begin - self._start) * rate) - self._end
        if self._silent or abs(gap) > JUMP_S * rate:
            self._add(np.zeros((max(0, gap), 2), np.float32))
            block = block[max(0, -gap) :]
            self._silent = not len(block)
        elif gap:
            most = STRETCH * len(block)
            block = _stretched(block, round(min(most, max(-most, HASTE * gap))))
        self._add(block)

    def finish(self) -> None:
        """End the film with its last frame."""
        self.film.finish(cut=True)

    def _sound(self) -> None:
        """Encode what belongs to the frames so far; what hasn't come for long is silence."""
        late = round((self.film.n_frames / self.film.fps - PATIENCE_S) * self.film.sr) - self._end
        if late > 0:
            self._add(np.zeros((late, 2), np.float32))
            self._silent = True
        self.film.add_due_sound()

    def _add(self, block: np.ndarray) -> None:
        if len(block):
            self._end += len(block)
            self.film.add_sound(block)

    def _resampled(self, samples: np.ndarray, sr: float) -> np.ndarray:
        """At the film's rate."""
        if round(sr) == self.film.sr:
            return samples
        if self._rate != sr or self._resampler is None:
            self._rate = sr
            self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=self.film.sr)
        planar = np.ascontiguousarray(samples.T, np.float32)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
        frame.sample_rate = round(sr)
        done = [part.to_ndarray().T for part in self._resampler.resample(frame)]
        return np.concatenate(done) if done else np.empty((0, 2), np.float32)


def _stretched(block: np.ndarray, more: int) -> np.ndarray:
    """A block of sound [n, 2], so many samples longer, or shorter."""
    n = len(block)
    if not more or n < 2:
        return block
    places = np.linspace(0, n - 1, n + more)
    return np.stack([np.interp(places, np.arange(n), side) for side in block.T], axis=1).astype(np.float32)
