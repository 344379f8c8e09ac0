"""The table of all that can be turned and triggered: for keys, MIDI, OSC, the page and the help.

A new control is one entry here, and what it does: a key of the preset it does by itself, anything else has a
line in `live/controls.py`.
"""

from __future__ import annotations

from typing import Any

from visualizer.control.kinds import Choice, Control, Key, Switch, Text, Trigger, Value
from visualizer.control.preset import Preset
from visualizer.control.toml_file import table_of


def _of_preset(setting: str) -> dict[str, Any]:
    """What a preset's schema says about a key: range, default, help."""
    *parts, key = setting.split(".")
    table = table_of(Preset, parts)
    field = table.model_fields[key]
    limits = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
    told = {"help": (field.description or "").rstrip("."), "default": field.default, "setting": setting}
    return told | ({"low": limits["ge"], "high": limits["le"]} if limits else {})


def _setting(setting: str, name: str, **more: Any) -> Value:
    """A value of the preset that is on."""
    return Value(name=name, **{**_of_preset(setting), **more})


CONTROLS: tuple[Control, ...] = (
    Choice(
        name="preset",
        section="Presets",
        help="the preset that is on",
        keys=(
            Key(tuple("123456789"), "1–9", "the first nine presets"),
            Key(("n", "right"), "N  →", "next preset", +1),
            Key(("p", "left"), "P  ←", "previous preset", -1),
        ),
    ),
    Trigger(name="random", section="Presets", help="a random preset", keys=(Key(("r",), "R"),)),
    Switch(
        name="cycle",
        section="Presets",
        help="presets change by themselves, or stay",
        keys=(Key(("c",), "C", step=1),),
        spoken=("presets stay", "presets change by themselves"),
    ),
    Switch(
        name="shuffle",
        section="Presets",
        help="in order, or at random",
        keys=(Key(("x",), "X", "in order, or at random, when they change by themselves", step=1),),
        spoken=("in order", "at random"),
    ),
    Switch(
        name="favourite",
        section="Presets",
        help="the preset that is on is a favourite, or no longer",
        keys=(Key(("v",), "V", step=1),),
        spoken=("no longer a favourite", "a favourite"),
    ),
    Value(
        name="cycle_length",
        section="Presets",
        help="for how many seconds, bars or sections each stays on",
        low=1,
        high=3600,
        default=45,
        step=1.5,
        logarithmic=True,
        digits=1,
    ),
    Choice(
        name="cycle_unit",
        section="Presets",
        help="what that is counted in",
        options=("seconds", "bars", "sections"),
    ),
    Switch(
        name="strip",
        section="Window",
        help="the presets in pictures; click one to play it",
        keys=(Key(("tab",), "Tab", step=1),),
    ),
    Switch(
        name="lock",
        section="Movement",
        help="lock the picture that it moves to, and let go",
        keys=(Key(("l", "space"), "L  Space", step=1),),
        spoken=("free again", "locked"),
    ),
    _setting(
        "shape.response_ms",
        "response",
        section="Movement",
        unit="ms",
        step=1.25,
        logarithmic=True,
        digits=1,
        keys=(Key(("+", "="), "+", "answer faster", -1), Key(("-",), "−", "answer slower", +1)),
    ),
    _setting(
        "shape.bounce",
        "bounce",
        section="Movement",
        keys=(Key(("[",), "[", "less bounce", -1), Key(("]",), "]", "more bounce", +1)),
    ),
    _setting("shape.hold_ms", "hold", section="Movement", unit="ms", step=50, high=2000, digits=0),
    _setting("shape.reach", "reach", section="Movement"),
    _setting("shape.kick", "kick", section="Movement"),
    _setting("shape.swell", "swell", section="Movement"),
    _setting("shape.carry", "carry", section="Movement"),
    _setting(
        "matter.response_ms",
        "matter_response",
        section="Movement",
        unit="ms",
        step=1.25,
        logarithmic=True,
        digits=1,
    ),
    _setting("matter.reach", "matter_reach", section="Movement"),
    _setting("matter.kick", "matter_kick", section="Movement"),
    _setting("matter.carry", "matter_carry", section="Movement"),
    _setting(
        "hearing.sensitivity",
        "sensitivity",
        section="Movement",
        step=1.25,
        logarithmic=True,
        digits=2,
        keys=(Key((",",), ",", "less sensitive to the sound", -1), Key((".",), ".", "more sensitive", +1)),
    ),
    Choice(
        name="mapping",
        section="Movement",
        help="similar pictures for similar sounds, or random ones",
        setting="mapping.kind",
        options=("similar", "random"),
        spoken=("similar pictures for similar sounds", "random pictures"),
        keys=(Key(("m",), "M", step=1),),
    ),
    Value(
        name="brightness",
        section="Picture",
        help="how bright all is, whatever the preset",
        low=0,
        high=1,
        default=1,
    ),
    Switch(
        name="blackout",
        section="Picture",
        help="fade to black, and back",
        keys=(Key(("b",), "B", step=1),),
    ),
    Text(name="title", section="Picture", help="words over the picture, for a while; none to hide them"),
    Switch(
        name="logo",
        section="Picture",
        help="the logo, and without it",
        default=True,
        keys=(Key(("g",), "G", step=1),),
        spoken=("no logo", "the logo"),
    ),
    _setting("display.zoom", "zoom", section="Picture"),
    _setting("display.breathe", "breathe", section="Picture"),
    _setting("display.spin", "spin", section="Picture", unit="turns/min", step=0.25),
    _setting("display.kaleidoscope", "kaleidoscope", section="Picture", unit="sectors", step=1, digits=0),
    _setting("display.hue", "hue", section="Picture", unit="turns/min", step=0.25),
    _setting("display.saturation", "saturation", section="Picture"),
    _setting("display.brightness", "exposure", section="Picture"),
    _setting("display.trails", "trails", section="Picture"),
    _setting("display.grain", "grain", section="Picture"),
    _setting("display.vignette", "vignette", section="Picture"),
    Switch(
        name="demo",
        section="Sound",
        help="hear the demo tune, or again what it heard before",
        keys=(Key(("d",), "D", step=1),),
        spoken=("back to what it heard before", "the demo tune"),
    ),
    Choice(
        name="input",
        section="Sound",
        help="the device that is listened to",
        keys=(Key(("a",), "A", "the next input device", step=1),),
    ),
    Choice(
        name="channels",
        section="Sound",
        help="which of the input's channels are heard",
        keys=(Key(("j",), "J", step=1),),
    ),
    Trigger(
        name="tap",
        section="Sound",
        help="tap the beat, in time; it leads for half a minute",
        keys=(Key(("t",), "T"),),
    ),
    Trigger(name="still", section="Window", help="save what is seen as a PNG file", keys=(Key(("s",), "S"),)),
    Switch(
        name="record",
        section="Window",
        help="record what is shown and heard, or end the recording",
        keys=(Key(("o",), "O", step=1),),
    ),
    Switch(
        name="stream",
        section="Window",
        help="stream to where --stream says, or end that",
        keys=(Key(("w",), "W", step=1),),
    ),
    Switch(
        name="fullscreen",
        section="Window",
        help="fullscreen, and back",
        keys=(Key(("f", "f11"), "F", step=1),),
    ),
    Choice(
        name="rotation",
        section="Window",
        help="turn the picture clockwise, by so many degrees, for a projector or a screen on its side",
        options=("0", "90", "180", "270"),
        spoken=("upright", "turned by 90°", "turned by 180°", "turned by 270°"),
        keys=(Key(("y",), "Y", "turn the picture by a quarter, for a projector", step=1),),
    ),
    Switch(
        name="corners",
        section="Window",
        help="pin the picture's corners, for a projector that stands aslant",
        keys=(Key(("e",), "E", step=1),),
        remote=False,
    ),
    Switch(
        name="info",
        section="Window",
        help="frame rate, latency, sound level and more",
        keys=(Key(("i",), "I", step=1),),
    ),
    Switch(name="help", section="Window", help="this list", keys=(Key(("h", "f1", "?"), "H  F1", step=1),)),
    Switch(
        name="learn",
        section="Window",
        help="learn: hold it, press the key of what you mean, and touch a knob of a MIDI controller",
        keys=(Key(("k",), "K", "hold it, press a key and touch a knob: MIDI learns", step=1),),
    ),
    Switch(
        name="code",
        section="Window",
        help="the page for phones: its address as a QR code",
        keys=(Key(("q",), "Q", step=1),),
    ),
    Trigger(
        name="quit",
        section="Window",
        help="quit; in fullscreen press it twice or hold it",
        keys=(Key(("escape",), "Esc"),),
        remote=False,
    ),
)

BY_NAME = {control.name: control for control in CONTROLS}
# The preset's keys that controls turn, with the control's name.
SETTINGS = {
    control.setting: control.name
    for control in CONTROLS
    if isinstance(control, Value | Choice) and control.setting
}


def rows() -> list[tuple[str, str]]:
    """(keys as a manual writes them, what they do) of every key."""
    return [(key.label, key.help or control.help) for control in CONTROLS for key in control.keys]


def as_markdown() -> str:
    """The table of keys for README.md beside this file."""
    lines = [f"| {', '.join(label.split())} | {words} |" for label, words in rows()]
    return "\n".join(["| key | what it does |", "| --- | --- |", *lines])


def addresses_as_markdown() -> str:
    """The table of all controls for it."""
    lines = [
        f"| `{control.name}` | {control.range()} | {control.help[0].lower()}{control.help[1:]} |"
        for control in CONTROLS
        if control.remote
    ]
    return "\n".join(["| control | what it takes | what it does |", "| --- | --- | --- |", *lines])
