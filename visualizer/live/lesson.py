"""A lesson: somebody holds K and names a control by turning it, and the knob touched next learns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visualizer.control.desk import Desk, Turn

if TYPE_CHECKING:
    from visualizer.output.hud import Hud

WAITING_S = 60.0
# They name controls; of other ways nobody knows who is at them.
TEACHERS = ("keys", "page")


class Lesson:
    """on: whether there is one."""

    def __init__(self, desk: Desk, hud: Hud):
        self.on = False
        self._desk, self._hud = desk, hud
        self._last = ""
        self._named = False

    def takes(self, turn: Turn) -> bool:
        """Whether a turn was part of a lesson, and does nothing else."""
        if turn.control.name == "learn":
            self._begin() if turn.value and not self.on else self._end(turn.value)
            return True
        if self.on and self._named and not self._desk.learning:  # it was learned
            self.on = False
        if not self.on:
            self._last = turn.control.name if turn.control.remote else self._last
            return False
        if turn.way in TEACHERS and turn.control.remote:
            self._name(turn.control.name)
        return True

    def _begin(self) -> None:
        if not self._desk.learns:
            self._hud.say("there is nothing to learn by; start it with --midi")
            return
        self.on, self._named = True, False
        self._hud.say("press the key of what a knob is to turn, or turn it on the page", seconds=WAITING_S)
        if self._last:
            self._name(self._last)

    def _name(self, control: str) -> None:
        self._desk.learning, self._named = control, True
        self._hud.say(f"{control}: touch a knob or a pad", seconds=WAITING_S)

    def _end(self, on: bool) -> None:
        if self.on and not on:
            unlearned = bool(self._desk.learning) or not self._named
            self.on, self._desk.learning = False, ""
            if unlearned:
                self._hud.say("nothing learned")
