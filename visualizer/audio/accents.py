"""Accents: what of the sound drives effects from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

from visualizer.audio.listener import Event

# Below, a beat is a guess.
TRUST = 0.5


class Accents(NamedTuple):
    """The sound since the last frame.

    loudness: dB re a full-scale sine. onset, bass, middle, treble: 0..1, the strongest strike anywhere and in
    each range. beat: the number of the last beat, -1 where there is none to trust.
    """

    loudness: float = -120.0
    onset: float = 0.0
    bass: float = 0.0
    middle: float = 0.0
    treble: float = 0.0
    beat: int = -1

    @classmethod
    def of(cls, event: Event) -> Accents:
        """Of one moment."""
        beat = event.beat.number if event.beat.confidence >= TRUST else -1
        return cls(event.loudness, *event.strikes, beat)

    def then(self, later: Accents) -> Accents:
        """Of both: no strike between two frames is lost."""
        return later._replace(
            onset=max(self.onset, later.onset),
            bass=max(self.bass, later.bass),
            middle=max(self.middle, later.middle),
            treble=max(self.treble, later.treble),
        )

    def at_rest(self) -> Accents:
        """The same without its strikes, for the next frame to begin with."""
        return Accents(self.loudness, beat=self.beat)
