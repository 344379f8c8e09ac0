"""Offsets: sound that is heard later than its device says, as through Bluetooth or across a large room."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from visualizer.common import settings
from visualizer.common.files import shown, unwritable

if TYPE_CHECKING:
    from visualizer.audio.ears import Sink
    from visualizer.audio.listener import Event


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
    path = settings.folder() / "offsets.json"
    known = _known(path)
    device = shown(device)
    if milliseconds is None:
        return known.get(device, 0.0) / 1000
    if known.get(device, 0.0) != milliseconds:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known | {device: milliseconds}, indent=1), encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from None
    return milliseconds / 1000


def _known(path: Path) -> dict[str, float]:
    """What was remembered; what somebody made of it that can't be read is forgotten."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {name: float(ms) for name, ms in found.items() if isinstance(ms, (int, float))}
    return {}
