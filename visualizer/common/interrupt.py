"""Ctrl-C, and what else ends a program, as a flag: what is in hand is finished first."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Signals that are heeded where it does no harm, while it is a context; a second one acts at once.

    In the midst of a library's call an interrupt may come out as some other error: ctypes makes one of it.

    raised: whether one came.
    """

    def __init__(self, *names: str):
        """names: of signals, e.g. "SIGHUP"; those that this system lacks are left out."""
        self.raised = False
        self._numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        """Take the signals over: on the main thread only, and none that is ignored, as nohup has it."""
        for number in self._numbers:
            handler = signal.getsignal(number)
            if handler != signal.SIG_IGN:
                with suppress(ValueError):  # not the main thread
                    signal.signal(number, self._raise)
                    self._before[number] = handler
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def heed(self) -> None:
        """Have what came do now what it would have done at once, if one came."""
        if self._came is not None:
            number, self._came = self._came, None
            signal.raise_signal(number)

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        self.raised, self._came = True, number
        signal.signal(number, self._before[number])
