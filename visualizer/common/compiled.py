"""Loops compiled for this processor when they are first imported, and kept on disk for the next time.

Numba needs no compiler on the machine. It compiles with the types given, once, so that nothing is left to
compile in the middle of a show.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

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
            loop = _njit(list(signatures), nogil=nogil, cache=True)(function)
        except (RuntimeError, OSError):
            # It can't be kept, neither beside the source nor in the user's cache.
            return _njit(list(signatures), nogil=nogil)(function)
        if loop.stats.cache_misses:
            _tell()
        return loop

    return decorate


def inlined(function: F) -> F:
    """Decorates a function that only compiled ones call."""
    return _njit(inline="always")(function)


@cache
def _tell() -> None:
    """Why it takes so long, after the first of the loops."""
    print("Compiling for this processor: only this start takes some seconds longer.", file=sys.stderr)


@cache
def _digest(folder: Path) -> str:
    sources = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:12]
