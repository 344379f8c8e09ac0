"""Long arrays in pieces, for the audio callback.

Numpy lets go of Python's lock while it works on more than 500 numbers. Whoever else waits for the lock then
has it, and an audio callback gets it back a good deal later than it would have finished.
"""

from __future__ import annotations

LONGEST = 500


def short_slices(length: int) -> list[slice]:
    """Slices of at most LONGEST that make up an array of a length, one after the other."""
    return [slice(start, min(start + LONGEST, length)) for start in range(0, length, LONGEST)]
