"""Soft take-over: a knob takes hold of a control only where the control is, so that nothing jumps."""

from __future__ import annotations

from collections import deque

# So near is there: two of a knob's 128 places.
NEAR = 2 / 127
SAME = 1e-3
# What was sent may not have been done yet: so many of the last are one's own.
SENT = 32


class Takeover:
    """One knob's hold of one control; places are shares of the range, 0..1."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._own: deque[float] = deque(maxlen=SENT)

    def move(self, place: float, present: float) -> bool:
        """The knob comes to a place while the control is at another; whether that follows it."""
        last, self._last = self._last, place
        held = any(abs(present - own) < SAME for own in self._own)
        crossed = last is not None and (last - present) * (place - present) <= 0
        if held or crossed or abs(place - present) <= NEAR:
            if not held:
                self._own.clear()
                self._own.append(present)
            return True
        self._own.clear()
        return False

    def sent(self, share: float) -> None:
        """The control was ordered to be there."""
        self._own.append(share)
