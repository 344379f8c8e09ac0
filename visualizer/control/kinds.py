"""The kinds of controls: what can be turned, switched, chosen and triggered, and what an order comes to.

A control knows its name and range, never what it controls: `settle` makes of any order, from any way, a value
within the range, or says in a sentence why it can't.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# set: to a value of the control's own kind. share: to a place 0..1 in its range. step: so many steps on.
Verb = Literal["set", "share", "step"]
OFF, ON = ("off", "false", "no", "0"), ("on", "true", "yes", "1")


class Unfit(ValueError):
    """What was asked of a control makes no sense to it; a sentence for people says why."""


@dataclass(frozen=True)
class Key:
    """A way to a control by the keyboard.

    names: what is written on the keys, or pygame's name of the key, in lower case. label: how a manual writes
    them. help: what they do, in a few words; "" is what the control's own says. step: how far they turn it;
    0 sets a choice to the number on the key, and triggers what can be triggered.
    """

    names: tuple[str, ...]
    label: str
    help: str = ""
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something that can be turned or triggered.

    name: in a map or an address. help: what it does, in a few words. section: where people look for it.
    keys: those that do it. remote: whether it may be done from another program or machine; quitting may not.
    """

    name: str
    help: str
    section: str
    keys: tuple[Key, ...] = ()
    remote: bool = True

    @property
    def initial(self) -> Any:
        """The value that it begins with."""
        raise NotImplementedError

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> Any:
        """The value that an order leads to from the present one. options: of a choice that learns them late.

        Raises Unfit.
        """
        raise NotImplementedError

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        """Where a value lies in the range, 0..1."""
        raise NotImplementedError

    def says(self, value: Any) -> str:
        """How a value is told in the window."""
        return f"{self.name} {value}"

    def range(self) -> str:
        """What it can be, in words."""
        raise NotImplementedError


def number(amount: Any) -> float:
    """A finite number. Raises Unfit."""
    try:
        value = float(amount)
    except (TypeError, ValueError, OverflowError):
        raise Unfit(f"{amount!r} is not a number") from None
    if not math.isfinite(value):
        raise Unfit(f"{amount!r} is not a number")
    return value


@dataclass(frozen=True, kw_only=True)
class Value(Control):
    """A number within a range.

    low, high, default: in its unit. step: how far one step goes; a factor where `logarithmic`, as for times,
    of which every doubling is alike. digits: decimals that are kept. setting: the preset's key that it turns,
    until another preset is played; "" for what outlives presets.
    """

    low: float
    high: float
    default: float
    unit: str = ""
    step: float = 0.05
    logarithmic: bool = False
    digits: int = 3
    setting: str = ""

    @property
    def initial(self) -> float:
        return self.default

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> float:
        amount = number(amount)
        if verb == "share":
            place = min(1.0, max(0.0, amount))
            if self.logarithmic:
                amount = self.low * (self.high / self.low) ** place
            else:
                amount = self.low + place * (self.high - self.low)
        elif verb == "step":
            steps = min(1000.0, max(-1000.0, amount))  # a power of more is no number
            amount = present * self.step**steps if self.logarithmic else present + self.step * steps
        return self.within(amount)

    def within(self, amount: float) -> float:
        """The nearest value that it may have."""
        return round(min(self.high, max(self.low, amount)), self.digits or None)

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        value = min(self.high, max(self.low, value))
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def says(self, value: float) -> str:
        return f"{self.name} {self.written(value)}"

    def written(self, value: float) -> str:
        """The value with its unit."""
        decimals = 0 if abs(value) >= 100 or self.digits == 0 else 1 if abs(value) >= 10 else 2
        text = f"{value:.{decimals}f}"
        return f"{text} {self.unit}".strip()

    def range(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".strip()


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """One of several names.

    options: the names; none if they are only known when the show runs. default: the first, unless it says
    otherwise. setting: as of `Value`. spoken: what the window says for each, else the name.
    """

    options: tuple[str, ...] = ()
    default: str = ""
    setting: str = ""
    spoken: tuple[str, ...] = ()

    @property
    def initial(self) -> str:
        return self.default or (self.options[0] if self.options else "")

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> str:
        names = self.options or options
        if not names:
            raise Unfit(f"{self.name} can't be chosen yet")
        if verb == "set" and isinstance(amount, str) and amount in names:
            return amount
        if verb == "share":
            return names[min(len(names) - 1, int(min(1.0, max(0.0, number(amount))) * len(names)))]
        if verb == "step":
            here = names.index(present) if present in names else -1
            return names[(here + int(number(amount))) % len(names)]
        if isinstance(amount, str):
            raise Unfit(f"{self.name} has no {amount!r}; there are {', '.join(names)}")
        place = number(amount)
        if not 1 <= place <= len(names):
            raise Unfit(f"{self.name} has no number {amount}; there are 1 to {len(names)}")
        return names[int(place) - 1]

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        names = self.options or options
        return (names.index(value) + 0.5) / len(names) if value in names else 0.0

    def says(self, value: str) -> str:
        return dict(zip(self.options, self.spoken)).get(value, value)

    def range(self) -> str:
        return ", ".join(self.options) or "a name, or its number from 1"


@dataclass(frozen=True, kw_only=True)
class Switch(Control):
    """Something that is on or off. spoken: what the window says when it goes off, and on."""

    default: bool = False
    spoken: tuple[str, str] = ("", "")

    @property
    def initial(self) -> bool:
        return self.default

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> bool:
        if verb == "step":
            return bool(present) ^ bool(int(number(amount)) % 2)
        if isinstance(amount, str):
            if amount.lower() in (*OFF, *ON):
                return amount.lower() in ON
            raise Unfit(f"{self.name} is on or off, not {amount!r}")
        return number(amount) >= 0.5

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        return float(bool(value))

    def says(self, value: bool) -> str:
        return self.spoken[value]

    def range(self) -> str:
        return "on or off"


@dataclass(frozen=True, kw_only=True)
class Text(Control):
    """Words that somebody writes. longest: letters at the most; more are cut off."""

    longest: int = 200

    @property
    def initial(self) -> str:
        return ""

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> str:
        if verb != "set":  # no knob writes
            return present
        if amount is not None and not isinstance(amount, str):
            raise Unfit(f"{self.name} takes words, not {amount!r}")
        return (amount or "")[: self.longest]

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        return 0.0

    def says(self, value: str) -> str:
        return ""

    def range(self) -> str:
        return "words"


@dataclass(frozen=True, kw_only=True)
class Trigger(Control):
    """Something that happens once. Its value is how often it did."""

    spoken: str = field(default="")

    @property
    def initial(self) -> int:
        return 0

    def settle(self, verb: Verb, amount: Any, present: Any, options: Sequence[str] = ()) -> int:
        # A button sends something when it goes down, and nothing, as a 0, when it comes up.
        down = amount is None or (not isinstance(amount, str) and number(amount) > 0)
        return present + 1 if down else present

    def share(self, value: Any, options: Sequence[str] = ()) -> float:
        return 0.0

    def says(self, value: int) -> str:
        return self.spoken

    def range(self) -> str:
        return "happens"
