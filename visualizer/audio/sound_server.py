"""What PulseAudio and PipeWire know and PortAudio doesn't: asked of their own tool, pactl.

PortAudio on Debian reaches them through ALSA alone, as one device named "default" or "pulse".
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

# The names by which ALSA knows the sound servers.
SERVERS = ("default", "pulse", "pipewire")
PATIENCE_S = 1.0
# By this, ALSA's plugin for PulseAudio takes another source than the default.
CHOICE = "PULSE_SOURCE"
MONITOR = ".monitor"


class Source(NamedTuple):
    """Something to record from, by the server's name for it and by one for people."""

    name: str
    description: str


def sources() -> list[Source]:
    """All of them; monitors hear what a loudspeaker plays, and the default one's comes first."""
    if shutil.which("pactl") is None:
        return []
    blocks = pactl("list", "sources").split("\n\n")
    found = [Source(after(block, "Name: "), after(block, "Description: ")) for block in blocks]
    first = after(pactl("info"), "Default Sink: ") + MONITOR
    return sorted((source for source in found if source.name), key=lambda source: source.name != first)


def find_source(wanted: str) -> Source | None:
    """The first whose name, or its name for people, has these words in it."""
    words = wanted.lower()
    return next((s for s in sources() if words in s.name.lower() or words in s.description.lower()), None)


def choose(source: Source | None) -> None:
    """Record from it when ALSA next opens a server's device; None is the default again."""
    if source is not None:
        os.environ[CHOICE] = source.name
    elif os.environ.get(CHOICE) in _chosen:
        del os.environ[CHOICE]
    _chosen.update([source.name] if source else [])


_chosen: set[str] = set()


def after(text: str, words: str) -> str:
    """The rest of the first line that begins with these words, "" if there is none."""
    lines = (line.strip() for line in text.splitlines())
    return next((line.removeprefix(words) for line in lines if line.startswith(words)), "")


def pactl(*arguments: str) -> str:
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
