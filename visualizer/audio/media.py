"""Opening media files for reading: whatever they are called, and pipes and addresses, too."""

from __future__ import annotations

import os
import re
import select
import stat
import sys
from io import RawIOBase
from pathlib import Path
from typing import Any

import av

from visualizer.common.errors import UserError
from visualizer.common.files import reason, shown

# PyAV refuses a whole file for a tag that is not UTF-8, as old WAV and AVI files have them; since
# version 19 it puts up with them, and has dropped the argument.
STRICT = int(av.__version__.split(".")[0]) < 19
STANDARD_INPUT = "-"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# What a file may lead to: a playlist on this disk must not make the program call anybody.
LOCAL = {"protocol_whitelist": "file,pipe,data,crypto"}
# How often a pipe that brings nothing is asked whether it is to be closed.
PATIENCE_S = 0.2


def is_address(path: Path | str) -> bool:
    """Whether it is no file's name but where to fetch one, like https://example.org/song.mp3."""
    return bool(_ADDRESS.match(str(path))) and not os.path.exists(path)


def is_pipe(path: Path | str) -> bool:
    """Whether it can be read only once, from front to back. "-" is the standard input."""
    standard = str(path) == STANDARD_INPUT
    try:
        mode = os.fstat(0).st_mode if standard else os.stat(path).st_mode
    except (OSError, ValueError):
        return standard
    # A file may be the standard input, but only POSIX has a name by which to open it again.
    return not ((stat.S_ISREG(mode) and (os.name == "posix" or not standard)) or stat.S_ISDIR(mode))


def title(path: Path | str) -> str:
    """What to call it before people."""
    return "the standard input" if str(path) == STANDARD_INPUT else shown(path)


def heading(container: av.container.InputContainer, name: str) -> str:
    """A song's title and artist by its tags, a line each; without a title, its name less the suffix."""
    tags: dict[str, str] = {}
    for source in (container, container.streams.audio[0]):  # Ogg has them with the stream
        tags |= {key.lower(): text.strip() for key, text in source.metadata.items() if text.strip()}
    return "\n".join(filter(None, (tags.get("title") or Path(name).stem, tags.get("artist", ""))))


class Pipe:
    """A pipe as PyAV reads files. Whoever waits for more of it is let go by `close`."""

    def __init__(self, path: Path | str):
        """Waits until somebody writes into it. Raises UserError where nobody can, and OSError."""
        standard = str(path) == STANDARD_INPUT
        if standard and (sys.stdin is None or sys.stdin.isatty()):
            raise UserError("nothing is piped in; put a program that writes a sound in front, with a |.")
        self._file = os.dup(0) if standard else os.open(path, os.O_RDONLY)
        self.closed = False

    def read(self, n: int) -> bytes:
        """Up to n bytes, b"" at the end."""
        # Only on POSIX can a pipe be asked whether it has something.
        while os.name == "posix" and not select.select([self._file], [], [], PATIENCE_S)[0]:
            if self.closed:
                return b""
        return os.read(self._file, n)

    def close(self) -> None:
        """Nothing more is wanted."""
        self.closed = True

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)


def open_media(path: Path | str | Pipe | RawIOBase) -> av.container.InputContainer:
    """A container to read from. Raises what `av.open` raises."""
    extra: dict[str, Any] = {"metadata_errors": "replace"} if STRICT else {}
    if not isinstance(path, (Path, str)):
        return av.open(path, "r", **extra)
    if is_address(path):
        return av.open(str(path), "r", **extra)
    path = "/dev/stdin" if str(path) == STANDARD_INPUT else path
    # What comes before a colon in a relative name would be taken for a protocol.
    return av.open(os.path.abspath(path), "r", options=LOCAL, **extra)


def open_or_explain(
    path: Path | str | Pipe, name: str, what: str, advice: str
) -> av.container.InputContainer:
    """`open_media`; raises UserError, which says that it is not `what`, and gives the advice."""
    try:
        return open_media(path)
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; check the path.") from None
    except PermissionError:
        raise UserError(f"{name} can't be read; check its permissions.") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(path, str) and is_address(path) and not isinstance(error, av.InvalidDataError):
            raise UserError(f"{name} can't be fetched ({reason(error)}); check the address.") from None
        raise UserError(f"{name} is not {what} that FFmpeg can read; {advice} ({reason(error)}).") from None
