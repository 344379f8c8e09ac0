"""Time stamps: what a file lost, and where its sound pauses, so that silence can stand there instead."""

from __future__ import annotations

# Formats whose frames follow each other without a pause: a leap of their time stamps is a loss.
CONTINUOUS = {"flac", "ogg"}
# The largest leap in seconds that is no pause: of exact time stamps, and of those that are rounded, or that
# FFmpeg guesses: those of Vorbis are a quarter of a block too late where a short one follows a long one, and
# right again after it.
EXACT_S, ROUNDED_S = 0.002, 0.05
GUESSED = {"ogg"}
# At the beginning, what encoders put in front of a sound is no silence either.
LATE_S = 0.2
# A longer leap that no length accounts for is another clock, as where recordings were joined.
LONGEST_S = 60.0


class Timeline:
    """Where in its file's time a stream is. Sound that overlaps is let through, as players do."""

    def __init__(self, origin: float, format_name: str, end: float | None):
        """origin: the time stamp of the file's beginning, in seconds; end: seconds from there to where the
        sound ends, if that is known.
        """
        self.continuous = format_name in CONTINUOUS
        self._exact = self.continuous and format_name not in GUESSED
        self._offset, self._end = origin, end
        self._broken = False
        self.now = 0.0
        """Seconds from the file's beginning to where the next frame should begin."""

    def leap(self, time: float | None) -> float:
        """How many seconds are missing before a frame of this time stamp; 0.0 if none."""
        if time is None:
            return 0.0
        missing = time - self._offset - self.now
        exact, self._broken = self._exact or self._broken, False
        if not exact and not self.now and abs(missing) <= LATE_S:
            self._offset += missing
            return 0.0
        tolerance = EXACT_S if exact else ROUNDED_S
        if abs(missing) <= tolerance:
            return 0.0
        known = self._end is not None and self.now + missing <= self._end + ROUNDED_S
        if missing < 0 or not (known or missing <= LONGEST_S):
            self._offset += missing
            return 0.0
        return missing

    def lose(self, untold: float = 0.0) -> None:
        """A packet could not be decoded. untold: seconds in it that time stamps don't know of."""
        self._broken = True
        self._offset -= untold

    def advance(self, seconds: float) -> None:
        """So much sound, or silence, went by."""
        self.now += seconds
