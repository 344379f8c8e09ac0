"""Offsets: sound that is heard later than its device says, as through Bluetooth or across a large room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visualizer.common import settings
from visualizer.common.files import shown

if TYPE_CHECKING:
    from visualizer.audio.ears import Sink
    from visualizer.audio.listener import Event

FILE = "offsets.json"


class Late:
    """A sink whose events come so much later."""

    def __init__(self, sink: Sink, seconds: float):
        self._sink, self._seconds = sink, seconds

    def push(self, event: Event) -> None:
        """Pass an event on, with a time that is when it is heard."""
        self._sink.push(event.at(event.time + self._seconds))


def offset_s(device: str, milliseconds: float | None) -> float:
    """A device's offset in seconds: what is given, which is remembered, or what was given last, or none.

    Raises UserError if it can't be remembered.
    """
    known = {name: float(ms) for name, ms in settings.known(FILE).items() if isinstance(ms, (int, float))}
    device = shown(device)
    if milliseconds is None:
        return known.get(device, 0.0) / 1000
    if known.get(device, 0.0) != milliseconds:
        settings.keep(FILE, known | {device: milliseconds})
    return milliseconds / 1000
