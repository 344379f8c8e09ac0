"""What the page is told of the controls: numbers and words that JSON can carry."""

from __future__ import annotations

from typing import Any

from visualizer.control.desk import Desk
from visualizer.control.kinds import Choice, Control, Trigger, Value
from visualizer.control.table import CONTROLS

# What hands look for first comes first.
SECTIONS = ("Presets", "Picture", "Movement", "Sound", "Window")
SHOWN = tuple(sorted((c for c in CONTROLS if c.remote), key=lambda control: SECTIONS.index(control.section)))


def description(control: Control, desk: Desk) -> dict[str, Any]:
    """What a control is, for the page to lay it out."""
    told: dict[str, Any] = {
        "name": control.name,
        "kind": type(control).__name__.lower(),
        "section": control.section,
        "help": control.help,
    }
    if isinstance(control, Choice):
        told["options"] = list(control.options or desk.options.get(control.name, ()))
    return told


def state(control: Control, desk: Desk) -> dict[str, Any]:
    """How a control stands: its value, where that lies in its range, and in words."""
    value = desk.values[control.name]
    text = control.written(value) if isinstance(control, Value) else str(value)
    share = control.share(value, desk.options.get(control.name, ()))
    return {"value": value, "share": round(share, 4), "text": text}


def everything(desk: Desk) -> dict[str, Any]:
    """What a page that was just opened needs to know."""
    return {
        "controls": [description(control, desk) | state(control, desk) for control in SHOWN],
        **facts(desk),
        **stills(desk),
    }


def changes(desk: Desk, told: dict[str, Any]) -> dict[str, Any]:
    """What is different from what was told, which this brings up to date."""
    new = {}
    for control in SHOWN:
        value = desk.values[control.name]
        if isinstance(control, Trigger) or told.get(control.name) == value:
            continue
        told[control.name] = value
        new[control.name] = state(control, desk)
    return {"values": new} if new else {}


def facts(desk: Desk) -> dict[str, Any]:
    """How it goes."""
    now = desk.facts
    return {
        "facts": {
            "fps": round(now.fps, 1),
            "level": round(now.level, 1),
            "listening": now.listening,
            "title": now.title,
        }
    }


def stills(desk: Desk) -> dict[str, Any]:
    """Which presets have a picture: a number each that changes with it, or 0."""
    return {"stills": [0 if still is None else id(still) % 1_000_003 + 1 for still in desk.stills]}
