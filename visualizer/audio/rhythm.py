"""What is heard of the rhythm of a moment: strikes, the beat, the section.

Immutable and made of numbers alone, so that an `Event` carries them through the ring. Until a beat is
found, and wherever nothing is known, they are neutral: zeros.
"""

from __future__ import annotations

from typing import NamedTuple


class Strikes(NamedTuple):
    """Onsets, each given once: in the moment in which it is noticed, and 0 in all others.

    Strengths 0..1 beside what the music has brought lately: 1 is as strong as its strongest.
    all: anywhere in the spectrum. bass: below 200 Hz. middle: 200 to 2000 Hz. treble: above.
    A strike in a range mostly is one in `all` too, in the same moment or one beside it.
    """

    all: float = 0.0
    bass: float = 0.0
    middle: float = 0.0
    treble: float = 0.0


class Beat(NamedTuple):
    """Where in beat and bar a moment lies, foreseen from what was heard before it.

    tempo: beats a minute; 0 while none is known, and all else is 0 then.
    phase: 0..1 of the way from the last beat to the next.
    next_s: seconds from the moment until the next beat.
    number: beats passed so far. It grows by one at each, and never goes back, whatever is corrected.
    confidence: 0..1, how far tempo and phase are to be trusted; below 0.5 better don't.
    meter: beats in a bar, 0 while that is not known. position: of the last beat in its bar, 0 (the
        downbeat) to meter - 1; 0 where meter is.
    """

    tempo: float = 0.0
    phase: float = 0.0
    next_s: float = 0.0
    number: int = 0
    confidence: float = 0.0
    meter: int = 0
    position: int = 0

    def after(self, seconds: float) -> Beat:
        """The same beat, so many seconds (not negative) later, if nothing changes."""
        if not self.tempo:
            return self
        period = 60 / self.tempo
        left = self.next_s - seconds
        passed = 0 if left > 0 else 1 + int(-left / period)
        left += passed * period
        return self._replace(
            phase=min(max(1 - left / period, 0.0), 1.0),
            next_s=left,
            number=self.number + passed,
            position=(self.position + passed) % self.meter if self.meter else 0,
        )


class Section(NamedTuple):
    """The music as a whole.

    novelty: 0..1, how much the last seconds differ from those before them.
    starts: whether a new section is noticed in this very moment.
    number: sections begun so far, after the first.
    """

    novelty: float = 0.0
    starts: bool = False
    number: int = 0


NO_STRIKES, NO_BEAT, NO_SECTION = Strikes(), Beat(), Section()
