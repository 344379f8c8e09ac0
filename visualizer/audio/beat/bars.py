"""Bars: how many beats they have and which of them was the last, from how much each sounded like a first."""

from __future__ import annotations

import numpy as np

# How probable a bar of so many beats is before anything is heard.
METERS = {2: 0.15, 3: 0.7, 4: 1.0}
# How far a beat's sound is believed, how much it counts, and how probable it is that all is different now.
DOUBT = 0.1
WEIGHT = 0.6
CHANGE = 0.01
# Beats until something may be said, and how probable a meter must be.
PATIENCE = 6
ENOUGH = 0.6


class Bars:
    """A probability for each beat of each meter. One beat after the other."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing is known."""
        self._prior = np.concatenate([np.full(m, p / m) for m, p in METERS.items()])
        self._prior /= self._prior.sum()
        self._probable = self._prior.copy()
        self._firsts = np.cumsum([0, *METERS])[:-1]
        self._heard = 0
        self.meter = self.position = 0
        """As far as one knows: 0 and 0 while one doesn't."""

    def doubt(self) -> None:
        """The beat went on elsewhere."""
        self._probable = 0.5 * (self._probable + self._prior)

    def go_on(self) -> None:
        """A beat falls."""
        p = self._probable
        for first, meter in zip(self._firsts, METERS):
            p[first : first + meter] = np.roll(p[first : first + meter], 1)
        p *= 1 - CHANGE
        p += CHANGE * self._prior
        masses = np.add.reduceat(p, self._firsts).tolist()
        best = masses.index(max(masses))
        if self._heard < PATIENCE or masses[best] < ENOUGH:
            self.meter = self.position = 0
            return
        self.meter = list(METERS)[best]
        self.position = int(p[self._firsts[best] :][: self.meter].argmax())

    def hear(self, first: float) -> None:
        """How much the last beat sounded like the first of a bar, 0..1."""
        self._heard += 1
        first = min(max(first, DOUBT), 1 - DOUBT)
        p = self._probable
        downbeats = p[self._firsts] * first**WEIGHT
        p *= (1 - first) ** WEIGHT
        p[self._firsts] = downbeats
        p /= p.sum()
