"""PortAudio: the library found or missed politely, its devices, and a fresh look at them."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Literal, TypeVar

from visualizer.audio.sound_server import SERVERS, choose, find_source
from visualizer.common.errors import UserError

Kind = Literal["input", "output"]
T = TypeVar("T")
MISSING = "the PortAudio library is missing; install it (Debian: libportaudio2) and start again"
RESTART_S = 5.0

# PortAudio is not thread-safe: whoever opens, closes or lists holds this. No callback ever does.
lock = threading.RLock()
_missing: str | None = None

# What forbids a restart: open streams, and calls from which a driver has not returned.
in_use: set[object] = set()


def library() -> ModuleType:
    """The module sounddevice. Raises UserError if it or the PortAudio library is not installed."""
    global _missing
    with lock:
        if _missing is None:
            try:
                import sounddevice
            except ImportError:
                _missing = "the Python package sounddevice is missing; install it (pip install sounddevice)"
            except OSError:
                _missing = MISSING
            except Exception as error:  # a library that is there but can't start
                _missing = f"PortAudio can't start ({error}); check the sound system"
            else:
                return sounddevice
        raise UserError(f"{_missing}.")


@dataclass(frozen=True)
class Device:
    """A sound device as PortAudio has it. Its index holds until devices come or go.

    host: the sound system by which it is reached, e.g. "ALSA". inputs, outputs: how many channels.
    sample_rate: its own, frames a second.
    """

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    sample_rate: float
    default_input: bool
    default_output: bool

    def channels(self, kind: Kind) -> int:
        """How many channels it has that way."""
        return self.inputs if kind == "input" else self.outputs

    def default(self, kind: Kind) -> bool:
        """Whether the system takes it where none is named."""
        return self.default_input if kind == "input" else self.default_output


def list_devices() -> list[Device]:
    """All sound devices, as of the last fresh look. Raises UserError without PortAudio."""
    with lock:
        sd = library()
        hosts = sd.query_hostapis()
        default_input, default_output = _default(sd, "input"), _default(sd, "output")
        return [
            Device(
                index=i,
                name=d["name"],
                host=hosts[d["hostapi"]]["name"],
                inputs=d["max_input_channels"],
                outputs=d["max_output_channels"],
                sample_rate=d["default_samplerate"],
                default_input=i == default_input,
                default_output=i == default_output,
            )
            for i, d in enumerate(sd.query_devices())
        ]


def _default(sd: ModuleType, kind: Kind) -> int:
    try:
        return sd.query_devices(kind=kind)["index"]
    except (sd.PortAudioError, ValueError):
        return -1


def find_device(kind: Kind, wanted: str | int | None = None) -> Device:
    """The default device, or one by its index or a part of its name.

    Raises UserError if there is none.
    """
    what = "microphone" if kind == "input" else "loudspeaker"
    devices = [d for d in list_devices() if d.channels(kind)]
    if not devices:
        raise UserError(f"no {what} found; plug one in, or check the sound system.")
    chosen: Device | None
    if wanted is None:
        chosen = next((d for d in devices if d.default(kind)), devices[0])
    elif isinstance(wanted, int) or wanted.isdecimal():
        chosen = next((d for d in devices if d.index == int(wanted)), None)
    else:
        name = wanted.lower()
        # Of several hosts' devices of a name, the first: PortAudio lists its preferred host first.
        chosen = next((d for d in devices if d.name.lower() == name), None) or next(
            (d for d in devices if name in d.name.lower()), None
        )
    if kind == "input":
        source = None
        if chosen is None and (server := _server(devices)) and (source := find_source(str(wanted))):
            chosen = replace(server, name=source.description, default_input=False)
        choose(source)
    if chosen is None:
        known = ", ".join(f"{d.index} {d.name}" for d in devices[:8])
        raise UserError(f"no {kind} device {wanted!r}; there are {known}{_way_to_a_monitor(wanted)}.")
    return chosen


def _server(devices: list[Device]) -> Device | None:
    """The device by which ALSA reaches a sound server, if that is the only way to one."""
    found = {d.name: d for d in devices if d.host == "ALSA"}
    return next((found[name] for name in reversed(SERVERS) if name in found), None)


def _way_to_a_monitor(wanted: str | int | None) -> str:
    if "monitor" not in str(wanted).lower() or shutil.which("pactl"):
        return ""
    return (
        "; to hear what the loudspeakers play, install pactl (Debian: pulseaudio-utils), or choose the "
        "monitor for this program in pavucontrol"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Send stderr nowhere: the C libraries complain there at length, each time they look in vain."""
    try:
        stderr = os.dup(2)
    except OSError:  # a program without a terminal may have none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _restart(sd: ModuleType) -> None:
    while sd._initialized:
        sd._terminate()
    sd._initialize()


def look_again() -> None:
    """Have PortAudio find devices that came or went: it only does so when it starts.

    Restarting it would tear open streams away, so while there are any, nothing happens. Raises
    UserError without PortAudio, or if it does not answer.
    """
    with lock:
        sd = library()
        if not in_use:
            within(lambda: _restart(sd), RESTART_S)


def within(task: Callable[[], T], seconds: float, undo: Callable[[T], None] = lambda made: None) -> T:
    """The result of a call from which a driver may never return, should its device go just then.

    Raises what the task raises; after `seconds`, UserError. What it makes later than that is undone.
    Until it ends, PortAudio is not restarted.
    """
    outcome: Future[T] = Future()
    deciding, given_up = threading.Lock(), False

    def run() -> None:
        try:
            made = task()
        except Exception as error:
            with deciding:
                outcome.set_exception(error)
        else:
            with deciding:
                outcome.set_result(made)
            if given_up and made is not None:
                undo(made)
        in_use.discard(thread)

    thread = threading.Thread(target=run, name="PortAudio", daemon=True)
    in_use.add(thread)
    thread.start()
    thread.join(seconds)
    with deciding:
        given_up = not outcome.done()
    if given_up:
        skip_farewell()
        raise UserError("the sound system does not answer; trying again.")
    return outcome.result()


def skip_farewell() -> None:
    """A driver hangs: leave PortAudio as it is at exit, for to end it would hang as well."""
    if sounddevice := sys.modules.get("sounddevice"):
        atexit.unregister(sounddevice._exit_handler)
        # Its threads go on to the very end: they need its code, which Python would unload before.
        ctypes.CDLL(sounddevice._libname)
