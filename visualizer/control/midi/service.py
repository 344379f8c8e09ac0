"""The thread for MIDI: controllers come and go, it listens to all of them."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualizer.audio.conductor import Conductor
from visualizer.audio.portaudio import quiet
from visualizer.common import settings
from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.control.desk import Desk
from visualizer.control.midi.clock import Clock
from visualizer.control.midi.controller import Controller
from visualizer.control.midi.maps import Atlas
from visualizer.control.service import Service

if TYPE_CHECKING:
    import mido

log = logging.getLogger("visualizer")
LOOK_S, WAIT_S, LATE_S = 1.0, 0.005, 0.05
# So many messages wait at the most, and are dealt with before the lights have their turn.
WAITING, AT_ONCE = 2048, 64
OURS = "visualizer"
# Ports that lead back, or nowhere.
NOT_DEVICES = (OURS, "midi through", "rtmidi")
MEMORY = "midi.toml"
SYSTEMS = ("LINUX_ALSA", "UNIX_JACK", "MACOSX_CORE", "WINDOWS_MM")


class Midi(Service):
    """Listens to every controller there is. garbage: messages that made no sense."""

    def __init__(self, desk: Desk, conductor: Conductor, own: Path | None = None):
        """own: the user's map. Raises UserError if that can't be read, or if a library is missing."""
        super().__init__("MIDI")
        self._mido = wanted("mido", "mido", "--midi", "midi")
        self._rtmidi = wanted("rtmidi", "python-rtmidi", "--midi", "midi")
        self.garbage = 0
        desk.learns = True
        self._desk, self._way = desk, desk.way("MIDI", aloud=True)
        self._conductor = conductor
        self._atlas = Atlas(own, settings.folder() / MEMORY)
        # When each port's last message came, perf_counter seconds.
        self._came: dict[str, float] = {}
        # By the port's name: its ports, the controller, and its clock.
        self.controllers: dict[str, tuple[list[Any], Controller, Clock]] = {}
        self._system, self._probe = self._find_system()
        self._looked = -LOOK_S
        self._version = -1

    def _find_system(self) -> tuple[Any, Any]:
        """(the system by which MIDI goes, what tells the ports there): ALSA's, or JACK's where that runs."""
        os.environ.setdefault("JACK_NO_START_SERVER", "1")
        compiled = self._rtmidi.get_compiled_api()
        asked = os.environ.get("RTMIDI_API", "")
        for name in [asked] if asked in SYSTEMS else SYSTEMS:
            system = getattr(self._rtmidi, f"API_{name}")
            if system not in compiled:
                continue
            try:
                with quiet():
                    probe = self._rtmidi.MidiIn(system, name=f"{OURS} looks")
                    probe.get_ports()
                return system, probe
            except Exception as error:  # of whichever system it isn't
                log.debug("MIDI by %s: %s", name, error)
        raise UserError("--midi: this system has no MIDI that works, neither by ALSA nor by JACK; start one.")

    def serve(self) -> None:
        now = time.perf_counter()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._look()
        self._listen()
        self._stopped.wait(WAIT_S)
        now, changed = time.perf_counter(), self._version != self._desk.version
        self._version = self._desk.version
        for _, controller, clock in self.controllers.values():
            clock.look(now)
            if changed:
                controller.show()

    def close(self) -> None:
        for name in list(self.controllers):
            self._part_from(name)
        self._probe.delete()

    # --- coming and going -------------------------------------------------------------------------

    def _look(self) -> None:
        there = [name for name in self._probe.get_ports() if not name.lower().startswith(NOT_DEVICES)]
        for name in [name for name in self.controllers if name not in there]:
            self._part_from(name)
            self._desk.tell(f"{_called(name)} is gone")
        for name in there:
            if name not in self.controllers:
                self._meet(name)

    def _meet(self, name: str) -> None:
        ports = []
        try:
            with quiet():
                # Asked, and not called back: closing one that calls back can wait for itself for ever.
                ports.append(self._rtmidi.MidiIn(self._system, name=OURS, queue_size_limit=WAITING))
                ports[0].ignore_types(sysex=True, timing=False, active_sense=True)
                ports[0].open_port(self._probe.get_ports().index(name), "in")
                ports += self._other_end(name)
        except Exception as error:  # another program has it, or it has just gone
            log.info("MIDI: %s can't be opened (%s)", name, error)
            if len(ports) < 2:
                for port in ports:
                    port.delete()
                return
        send = ports[1].send_message if len(ports) > 1 else lambda message: None
        controller = Controller(name, self._desk, self._way, self._atlas, send)
        self.controllers[name] = ports, controller, Clock(self._conductor)
        self._desk.tell(f"{_called(name)} is there")
        self._version = -1

    def _other_end(self, name: str) -> list[Any]:
        """What leads to a device, if it wants to be told: its inputs and outputs come in the same order."""
        out = self._rtmidi.MidiOut(self._system, name=OURS)
        alike = [port for port in self._probe.get_ports() if _called(port) == _called(name)]
        back = [i for i, port in enumerate(out.get_ports()) if _called(port) == _called(name)]
        if not back:
            out.delete()
            return []
        out.open_port(back[min(alike.index(name), len(back) - 1)], "out")
        return [out]

    def _part_from(self, name: str) -> None:
        ports, _, clock = self.controllers.pop(name)
        clock.stop()
        for port in ports:
            try:
                with quiet():
                    port.delete()
            except Exception as error:  # it is gone as it is
                log.debug("MIDI: %s: %s", name, error)

    # --- listening --------------------------------------------------------------------------------

    def _listen(self) -> None:
        for name, (ports, controller, clock) in self.controllers.items():
            for _ in range(AT_ONCE):
                heard = ports[0].get_message()
                if heard is None:
                    break
                data, since = heard
                try:
                    message, at = self._mido.Message.from_bytes(data), self._time(name, since)
                    if not _clocked(clock, message, at):
                        controller.hear(message, at)
                except ValueError as error:  # no message, or an order that makes no sense
                    log.debug("MIDI: %s", error)
                    self.garbage += 1
                except UserError as error:
                    self._desk.tell(str(error))

    def _time(self, name: str, since: float) -> float:
        """When a message came that came so many seconds after the last one: the driver knows that better."""
        now = time.perf_counter()
        at = self._came.get(name, -math.inf) + since
        self._came[name] = at = at if now - LATE_S < at <= now else now
        return at


def _clocked(clock: Clock, message: mido.Message, at: float) -> bool:
    """Whether a message was for the clock."""
    match message.type:
        case "clock":
            clock.tick(at)
        case "start":
            clock.start()
        case "continue":
            clock.resume()
        case "stop":
            clock.stop()
        case "songpos":
            clock.place(message.pos)
        case _:
            return False
    return True


def _called(port: str) -> str:
    """A device's name in a port's: without what the system adds, and JACK's counting."""
    return re.sub(r"-\d\d$", "", port.partition(":")[0])
