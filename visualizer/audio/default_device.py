"""Which device a sound server has behind its "default".

PulseAudio and PipeWire show PortAudio one device named "default", whatever it is, and move its streams
by themselves when somebody chooses another. Their own tool, pactl, tells which it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from visualizer.audio.portaudio import Device, Kind

# The names by which ALSA knows the sound servers.
SERVERS = ("default", "pulse", "pipewire")
NOUNS = {"input": ("Default Source", "sources"), "output": ("Default Sink", "sinks")}
PATIENCE_S = 1.0


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
        found = _after(_pactl("info"), f"{noun}: ")
        if not found:
            return None
        if found != self._id:
            self._id = found
            listing = _pactl("list", plural)
            self._description = _after(listing.partition(f"Name: {found}\n")[2], "Description: ") or found
        return self._description


def _after(text: str, words: str) -> str:
    """The rest of the first line that begins with these words, "" if there is none."""
    lines = (line.strip() for line in text.splitlines())
    return next((line.removeprefix(words) for line in lines if line.startswith(words)), "")


def _pactl(*arguments: str) -> str:
    """What pactl says, in English; "" if it says nothing."""
    try:
        done = subprocess.run(
            ["pactl", *arguments],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
