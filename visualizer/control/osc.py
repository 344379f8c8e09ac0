"""OSC: other programs turn the controls, and follow what is heard and played.

In, to every control: /visualizer/NAME VALUE, /visualizer/NAME/share 0..1, /visualizer/NAME/step N. Without
a value a trigger goes off, a switch goes over, and a choice goes on to the next. /visualizer/subscribe [PORT]
has the answers sent to the sender, for a minute; /visualizer/state has all values told anew. A bundle takes
effect in one frame, at its time. What makes no sense is ignored, and counted.

Out: /visualizer/beat NUMBER POSITION TEMPO, /visualizer/onset ALL BASS MIDDLE TREBLE, /visualizer/section
NUMBER, /visualizer/cluster N, /visualizer/loudness DB, and every control's value when it changes.
"""

from __future__ import annotations

import heapq
import ipaddress
import logging
import select
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from visualizer.common.addresses import Address
from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.control.desk import Desk, Order
from visualizer.control.kinds import Choice, Switch, Text, Trigger, Unfit, Verb
from visualizer.control.service import Service
from visualizer.control.table import BY_NAME, CONTROLS

if TYPE_CHECKING:
    from visualizer.audio.listener import Event

log = logging.getLogger("visualizer")
ROOT = "/visualizer/"
# A datagram's length, and how many in one round of so long: a flood leaves the processor to the picture. So
# many messages make a bundle at the most.
LONGEST, ROUND_S, IN_A_ROUND, IN_A_BUNDLE = 8192, 0.01, 20, 64
# Bundles for later: how many, and how much later.
WAITING, LATEST_S = 512, 60.0
SUBSCRIBED_S, SUBSCRIBERS = 60.0, 8
LOUDNESS_S = 0.05


class Osc(Service):
    """Listens on a port. garbage: datagrams, messages and values that made no sense."""

    def __init__(self, desk: Desk, address: Address, targets: tuple[Address, ...] = ()):
        """targets: who is told, besides subscribers. Raises UserError if the port can't be had."""
        super().__init__("OSC")
        self._packet = wanted("pythonosc.osc_packet", "python-osc", "--osc")
        self._builder = wanted("pythonosc.osc_message_builder", "python-osc", "--osc")
        self.garbage = 0
        self._desk, self._way = desk, desk.way("OSC")
        self._heard = desk.witness()
        self._targets = targets
        self._subscribers: dict[tuple[str, int], float] = {}
        self._later: list[tuple[float, int, list[Order]]] = []
        self._count = 0
        self._told: dict[str, Any] = {}
        self._version = -1
        self._event: Event | None = None
        self._loudness_told = 0.0
        self._socket = socket.socket(socket.AF_INET6 if address.v6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise UserError(
                f"--osc {address}: can't listen there ({error.strerror}); choose another port."
            ) from None
        self._socket.setblocking(False)
        self.address = Address(*self._socket.getsockname()[:2])
        log.info("OSC on %s", self.address)

    def serve(self) -> None:
        begun = time.monotonic()
        wait = ROUND_S
        room = IN_A_ROUND
        while room > 0 and select.select([self._socket], [], [], wait)[0]:
            wait = 0.0
            room -= max(1, self._receive())
        self._do_what_is_due()
        self._tell()
        self._stopped.wait(max(0.0, begun + ROUND_S - time.monotonic()))

    def close(self) -> None:
        self._socket.close()

    # --- in ---------------------------------------------------------------------------------------

    def _receive(self) -> int:
        """Take a datagram; returns how many messages it held."""
        try:
            data, sender = self._socket.recvfrom(LONGEST + 1)
        except OSError:  # e.g. that nobody is there to whom something was sent
            return 0
        try:
            if len(data) > LONGEST:
                raise ValueError("too long")
            messages = self._packet.OscPacket(data).messages
            if len(messages) > IN_A_BUNDLE:
                raise ValueError("too many")
        except Exception:  # whatever the parser stumbles over
            self.garbage += 1
            return 0
        bundles: dict[float, list[Order]] = {}
        for timed in messages:
            try:
                order = self._read(timed.message.address, timed.message.params, sender)
            except Unfit as error:
                log.debug("OSC: %s", error)
                self.garbage += 1
            else:
                if order is not None:
                    bundles.setdefault(timed.time, []).append(order)
        for when, orders in bundles.items():
            wait = when - time.time()
            if wait <= 0:
                self._way.together(orders)
            elif wait > LATEST_S or len(self._later) >= WAITING:
                self.garbage += 1
            else:
                self._count += 1
                heapq.heappush(self._later, (time.monotonic() + wait, self._count, orders))
        return len(messages)

    def _read(self, address: str, parameters: list, sender: tuple) -> Order | None:
        """What a message orders; None if it asks for an answer. Raises Unfit."""
        if not address.startswith(ROOT):
            raise Unfit(f"{address} is not {ROOT}…")
        name, _, verb = address.removeprefix(ROOT).partition("/")
        if name == "subscribe":
            self._subscribe(sender, parameters)
            return None
        if name == "state":
            self._told.clear()
            self._version = -1
            return None
        control = BY_NAME.get(name)
        if control is None or not control.remote or verb not in ("", "share", "step"):
            raise Unfit(f"there is no {address}")
        amount = parameters[0] if parameters else None
        if amount is None and isinstance(control, Switch | Choice):
            verb, amount = "step", 1
        chosen: Verb = "step" if verb == "step" else "share" if verb == "share" else "set"
        return self._way.checked(name, amount, chosen)

    def _subscribe(self, sender: tuple, parameters: list) -> None:
        port = parameters[0] if parameters else sender[1]
        address = ipaddress.ip_address(sender[0].partition("%")[0])
        if type(port) is not int or not 0 < port < 65536:
            raise Unfit(f"{port!r} is no port")
        # A sender may be forged: nobody far away gets what he didn't ask for, nor this program itself.
        if not address.is_private or port == self.address.port:
            raise Unfit(f"{sender[0]}:{port} can't subscribe")
        key = (sender[0], port)
        if key not in self._subscribers and len(self._subscribers) >= SUBSCRIBERS:
            raise Unfit("too many subscribers")
        if key not in self._subscribers:
            self._told.clear()
            self._version = -1
        self._subscribers[key] = time.monotonic() + SUBSCRIBED_S

    def _do_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._way.together(heapq.heappop(self._later)[2])

    # --- out --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        now = time.monotonic()
        for key in [key for key, end in self._subscribers.items() if end < now]:
            del self._subscribers[key]
        sayings = [saying for event in self._events() for saying in self._of_sound(event)]
        sayings += self._of_controls()
        receivers = [*self._targets, *self._subscribers]
        if not receivers:
            return
        for address, values in sayings:
            message = self._message(address, values)
            for receiver in receivers:
                try:
                    self._socket.sendto(message, receiver)
                except OSError:  # full, unreachable, gone: they miss it
                    continue

    def _events(self) -> Iterator[Event]:
        for _ in range(self._heard.size):
            event = self._heard.pop()
            if event is None:
                return
            yield event

    def _of_sound(self, event: Event) -> Iterator[tuple[str, tuple]]:
        before, self._event = self._event, event
        if any(event.strikes):
            yield "onset", tuple(map(float, event.strikes))
        if event.time - self._loudness_told >= LOUDNESS_S or event.time < self._loudness_told:
            self._loudness_told = event.time
            yield "loudness", (float(event.loudness),)
        if before is None:
            return
        if event.cluster != before.cluster:
            yield "cluster", (int(event.cluster),)
        if event.beat.number != before.beat.number:
            yield "beat", (int(event.beat.number), int(event.beat.position), float(event.beat.tempo))
        if event.section.number != before.section.number:
            yield "section", (int(event.section.number),)

    def _of_controls(self) -> Iterator[tuple[str, tuple]]:
        if self._version == self._desk.version:
            return
        self._version = self._desk.version
        for control in CONTROLS:
            value = self._desk.values[control.name]
            unknown = value == "" and not isinstance(control, Text)
            if isinstance(control, Trigger) or self._told.get(control.name) == value or unknown:
                continue
            self._told[control.name] = value
            yield control.name, (float(value) if isinstance(value, float) else value,)

    def _message(self, address: str, values: tuple) -> bytes:
        builder = self._builder.OscMessageBuilder(ROOT + address)
        for value in values:
            # Few programs know OSC's own true and false.
            builder.add_arg(int(value) if isinstance(value, bool) else value)
        return builder.build().dgram
