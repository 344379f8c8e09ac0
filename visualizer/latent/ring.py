"""The ring: the lock-free queue between the thread that hears and the thread that moves."""

from __future__ import annotations

from typing import Any


class Ring:
    """A fixed number of slots for one producer and one consumer; neither ever waits for the other.

    Each slot holds a pair (serial number, item) that is never changed, only replaced: storing the
    reference is the one step that publishes, so nothing can be read half written. A slot's serial
    number tells the consumer whether it holds what comes next, something seen before, or something
    newer, because the producer has lapped it. Then the oldest items are gone, and are counted.

    Correct on the ordinary and on the free-threaded build, whose list slots are read and written
    atomically.
    """

    def __init__(self, size: int = 1024):
        """size: how many items wait at the most."""
        self.size = size
        self.dropped = 0
        """Items overwritten before the consumer saw them; it counts them as it comes across them."""
        self._slots: list[tuple[int, Any]] = [(-1, None)] * size
        self._pushed = 0  # written by the producer alone
        self._popped = 0  # written by the consumer alone

    def push(self, item: Any) -> None:
        """Add an item, over the oldest if the ring is full. For the producer's thread alone."""
        serial = self._pushed
        self._slots[serial % self.size] = (serial, item)
        self._pushed = serial + 1

    def pop(self) -> Any | None:
        """Take the oldest item left, or None if there is none. For the consumer's thread alone."""
        while True:
            serial, item = self._slots[self._popped % self.size]
            if serial < self._popped:
                return None
            if serial == self._popped:
                self._popped = serial + 1
                return item
            oldest = serial - self.size + 1
            self.dropped += oldest - self._popped
            self._popped = oldest
