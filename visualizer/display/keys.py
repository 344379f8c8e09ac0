"""The keys: one table for what they do, for the help on the screen and for the README."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Binding:
    """What some keys do.

    action: the name that the engine knows it by. keys: what is written on them, or pygame's name of the
    key, in lower case. label: how a manual writes them. help: what they do, in a few words.
    """

    action: str
    keys: tuple[str, ...]
    label: str
    help: str


BINDINGS = (
    Binding("preset", tuple("123456789"), "1–9", "the first nine presets"),
    Binding("next", ("n", "right"), "N  →", "next preset"),
    Binding("previous", ("p", "left"), "P  ←", "previous preset"),
    Binding("random", ("r",), "R", "a random preset"),
    Binding("strip", ("tab",), "Tab", "the presets in pictures; click one to play it"),
    Binding("freeze", ("l", "space"), "L  Space", "lock the picture that it moves to, and let go"),
    Binding("faster", ("+", "="), "+", "answer faster"),
    Binding("slower", ("-",), "−", "answer slower"),
    Binding("less bounce", ("[",), "[", "less bounce"),
    Binding("more bounce", ("]",), "]", "more bounce"),
    Binding("mapping", ("m",), "M", "similar pictures for similar sounds, or random ones"),
    Binding("blackout", ("b",), "B", "fade to black, and back"),
    Binding("demo", ("d",), "D", "hear the demo tune, or again what it heard before"),
    Binding("still", ("s",), "S", "save what is seen as a PNG file"),
    Binding("fullscreen", ("f", "f11"), "F", "fullscreen, and back"),
    Binding("info", ("i",), "I", "frame rate, latency, sound level and more"),
    Binding("help", ("h", "f1", "?"), "H  F1", "this list"),
    Binding("quit", ("escape",), "Esc", "quit; in fullscreen press it twice or hold it"),
)

_ACTIONS = {key: binding.action for binding in BINDINGS for key in binding.keys}
# Number rows don't give digits on every layout (French ones need Shift), but sit at the same place.
_DIGIT_PLACES = {30 + i: str(i + 1) for i in range(9)}


@dataclass(frozen=True)
class Press:
    """A key that means something. action: see `BINDINGS`; number: the preset, 1..9, for "preset", else 0."""

    action: str
    number: int = 0


def press(name: str, text: str = "", place: int = 0) -> Press | None:
    """What a pressed key means; None for nothing.

    name: pygame's name of the key. text: what it types, which is how "[" is found on every layout;
    a control character means that Ctrl is held. place: its scan code.
    """
    text = text.lower()
    if text.isprintable() and text.strip():
        name = text if text in _ACTIONS else _DIGIT_PLACES.get(place, "")
    elif len(name) == 1:
        return None  # Ctrl+N is no N
    action = _ACTIONS.get(name)
    if action is None:
        return None
    return Press(action, int(name) if action == "preset" else 0)


def as_markdown() -> str:
    """The table of keys for the README."""
    rows = [f"| {', '.join(binding.label.split())} | {binding.help} |" for binding in BINDINGS]
    return "\n".join(["| key | what it does |", "| --- | --- |", *rows])


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
