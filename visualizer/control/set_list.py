"""Set lists: presets that change by themselves, for an evening or for months.

    [set]
    presets = ["garden", "reef", "mine.toml"]   # "favourites" for those marked with V; left out: all
    every = "16 bars"                           # or "45 seconds", or "2 sections"
    order = "random"                            # or "in order"

At random every preset comes once before any comes again, favourites twice, and none twice in a row. Bars
begin with the beat that is heard; where none is, each counts as two seconds. A section is as long as it is,
but no longer than two minutes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, field_validator

from visualizer.common import settings
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control import toml_file
from visualizer.control.desk import Desk

Unit = Literal["seconds", "bars", "sections"]
LENGTH = re.compile(r"(\d+(?:\.\d+)?) *(s|seconds?|bars?|sections?)?")
BEATS_IN_A_BAR = 4
SILENT_BAR_S, LONGEST_SECTION_S = 2.0, 120.0
SET_LIST = "set list"
FAVOURITES = "favourites.toml"


@dataclass(frozen=True)
class Set:
    """What to play. paths: none is all there are; favourites: only those. on: whether it begins by itself."""

    paths: tuple[Path, ...] = ()
    favourites: bool = False
    length: float = 45.0
    unit: Unit = "seconds"
    shuffle: bool = False
    on: bool = False


ALL = Set()


class _SetTable(BaseModel):
    model_config = toml_file.STRICT

    presets: list[str] | Literal["favourites", "all"] = "all"
    every: str = "45 seconds"
    order: Literal["in order", "random"] = "in order"

    @field_validator("presets", mode="before")
    @classmethod
    def _named(cls, found: object) -> object:
        if found in ("favourites", "all") or (
            isinstance(found, list) and found and all(isinstance(name, str) for name in found)
        ):
            return found
        raise ValueError(
            f"set.presets = {found!r} won't do; it must be a list of names, 'favourites' or 'all'"
        )


class _File(BaseModel):
    model_config = toml_file.STRICT

    set: _SetTable


def parse_length(text: str, where: str) -> tuple[float, Unit]:
    """(how many, of what) of e.g. "45 s", "16 bars", "section". where: for the message. Raises UserError."""
    text = text.strip().lower()
    found = LENGTH.fullmatch(text if text[:1].isdigit() else f"1 {text}")
    if found is None or not 0 < float(found[1]) <= 86400:
        raise UserError(f"{where}: {text!r} is no length; write it like 45 seconds, 16 bars or 2 sections.")
    word = found[2] or "s"
    unit: Unit = "bars" if word[0] == "b" else "sections" if word.startswith("sect") else "seconds"
    return float(found[1]), unit


def load(path: Path) -> Set:
    """Read a set list. Raises UserError that names the file and what is wrong."""
    table = toml_file.load(_File, path).set
    length, unit = parse_length(table.every, f"{path}: every")
    names = table.presets if isinstance(table.presets, list) else []
    beside = [path.parent / name for name in names]
    paths = tuple(
        there if there.is_file() else presets.find(name) for there, name in zip(beside, names, strict=True)
    )
    return Set(paths, table.presets == "favourites", length, unit, table.order == "random", True)


class Deck:
    """What comes next: all in order, or all once, in no order, before any comes again."""

    def __init__(self, rng: random.Random | None = None):
        self._rng = rng or random.Random()
        self._left: list[str] = []
        self._dealt: tuple[str, ...] = ()

    def next(self, names: Sequence[str], last: str, shuffle: bool, favourites: Iterable[str] = ()) -> str:
        """Another than the last of the names, if there is one. Favourites are dealt twice."""
        if len(names) < 2:
            return names[0] if names else last
        if not shuffle:
            here = names.index(last) if last in names else -1
            return names[(here + 1) % len(names)]
        # With two, dealing one of them twice would show it twice in a row.
        twice = [name for name in names if name in favourites] if len(names) > 2 else []
        cards = (*names, *twice)
        if self._dealt != cards:
            self._dealt, self._left = cards, []
        if not any(name != last for name in self._left):
            self._left = list(cards)
            self._rng.shuffle(self._left)
        place = next(i for i, name in enumerate(self._left) if name != last)
        return self._left.pop(place)


class SetList:
    """Orders the next preset when it is time; for the render thread."""

    def __init__(
        self, desk: Desk, wanted: Set, keep: Callable[[list[str]], None], rng: random.Random | None = None
    ):
        """The set's length, unit and order become the controls'. keep: has favourites written down."""
        self._desk, self._wanted = desk, wanted
        self._way, self._heard = desk.way(SET_LIST), desk.witness()
        self._deck, self._keep = Deck(rng), keep
        self.favourites = _read_favourites()
        self._on = ""
        self._since = 0.0
        self._bars = self._sections = 0
        self._beats = self._section = -1
        for name, value in (
            ("cycle", wanted.on),
            ("shuffle", wanted.shuffle),
            ("cycle_length", wanted.length),
            ("cycle_unit", wanted.unit),
        ):
            desk.settled(name, value)

    def step(self, now: float) -> None:
        """To be called for every frame; now: seconds."""
        values = self._desk.values
        downbeat = self._follow()
        if values["preset"] != self._on or not values["cycle"] or values["lock"]:
            self._on, self._since = values["preset"], now
            self._bars = self._sections = 0
            self._desk.settled("favourite", self._on in self.favourites)
            return
        lasted, length = now - self._since, values["cycle_length"]
        match values["cycle_unit"]:
            case "seconds":
                due = lasted >= length
            case "bars":
                due = (downbeat and self._bars >= length) or lasted >= 2 * SILENT_BAR_S * length
                due = due or (self._bars == 0 and lasted >= SILENT_BAR_S * length)
            case _:
                due = self._sections >= length or lasted >= LONGEST_SECTION_S * length
        if due:
            self._since, self._bars, self._sections = now, 0, 0
            self._way.order("preset", self._next())

    def mark(self, favourite: bool) -> None:
        """Make the preset that is on a favourite, or no longer."""
        (self.favourites.add if favourite else self.favourites.discard)(self._desk.values["preset"])
        self._keep(sorted(self.favourites))

    def _next(self) -> str:
        names, values = self._desk.options["preset"], self._desk.values
        if self._wanted.favourites:
            names = [name for name in names if name in self.favourites] or names
        return self._deck.next(names, values["preset"], values["shuffle"], self.favourites)

    def _follow(self) -> bool:
        """Count bars and sections; whether a bar has just begun."""
        downbeat = False
        for _ in range(self._heard.size):
            event = self._heard.pop()
            if event is None:
                break
            beat, section = event.beat, event.section
            if self._section not in (-1, section.number):
                self._sections += 1
            if self._beats not in (-1, beat.number):
                first = beat.position == 0 if beat.meter else beat.number % BEATS_IN_A_BAR == 0
                self._bars += first
                downbeat = downbeat or first
            self._beats, self._section = beat.number, section.number
        return downbeat


def _read_favourites() -> set[str]:
    kept = settings.known(FAVOURITES).get("favourites")
    return {name for name in kept if isinstance(name, str)} if isinstance(kept, list) else set()


def keep(favourites: list[str]) -> None:
    """Write the favourites down for the next show. Raises UserError."""
    settings.keep(FAVOURITES, {"favourites": favourites})
