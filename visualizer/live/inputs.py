"""Inputs: going from one microphone or line to the next during the show, and which it was the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visualizer.audio.portaudio import Device, find_device, list_devices
from visualizer.common import settings
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk
from visualizer.live.backstage import Backstage

if TYPE_CHECKING:
    from visualizer.live.hearing import Hearing

DEFAULT, ALL = "default", "all"
# More channels are chosen with --channels.
MOST = 16
REMEMBERED = "input.toml"


def remembered() -> tuple[str | None, tuple[int, ...]]:
    """(device, channels) that were chosen last, if the device is there; else the system's, and all."""
    try:
        kept = settings.known(REMEMBERED)
        device, channels = str(kept["device"]), tuple(int(number) for number in kept["channels"])
        if device != DEFAULT and find_device("input", device).inputs < max(channels, default=1):
            return None, ()
        return (None if device == DEFAULT else device), channels
    except (ValueError, KeyError, TypeError, UserError):  # never chosen, not there, or unreadable
        return None, ()


def channels_of(count: int) -> tuple[str, ...]:
    """What can be chosen of a device with so many channels: all, pairs, and each."""
    count = min(count, MOST)
    pairs = [f"{left},{left + 1}" for left in range(1, count, 2)] if count > 2 else []
    return (ALL, *pairs, *(str(number + 1) for number in range(count) if count > 1))


class Inputs:
    """The controls "input" and "channels"; for the render thread, but for what is backstage."""

    def __init__(self, hearing: Hearing, desk: Desk, backstage: Backstage):
        self._hearing, self._desk, self._backstage = hearing, desk, backstage
        self._devices: dict[str, Device] = {}
        self._chosen: tuple[str, tuple[int, ...]] | None = None
        self._busy = False
        device, numbers = str(hearing.device or DEFAULT), hearing.channels
        channels = ",".join(map(str, numbers)) or ALL
        desk.options["input"], desk.options["channels"] = (device,), (channels,)
        desk.settled("input", device)
        desk.settled("channels", channels)
        backstage.do(self._look)

    def choose(self, device: str, channels: str) -> None:
        """Listen to that device, to those channels of it."""
        self._desk.settled("input", device)
        self._desk.settled("channels", channels)
        self._offer(device)
        numbers = () if channels == ALL else tuple(int(part) for part in channels.split(","))
        self._hearing.listen_to(None if device == DEFAULT else device, numbers)
        self._chosen = device, numbers
        if not self._busy:
            self._busy = True
            self._backstage.do(self._remember)

    def _remember(self) -> None:
        """Backstage."""
        chosen = self._chosen
        self._backstage.tell(lambda: self._remembered(chosen))
        if chosen is not None:
            remember(*chosen)
        self._look()

    def _remembered(self, chosen: tuple[str, tuple[int, ...]] | None) -> None:
        self._busy = False
        if self._chosen != chosen:  # somebody went on meanwhile
            self._busy = True
            self._backstage.do(self._remember)

    def _look(self) -> None:
        """Backstage."""
        try:
            found = {device.name: device for device in list_devices() if device.inputs}
        except UserError:  # which whoever listens has told already
            return
        self._backstage.tell(lambda: self._found(found))

    def _found(self, devices: dict[str, Device]) -> None:
        self._devices = devices
        present = self._desk.values["input"]
        names = [name for name in devices if name != DEFAULT]
        self._desk.options["input"] = tuple(dict.fromkeys((DEFAULT, *names, present)))
        self._offer(present)

    def _offer(self, device: str) -> None:
        known = self._devices.get(device)
        if known is None:
            known = next((each for each in self._devices.values() if each.default_input), None)
        offered = channels_of(known.inputs) if known is not None else (ALL,)
        self._desk.options["channels"] = tuple(dict.fromkeys((*offered, self._desk.values["channels"])))


def remember(device: str, channels: tuple[int, ...]) -> None:
    """Keep what was chosen, for the next show. Raises UserError."""
    settings.keep(REMEMBERED, {"device": device, "channels": list(channels)})
