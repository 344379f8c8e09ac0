"""The keys: a way to the controls."""

from __future__ import annotations

import math
from typing import NamedTuple

from visualizer.control.kinds import Trigger, Verb
from visualizer.control.table import CONTROLS

# What an American keyboard has at each place, by USB's number for it, which is SDL's scan code.
_PLACES = {4 + i: letter for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz1234567890")}
_PLACES |= {45: "-", 46: "=", 47: "[", 48: "]", 54: ",", 55: "."}


class Press(NamedTuple):
    """A key that means something: an order to a control; see `Desk`."""

    control: str
    verb: Verb = "set"
    amount: int | None = None


def _presses() -> dict[str, Press]:
    found = {}
    for control in CONTROLS:
        for key in control.keys:
            for name in key.names:
                if key.step:
                    found[name] = Press(control.name, "step", key.step)
                elif isinstance(control, Trigger):
                    found[name] = Press(control.name)
                else:
                    found[name] = Press(control.name, "set", int(name))
    return found


_PRESSES = _presses()


def press(name: str, text: str = "", place: int = 0, shifted: bool = False) -> Press | None:
    """What a pressed key means; None for nothing.

    name: pygame's name of the key. text: what it types, which is how "[" is found on every layout; a control
    character means that Ctrl is held. place: its scan code. shifted: whether Shift or AltGr is held.

    Where it types what means nothing, as letters do in other alphabets, its place on the keyboard counts.
    """
    text, place_name = text.lower(), _PLACES.get(place, "")
    if text.isprintable() and text.strip():
        # French and Czech rows of numbers give digits only with Shift, and 6 and 1 give - and + without.
        other_digit = place_name.isdigit() and not text.isdigit() and not shifted
        foreign = not (text.isascii() and text.isalnum())
        by_place = other_digit or (foreign and text not in _PRESSES)
        name = place_name if by_place else text
    elif len(name) == 1:
        return None  # Ctrl+N is no N
    return _PRESSES.get(name)


class Leaving:
    """Esc: quits a window at once; in fullscreen it takes a second press, or holding it."""

    TWICE_S = 1.5
    HELD_S = 1.0

    def __init__(self) -> None:
        self._pressed = self._down = -math.inf

    def press(self, now: float, fullscreen: bool) -> bool:
        """Esc goes down at a time; whether to quit."""
        twice = now - self._pressed <= self.TWICE_S
        self._pressed = self._down = now
        return twice or not fullscreen

    def release(self) -> None:
        """Esc goes up."""
        self._down = -math.inf

    def held(self, now: float) -> bool:
        """Whether to quit, because it has been down for long."""
        return self._down > -math.inf and now - self._down >= self.HELD_S
