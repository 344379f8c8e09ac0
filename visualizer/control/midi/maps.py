"""MIDI maps, as TOML: which knob, pad or program turns which control.

    [[bind]]
    cc = 20                 # or note = 36, or program = 0
    channel = 1             # 1 to 16; left out: any
    control = "zoom"

A knob's way is the control's range. More: `count = 8` binds so many numbers in a row to a choice's first,
second and further names; `button = true` is for pads that send control changes: a press toggles, triggers or
chooses; `step = 1` makes of it a step up, -1 down; `relative = true` is for endless knobs (two's complement).
A map with `device = "part of a name"` is for that controller alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field, model_validator

from visualizer.common.files import write_whole
from visualizer.control import toml_file
from visualizer.control.table import BY_NAME

SHIPPED = Path(__file__).parent / "maps"
Kind = Literal["cc", "note", "program"]
Number = Annotated[int, Field(ge=0, le=127)]


class Touch(NamedTuple):
    """What was touched on a controller. channel: 0..15."""

    kind: Kind
    channel: int
    number: int


class Bind(BaseModel):
    """One entry of a map."""

    model_config = toml_file.STRICT

    control: str
    cc: Number | None = None
    note: Number | None = None
    program: Number | None = None
    channel: Annotated[int, Field(ge=1, le=16)] | None = None
    count: Annotated[int, Field(ge=1, le=128)] = 1
    step: int = 0
    button: bool = False
    relative: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Bind:
        if sum(number is not None for number in (self.cc, self.note, self.program)) != 1:
            raise ValueError(f"the entry for {self.control} needs one of cc, note and program")
        if self.control not in BY_NAME or not BY_NAME[self.control].remote:
            raise ValueError(f"there is no control {self.control!r}; mend that entry")
        return self

    @property
    def first(self) -> tuple[Kind, int]:
        """The kind of message, and the first of its numbers."""
        if self.cc is not None:
            return "cc", self.cc
        return ("note", self.note) if self.note is not None else ("program", self.program or 0)

    def fits(self, touch: Touch) -> bool:
        """Whether that touch is meant."""
        kind, first = self.first
        right_channel = self.channel in (None, touch.channel + 1)
        return kind == touch.kind and right_channel and 0 <= touch.number - first < self.count


class Map(BaseModel):
    """All of a file."""

    model_config = toml_file.STRICT

    device: str = ""
    bind: list[Bind] = []

    def find(self, touch: Touch) -> Bind | None:
        """What a touch is bound to; the last entry that fits counts."""
        return next((bind for bind in reversed(self.bind) if bind.fits(touch)), None)


def load(path: Path) -> Map:
    """Read a map. Raises UserError that names the file and what is wrong."""
    return toml_file.load(Map, path)


def save(path: Path, learned: Map) -> None:
    """Write a map, whole or not at all. Raises UserError."""
    lines = ["# Learned by holding K and touching a knob."]
    for bind in learned.bind:
        lines.append("\n[[bind]]")
        for key, value in bind.model_dump(exclude_defaults=True).items():
            # JSON's strings, numbers and booleans are TOML's, too.
            lines.append(f"{key} = {json.dumps(value)}")
    write_whole(path, ("\n".join(lines) + "\n").encode(), folders=True)


class Atlas:
    """Every map there is. What was learned counts first, then the user's, then the device's, then any's."""

    def __init__(self, own: Path | None, memory: Path):
        """own: the user's file; memory: where what is learned is kept. Raises UserError."""
        self._memory = memory
        self._learned = load(memory) if memory.is_file() else Map()
        self._own = load(own) if own is not None else Map()
        shipped = [load(path) for path in sorted(SHIPPED.glob("*.toml"))]
        self._devices = [each for each in shipped if each.device]
        self._any = next(each for each in shipped if not each.device)

    def find(self, device: str, touch: Touch) -> Bind | None:
        """What a touch on a device of that name does."""
        for each in self.maps(device):
            if (bind := each.find(touch)) is not None:
                return bind
        return None

    def maps(self, device: str) -> list[Map]:
        """Those for a device, the first one first."""
        name = device.lower()
        own = [self._own] if self._own.device.lower() in name else []
        fitting = [each for each in self._devices if each.device in name.replace(" ", "")]
        return [self._learned, *own, *(fitting or [self._any])]

    def learn(self, touch: Touch, control: str) -> None:
        """Bind a touch to a control. Raises UserError if that can't be kept for the next show."""
        kept = [bind for bind in self._learned.bind if not bind.fits(touch)]
        bind = Bind.model_validate(
            {"control": control, touch.kind: touch.number, "channel": touch.channel + 1}
        )
        self._learned = Map(bind=[*kept, bind])
        save(self._memory, self._learned)
