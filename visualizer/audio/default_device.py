"""Which device a sound server has behind its "default".

PulseAudio and PipeWire show PortAudio one device named "default", whatever it is, and move its streams
by themselves when somebody chooses another. Their own tool, pactl, tells which it is.
"""

from __future__ import annotations

import shutil

from visualizer.audio.portaudio import Device, Kind
from visualizer.audio.sound_server import SERVERS, after, pactl

NOUNS = {"input": ("Default Source", "sources"), "output": ("Default Sink", "sinks")}


class DefaultDevice:
    """Asks for the default of one direction. Each question takes some milliseconds: not for a callback."""

    def __init__(self, kind: Kind):
        self._kind = kind
        self._id = ""
        self._description = ""

    def name(self, device: Device) -> str | None:
        """What is behind a device now, in words; None if it is no server's, or the server won't tell."""
        if device.host != "ALSA" or device.name not in SERVERS or shutil.which("pactl") is None:
            return None
        noun, plural = NOUNS[self._kind]
        found = after(pactl("info"), f"{noun}: ")
        if not found:
            return None
        if found != self._id:
            self._id = found
            listing = pactl("list", plural)
            self._description = after(listing.partition(f"Name: {found}\n")[2], "Description: ") or found
        return self._description
