"""The classes by name, as people write them: "Red foxes", "sea-lion", "shark", "birds"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from visualizer.common.errors import UserError
from visualizer.latent.groups import GROUPS

_IRREGULAR = {
    "wolves": "wolf",
    "mice": "mouse",
    "geese": "goose",
    "knives": "knife",
    "nebulae": "nebula",
    "gray": "grey",
}
_NAMES = Path(__file__).with_name("names.txt")


@cache
def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zes", "uses", "toes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def words(name: str) -> tuple[str, ...]:
    """A name's words without case, plural, hyphens and apostrophes."""
    plain = name.lower().replace("'s ", " ").replace("'", "")
    return tuple(_singular(word) for word in re.findall(r"[^\W_]+", plain))


def key(name: str) -> str:
    """What is alike of names that mean the same: "Sea-Lions" and "sea lion" have one key."""
    return "".join(words(name))


@cache
def _classes() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Of each class its names, each as words; the first is its label."""
    lines = [line for line in _NAMES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return tuple(tuple(words(name) for name in line.split(", ")) for line in lines)


def _within(part: tuple[str, ...], name: tuple[str, ...]) -> bool:
    return any(name[i : i + len(part)] == part for i in range(len(name) - len(part) + 1))


def group(name: str) -> frozenset[int] | None:
    """The classes of a group, however its name is written; None if there is no such group."""
    return next((classes for known, classes in GROUPS.items() if key(known) == key(name)), None)


def find(name: str) -> list[int]:
    """The ImageNet classes that a name means, of which there may be several, e.g. of "shark".

    In this order, the first that fits: a class's label, one of its synonyms, a group, the end of labels,
    a part of labels, a part of synonyms. Raises UserError that suggests the nearest names.
    """
    part, whole = words(name), key(name)
    named: list[Callable[[tuple[tuple[str, ...], ...]], bool]] = [
        lambda names: "".join(names[0]) == whole,
        lambda names: any("".join(other) == whole for other in names),
    ]
    partly: list[Callable[[tuple[tuple[str, ...], ...]], bool]] = [
        lambda names: names[0][-len(part) :] == part,
        lambda names: _within(part, names[0]),
        lambda names: any(_within(part, other) for other in names),
    ]

    def first_of(fits: list[Callable[[tuple[tuple[str, ...], ...]], bool]]) -> list[int]:
        for fit in fits:
            found = [number for number, names in enumerate(_classes()) if fit(names)]
            if found:
                return found
        return []

    found = [] if not part else first_of(named) or sorted(group(name) or ()) or first_of(partly)
    if found:
        return found
    known = sorted({" ".join(other) for names in _classes() for other in names} | set(GROUPS))
    near = difflib.get_close_matches(" ".join(part), known, 3, 0.5)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else "the names are ImageNet's, e.g. goldfish or daisy."
    )
    raise UserError(f"no class {name!r}; {hint}")
