"""A controller: what its messages order, and what its lights are to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from visualizer.control.desk import Desk, Way
from visualizer.control.kinds import Choice, Switch, Trigger
from visualizer.control.midi.maps import Atlas, Bind, Touch
from visualizer.control.midi.takeover import Takeover
from visualizer.control.table import BY_NAME

if TYPE_CHECKING:
    import mido

# What comes back from a light so soon is its echo, and no hand.
ECHO_S = 0.1


class Controller:
    """One device; all of it on the thread of its service."""

    def __init__(self, name: str, desk: Desk, way: Way, atlas: Atlas, light: Callable[[list[int]], None]):
        """light: sends it a message, in bytes."""
        self.name = name
        self._desk, self._way, self._atlas, self._light = desk, way, atlas, light
        self._knobs: dict[Touch, Takeover] = {}
        self._lit: dict[Touch, tuple[int, float]] = {}

    # --- from it ----------------------------------------------------------------------------------

    def hear(self, message: mido.Message, at: float) -> None:
        """Do what a message asks for; at: when it came, perf_counter seconds. Raises Unfit and UserError."""
        found = _touch(message)
        if found is None:
            return
        touch, level = found
        lit = self._lit.get(touch)
        if lit is not None and lit[0] == level and time.perf_counter() - lit[1] < ECHO_S:
            return
        wanted = self._desk.learning
        if wanted and level:
            self._atlas.learn(touch, wanted)
            self._knobs.pop(touch, None)
            self._desk.learning = ""
            self._desk.tell(f"{self.name.partition(':')[0]}: {touch.kind} {touch.number} is {wanted} now")
            return
        bind = self._atlas.find(self.name, touch)
        if bind is not None:
            self._obey(bind, touch, level, at)

    def _obey(self, bind: Bind, touch: Touch, level: int, at: float) -> None:
        control, name = BY_NAME[bind.control], bind.control
        place = touch.number - bind.first[1]
        pressed = touch.kind != "cc" or bind.button
        if bind.step:
            if level:
                self._way.order(name, bind.step, "step", at)
        elif bind.relative:
            turned = level if level < 64 else level - 128
            self._way.order(name, turned, "step", at)
        elif isinstance(control, Choice) and pressed:
            if level:
                one = bind.count == 1 and touch.kind != "program"
                self._way.order(name, 1 if one else place + 1, "step" if one else "set", at)
        elif isinstance(control, Switch) and pressed:
            if level:
                self._way.order(name, 1, "step", at)
        elif isinstance(control, Trigger | Switch):
            self._way.order(name, float(level >= 64 or (pressed and level > 0)), "set", at)
        else:
            self._turn(bind, touch, level / 127, at)

    def _turn(self, bind: Bind, touch: Touch, place: float, at: float) -> None:
        control, options = BY_NAME[bind.control], self._desk.options.get(bind.control, ())
        present = self._desk.values[bind.control]
        knob = self._knobs.setdefault(touch, Takeover())
        if knob.move(place, control.share(present, options)):
            self._way.order(bind.control, place, "share", at)
            knob.sent(control.share(control.settle("share", place, present, options), options))

    # --- to it ------------------------------------------------------------------------------------

    def show(self) -> None:
        """Let its lights, rings and motors show how the controls stand, where they don't yet."""
        for touch, level in self._wanted():
            lit = self._lit.get(touch)
            if lit is None or lit[0] != level:
                self._lit[touch] = level, time.perf_counter()
                self._light(_message(touch, level))

    def _wanted(self) -> Iterator[tuple[Touch, int]]:
        seen = set()
        for each in self._atlas.maps(self.name):
            for bind in reversed(each.bind):
                control, (kind, first) = BY_NAME[bind.control], bind.first
                options = self._desk.options.get(bind.control, ())
                value = self._desk.values[bind.control]
                if isinstance(control, Trigger) or kind == "program" or bind.step or bind.relative:
                    continue
                for place in range(bind.count):
                    touch = Touch(kind, (bind.channel or 1) - 1, first + place)
                    if touch in seen or touch.number > 127:
                        continue
                    seen.add(touch)
                    if bind.count > 1:
                        names = getattr(control, "options", ()) or options
                        lit = place < len(names) and names[place] == value
                        yield touch, 127 * lit
                    elif isinstance(control, Choice):
                        yield touch, 127 * (value != control.initial)
                    else:
                        yield touch, round(127 * control.share(value, options))


def _touch(message: mido.Message) -> tuple[Touch, int] | None:
    """(what was touched, how far 0..127) of a message; None of what is no touch."""
    match message.type:
        case "note_on":
            return Touch("note", message.channel, message.note), message.velocity
        case "note_off":
            return Touch("note", message.channel, message.note), 0
        case "control_change":
            return Touch("cc", message.channel, message.control), message.value
        case "program_change":
            return Touch("program", message.channel, message.program), 127
    return None


def _message(touch: Touch, level: int) -> list[int]:
    return [(0x90 if touch.kind == "note" else 0xB0) | touch.channel, touch.number, level]
