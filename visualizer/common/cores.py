"""Sharing the processor's cores between the threads of one process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# In steps of `nice`: a third of another thread's share of a core, where both want it.
GIVING_WAY = 5
# More threads draw no picture sooner.
MOST_PAINTING = 8


def painting_threads() -> int:
    """How many threads a painter should have: one core is for what becomes of the pictures.

    A painter on all of them is the slower for it, as each of its threads waits for the last.
    """
    return max(1, min(MOST_PAINTING, (os.cpu_count() or 1) - 1))


def give_way() -> None:
    """Let this process's other threads go before the one that calls, as well as those it starts from now on.

    Only Linux knows priorities of threads; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        thread = os.PRIO_PROCESS, threading.get_native_id()
        os.setpriority(*thread, min(19, os.getpriority(*thread) + GIVING_WAY))


@contextmanager
def handing_over(seconds: float) -> Iterator[None]:
    """Meanwhile Python hands over between threads that want its lock this often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
