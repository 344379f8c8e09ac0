"""Which songs an album has, and what their videos are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlparse

from visualizer.audio.media import is_address
from visualizer.common.errors import UserError
from visualizer.common.files import reason

LISTS = (".m3u", ".m3u8")
# What a folder is searched for. Not for videos, which may be what was made of its songs.
SOUNDS = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".ac3", ".mka"}
SOUNDS |= {".aif", ".aiff", ".aifc", ".ape", ".wma", ".wv", ".mpc"}
# A playlist by which a stream is sent is one sound, in pieces.
STREAM = "#EXT-X-"


def is_album(place: str) -> bool:
    """Whether it may be several songs: a folder or an M3U list."""
    if is_address(place) or place == "-":
        return False
    path = Path(place)
    return path.is_dir() or (path.suffix.lower() in LISTS and path.is_file() and STREAM not in _text(path))


def songs_of(places: Sequence[str]) -> list[str]:
    """The songs of files, addresses, folders and M3U lists, in order, each once.

    Raises UserError if a folder or a list has none, or can't be read.
    """
    found: dict[str, None] = {}
    for place in places:
        songs = _all_of(place) if is_album(place) else [place]
        if not songs:
            raise UserError(f"{place}: there are no songs in it; give a folder or a list that has some.")
        found.update(dict.fromkeys(songs))
    return list(found)


def _all_of(place: str) -> list[str]:
    path = Path(place)
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.suffix.lower() in SOUNDS and p.is_file())
        visible = [p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)]
        return [str(p) for p in sorted(visible, key=_as_people_count)]
    lines = (line.strip() for line in _text(path).splitlines())
    return [_entry(line, path.parent) for line in lines if line and not line.startswith("#")]


def _text(path: Path) -> str:
    """Of a list; old ones are not in UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read ({reason(error)}); check the path.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _entry(line: str, folder: Path) -> str:
    """A song that a list in a folder names."""
    if line.lower().startswith("file://"):
        return unquote(urlparse(line).path)
    if is_address(line):
        return line
    path = folder / line
    return str(path if path.exists() else folder / line.replace("\\", "/"))


def _as_people_count(path: Path) -> list[tuple[int, str]]:
    """To sort by: "2" comes before "10"."""
    words = re.split(r"(\d+)", str(path).casefold())
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def names(songs: Sequence[str]) -> list[str]:
    """What to call what is made of each, without a suffix: no two are alike, wherever the songs lie."""
    found = [_stem(song) for song in songs]
    more: tuple[Callable[[str, str], str], ...] = (
        lambda song, name: f"{Path(song).absolute().parent.name} - {name}",
        lambda song, name: f"{name} ({Path(song).suffix.removeprefix('.')})",
    )
    for better in more:
        times = Counter(map(_heard_alike, found))
        found = [better(s, n) if times[_heard_alike(n)] > 1 else n for s, n in zip(songs, found, strict=True)]
    taken: set[str] = set()
    for i, name in enumerate(found):
        number = 2
        while _heard_alike(found[i]) in taken:
            found[i] = f"{name} {number}"
            number += 1
        taken.add(_heard_alike(found[i]))
    return found


def _stem(song: str) -> str:
    if is_address(song):
        return Path(unquote(urlparse(song).path)).stem or "sound"
    return "sound" if song == "-" else Path(song).stem


def _heard_alike(name: str) -> str:
    """Some disks don't tell capital letters from small ones."""
    return name.casefold()
