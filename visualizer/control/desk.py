"""The desk: where all ways meet. Orders come from any thread; the render thread takes them between frames.

A way is whatever people or machines turn controls by: keys, MIDI, OSC, the page. Each has a ring of its own,
so that none ever waits, neither for another nor for a lock, and a flood from one loses only its own oldest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from visualizer.control.kinds import Control, Unfit, Verb
from visualizer.control.table import BY_NAME, CONTROLS
from visualizer.latent.ring import Ring

if TYPE_CHECKING:
    import numpy as np

    from visualizer.audio.listener import Event

# So many orders of a way wait for the next frame at the most, and so many are looked at in one: what a flood
# brings more is left for the frames after it.
WAITING, AT_ONCE = 256, 96


class Order(NamedTuple):
    """What is to become of a control. time: when it was given, seconds of time.perf_counter."""

    control: str
    verb: Verb
    amount: Any
    time: float


class Facts(NamedTuple):
    """What ways may tell. fps: frames a second of late; level: of the sound, dB re a full-scale sine;
    listening: to what, in words; title: of the preset."""

    fps: float = 0.0
    level: float = -120.0
    listening: str = ""
    title: str = ""


class Turn(NamedTuple):
    """What the orders of one frame came to. value: the control's new one; time: of the last order.

    aloud: whether somebody at hand did it, who likes to read what it did. way: by which it was done last.
    """

    control: Control
    value: Any
    time: float
    aloud: bool
    way: str


class Way:
    """A way's end of the desk; for one thread of its own."""

    def __init__(self, desk: Desk, name: str, aloud: bool):
        self.name, self.aloud = name, aloud
        self.ring = Ring(WAITING)
        self._desk = desk

    def order(self, control: str, amount: Any = None, verb: Verb = "set", at: float | None = None) -> None:
        """Have a control turned at the next frame. at: when it was asked for, perf_counter seconds; now.

        Raises Unfit if there is no such control, or if that makes no sense to it.
        """
        self.together([self.checked(control, amount, verb, at)])

    def checked(self, control: str, amount: Any = None, verb: Verb = "set", at: float | None = None) -> Order:
        """An order that makes sense, for `together`. Raises Unfit."""
        known = BY_NAME.get(control)
        if known is None:
            raise Unfit(f"there is no control {control!r}")
        known.settle(verb, amount, self._desk.values[control], self._desk.options.get(control, ()))
        return Order(control, verb, amount, time.perf_counter() if at is None else at)

    def together(self, orders: Iterable[Order]) -> None:
        """Have controls turned in one and the same frame."""
        self.ring.push(tuple(orders))


class Desk:
    """All controls and their values.

    values: by the control's name; anybody may read them at any time, the render thread alone writes. options:
    of choices that are known late. version: grows with every change. lost: orders that came in a flood.
    facts: the newest. learning: the control that the next knob touched is for, "" mostly; learns: whether
    there is a way that can. words: what ways want people to read, for the render thread to take. stills:
    [h, w, 3] uint8 of each preset, or None, in their order.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {control.name: control.initial for control in CONTROLS}
        self.options: dict[str, Sequence[str]] = {}
        self.version = 0
        self.facts = Facts()
        self.learning = ""
        self.learns = False
        self.words: deque[str] = deque(maxlen=8)
        self.stills: Sequence[np.ndarray | None] = ()
        self._witnesses: tuple[Ring, ...] = ()
        self._ways: tuple[Way, ...] = ()

    def way(self, name: str, aloud: bool = False) -> Way:
        """Another way to all controls. aloud: see `Turn`."""
        way = Way(self, name, aloud)
        self._ways = (*self._ways, way)
        return way

    def tell(self, sentence: str) -> None:
        """Have people in front of the window told something, from any thread."""
        self.words.append(sentence)

    @property
    def lost(self) -> int:
        """Orders that came faster than frames could take them."""
        return sum(way.ring.dropped for way in self._ways)

    def witness(self) -> Ring:
        """A ring that gets every moment of sound as it takes effect; for one thread."""
        ring = Ring(WAITING)
        self._witnesses = (*self._witnesses, ring)
        return ring

    def hear(self, event: Event) -> None:
        """A moment of sound takes effect. For the thread that moves the picture."""
        for ring in self._witnesses:
            ring.push(event)

    def take(self) -> list[Turn]:
        """What the orders since the last call come to: for each control that they turn, one thing.

        For the render thread. The values are not yet changed: see `settled`.
        """
        turns: dict[str, Turn] = {}
        for way in self._ways:
            looked_at = 0
            while looked_at < AT_ONCE:
                orders: tuple[Order, ...] | None = way.ring.pop()
                if orders is None:
                    break
                for order in orders:
                    self._follow(order, way, turns)
                looked_at += max(1, len(orders))
        return list(turns.values())

    def _follow(self, order: Order, way: Way, turns: dict[str, Turn]) -> None:
        control, before = BY_NAME[order.control], turns.get(order.control)
        present = before.value if before else self.values[control.name]
        try:
            value = control.settle(order.verb, order.amount, present, self.options.get(control.name, ()))
        except Unfit:  # no longer what it was when it was ordered
            return
        if value != present or before or order.verb == "set":
            turns[control.name] = Turn(control, value, order.time, way.aloud, way.name)

    def settled(self, control: str, value: Any) -> None:
        """A control has this value now, whoever gave it. For the render thread."""
        if self.values[control] != value:
            self.values[control] = value
            self.version += 1
