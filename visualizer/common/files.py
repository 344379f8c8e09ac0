"""Files that can't be written: found out before a long job, and told in one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from visualizer.common.errors import UserError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def reason(error: BaseException) -> str:
    """Why the system, or a library, could not do it, in its own words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class DiskFull(UserError):
    """There is no room for anything more."""


def unwritable(path: Path | str, error: BaseException) -> UserError:
    """What to tell a person after an error of writing there."""
    if getattr(error, "errno", None) in FULL:
        return DiskFull(f"{path}: the disk is full; free some space or write to another disk.")
    return UserError(f"{path} can't be written ({reason(error)}); choose another path.")


def check_writable(path: Path | str) -> None:
    """Raise UserError if nothing can be written there: better known before a long job than after."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        part.touch()
        part.unlink(missing_ok=True)  # several processes may try at once
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
    except OSError as error:
        raise unwritable(path, error) from None


def shown(path: Path | str) -> str:
    """A name for people and for what is written down: what is not UTF-8 in it becomes �."""
    return os.fsencode(path).decode("utf-8", "replace")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that has its name only when it is complete, and until then any older one has it.

    Raises UserError if it can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


def write_whole(path: Path, data: bytes, folders: bool = False) -> None:
    """Write a file, see `whole`. folders: those that it is to be in are made, too."""
    with whole(path) as part:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
