"""Fonts: which of this machine's has the letters of a text."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

log = logging.getLogger("visualizer")
# What fontconfig is asked for, and how long it may take.
WANTED, PATIENCE_S = "sans-serif:bold", 5.0
# Where there is no fontconfig: folders, and what is liked best in them.
PLACES = {
    "win32": (Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",),
    "darwin": (Path("/System/Library/Fonts"), Path("/Library/Fonts")),
}
# Not `Path.home`, which fails for a user who has none.
OWN = Path(os.path.expanduser("~")) / ".local/share/fonts"
ELSEWHERE = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), OWN)
LIKED = ("segoeuib", "helvetica", "dejavusans-bold", "notosans-bold", "liberationsans-bold", "arial")
SUFFIXES = (".ttf", ".otf", ".ttc")
# More are not looked through for one letter.
MOST = 400


class Face(NamedTuple):
    """A font: a file, and which of its faces."""

    path: str
    number: int = 0


@cache
def faces() -> tuple[Face, ...]:
    """All that may be written with, those that are liked best first; pygame's own is always among them."""
    found = _asked() or _searched()
    return tuple(dict.fromkeys((*found[:MOST], _own())))


def _asked() -> list[Face]:
    """What fontconfig has, in its order; none without it."""
    command = ["fc-match", "-s", WANTED, "-f", "%{file}\t%{index}\t%{scalable}\t%{color}\n"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    rows = [line.split("\t") for line in told.splitlines()]
    # Above 16 bits it says which of a variable font's instances.
    return [
        Face(row[0], int(row[1]) & 0xFFFF)
        for row in rows
        if len(row) == 4 and row[1].isdigit() and row[2:] == ["True", "False"]
    ]


def _searched() -> list[Face]:
    """What lies in the usual places."""
    files = [
        file
        for place in PLACES.get(sys.platform, ELSEWHERE)
        for file in sorted(place.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]

    def rank(file: Path) -> tuple[int, bool, bool]:
        name = file.stem.lower()
        liked = next((place for place, start in enumerate(LIKED) if name.startswith(start)), len(LIKED))
        return liked, "bold" not in name, "italic" in name or "oblique" in name

    return [Face(str(file)) for file in sorted(files, key=rank)]


def _freetype() -> ModuleType:
    import pygame.freetype

    if not pygame.freetype.get_init():
        pygame.freetype.init()
    return pygame.freetype


def _own() -> Face:
    """The one that comes with pygame: Latin, Greek and Cyrillic."""
    freetype = _freetype()
    import pygame

    return Face(str(Path(pygame.__file__).parent / freetype.get_default_font()))


_looking = threading.Lock()


@lru_cache(maxsize=32)
def _opened(face: Face) -> Any:
    try:
        return _freetype().Font(face.path, 20, font_index=face.number)
    except (OSError, RuntimeError, ValueError) as error:
        log.info("font %s: %s", face.path, error)
        return None


@lru_cache(maxsize=4096)
def face_of(letter: str) -> Face | None:
    """The first that has a letter; None if none has."""
    with _looking:
        for face in faces():
            font = _opened(face)
            if font is not None and font.get_metrics(letter)[0] is not None:
                return face
    return None


def lacking(text: str) -> str:
    """The letters of a text that no font has, each once."""
    letters = dict.fromkeys(text)
    return "".join(c for c in letters if not c.isspace() and c.isprintable() and face_of(c) is None)


def split(text: str, directions: Sequence[str]) -> Iterator[tuple[str, str, Face]]:
    """Runs of letters with one direction and one font: (letters, direction, font).

    directions: "ltr" or "rtl" for each letter. What joins to what is before it, or is in its font, too, as
    spaces are, stays with it.
    """
    run, way, face = "", "ltr", None
    for letter, direction in zip(text, directions, strict=True):
        # Marks and joiners have no sense away from what they mark.
        bound = not letter.isprintable() or letter.isspace() or _is_mark(letter)
        own = face if bound and face is not None else face_of(letter) or face or faces()[0]
        if not bound and face is not None and own != face and direction == way and _has(face, letter):
            own = face
        if run and (own, direction) != (face, way):
            assert face is not None
            yield run, way, face
            run = ""
        run, way, face = run + letter, direction, own
    if run:
        assert face is not None
        yield run, way, face


@lru_cache(maxsize=4096)
def _has(face: Face, letter: str) -> bool:
    with _looking:
        font = _opened(face)
        return font is not None and font.get_metrics(letter)[0] is not None


def _is_mark(letter: str) -> bool:
    import unicodedata

    return unicodedata.category(letter) in ("Mn", "Me", "Mc", "Cf")
