"""Loops compiled for this processor when they are first imported, and kept on disk for the next time.

Numba needs no compiler on the machine. It compiles with the types given, once, so that nothing is left to
compile in the middle of a show.
"""

from __future__ import annotations

import getpass
import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

witness: Callable[[str], None] = lambda sentence: None  # noqa: E731
"""Told, on whichever thread compiles, what takes so long and how far it is."""
_done = 0

KEPT = "Compiling for this processor: only this start takes half a minute longer."
NOT_KEPT = (
    "Compiling for this processor, which takes half a minute at every start, since there is no place to keep "
    "it: let NUMBA_CACHE_DIR name a folder that can be written."
)

# What is divided by 0 is infinite or no number, as in numpy.
_njit: Callable[..., Any] = partial(numba.njit, error_model="numpy")


def compiled(*signatures: str, nogil: bool = False) -> Callable[[F], F]:
    """Decorates a function of numbers and numpy arrays, with one or more of Numba's signatures.

    It may call `inlined` functions and use constants of modules in its own folder.

    nogil: let other threads run meanwhile; only for what takes much longer than to get Python's lock back.
    """

    def decorate(function: F) -> F:
        # Numba takes what it kept for current as long as the file of this function is as old: it doesn't
        # see a change of what is compiled into it from beside.
        function.__qualname__ += "_" + _digest(Path(inspect.getfile(function)).parent)
        try:
            loop = _keep(lambda: _njit(list(signatures), nogil=nogil, cache=True)(function))
        except (RuntimeError, OSError):
            loop = _njit(list(signatures), nogil=nogil)(function)
            _tell(NOT_KEPT)
        else:
            if loop.stats.cache_misses:
                _tell(KEPT)
        return loop

    return decorate


def inlined(function: F) -> F:
    """Decorates a function that only compiled ones call."""
    return _njit(inline="always")(function)


def _keep(compile: Callable[[], Any]) -> Any:
    """Beside the source or in the user's cache, as Numba does by itself, or else among temporary files."""
    try:
        return compile()
    except (RuntimeError, OSError):
        numba.config.CACHE_DIR = str(_temporary())  # type: ignore[attr-defined]
        return compile()


@cache
def _temporary() -> Path:
    """A folder that is nobody else's: what is kept there is run. Raises OSError if there is none."""
    folder = (
        Path(tempfile.gettempdir()) / f"visualizer-{getpass.getuser() if os.name == 'nt' else os.getuid()}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if os.name == "posix" and (state.st_uid != os.getuid() or state.st_mode & 0o077 or folder.is_symlink()):
        raise PermissionError(f"{folder} may be written by others")
    return folder


def _tell(sentence: str) -> None:
    """Why it takes so long, after each of the loops."""
    global _done
    _done += 1
    if _done == 1:
        print(sentence, file=sys.stderr)
    witness(f"{sentence} Step {_done} is done.")


@cache
def _digest(folder: Path) -> str:
    sources = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:12]
