"""Fades: how things come and go softly."""

from __future__ import annotations

from visualizer.common.easing import ease


class Fade:
    """A visibility that moves between 0 and 1, and turns round at most four times a second.

    Two turns make one flash, so that no hammering on a key can make more than two in a second.

    wanted: where it is to go. level: where it is.
    """

    TURN_S = 0.25

    def __init__(self, duration: float = 0.25):
        """duration: seconds from nothing to everything."""
        self.wanted = False
        self.level = 0.0
        self._duration = duration
        self._rising = False
        self._since_turn = self.TURN_S

    def toggle(self) -> None:
        """Go the other way, as soon as it may."""
        self.wanted = not self.wanted

    def step(self, dt: float) -> float:
        """Move on by dt seconds; returns the visibility, 0..1, with a soft start and end."""
        self._since_turn += dt
        if self.wanted != self._rising and self._since_turn >= self.TURN_S:
            self._rising = self.wanted
            self._since_turn = 0.0
        move = dt / self._duration
        self.level = min(1.0, self.level + move) if self._rising else max(0.0, self.level - move)
        return self.alpha

    @property
    def alpha(self) -> float:
        """The visibility, 0..1."""
        return ease(self.level)
