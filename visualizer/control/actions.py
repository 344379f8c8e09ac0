"""The table of all that can be triggered: for the keys, the help on the screen and the README."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """Something that can be triggered.

    name: the engine knows it by that. keys: what is written on the keys that do it, or pygame's name of the
    key, in lower case. label: how a manual writes them. help: what it does, in a few words.
    """

    name: str
    keys: tuple[str, ...]
    label: str
    help: str


ACTIONS = (
    Action("preset", tuple("123456789"), "1–9", "the first nine presets"),
    Action("next", ("n", "right"), "N  →", "next preset"),
    Action("previous", ("p", "left"), "P  ←", "previous preset"),
    Action("random", ("r",), "R", "a random preset"),
    Action("strip", ("tab",), "Tab", "the presets in pictures; click one to play it"),
    Action("freeze", ("l", "space"), "L  Space", "lock the picture that it moves to, and let go"),
    Action("faster", ("+", "="), "+", "answer faster"),
    Action("slower", ("-",), "−", "answer slower"),
    Action("less bounce", ("[",), "[", "less bounce"),
    Action("more bounce", ("]",), "]", "more bounce"),
    Action("mapping", ("m",), "M", "similar pictures for similar sounds, or random ones"),
    Action("blackout", ("b",), "B", "fade to black, and back"),
    Action("demo", ("d",), "D", "hear the demo tune, or again what it heard before"),
    Action("still", ("s",), "S", "save what is seen as a PNG file"),
    Action("fullscreen", ("f", "f11"), "F", "fullscreen, and back"),
    Action("info", ("i",), "I", "frame rate, latency, sound level and more"),
    Action("help", ("h", "f1", "?"), "H  F1", "this list"),
    Action("quit", ("escape",), "Esc", "quit; in fullscreen press it twice or hold it"),
)


def as_markdown() -> str:
    """The table of keys for the README."""
    rows = [f"| {', '.join(action.label.split())} | {action.help} |" for action in ACTIONS]
    return "\n".join(["| key | what it does |", "| --- | --- |", *rows])
