"""Helpers: processes of their own that are fed through a pipe, and answer in lines of JSON.

Of their own, because what a library or a driver does there can neither hold Python's lock here nor take the
show down with it, and because they see the end of their input, and can finish, when the show is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np


class Helper:
    """A running module. said: all that it has answered, by name; the newest of each."""

    def __init__(
        self, module: str, wishes: dict[str, Any], hear: Callable[[dict[str, Any]], None] | None = None
    ):
        """Start it, with wishes as JSON in its first argument. hear: called with each answer, on a thread."""
        self.said: dict[str, Any] = {}
        self._hear = hear
        self._answered = threading.Event()
        # -P: what lies in the folder where a person works is no part of this. A session of its own: Ctrl-C at
        # the terminal is for the show, which then ends its helpers.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, json.dumps(wishes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self._reader = threading.Thread(target=self._listen, name=module, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def answer(self, seconds: float) -> dict[str, Any]:
        """What it has said as soon as that is anything, or when it has ended, or after so long."""
        self._answered.wait(seconds)
        return self.said

    def send(self, header: bytes, data: np.ndarray) -> None:
        """Feed it; waits until it has taken that. Raises OSError if it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(header)
        left = np.ascontiguousarray(data).data.cast("B")
        while left:
            left = left[self._process.stdin.write(left) or 0 :]

    def farewell(self, seconds: float) -> dict[str, Any]:
        """All that it has said, when it is gone and nothing more can come; after so long all the same."""
        self._reader.join(seconds)
        return self.said

    def close(self, seconds: float, last: bytes = b"") -> bool:
        """End its input, after some last bytes, and wait so long for its end; whether that came by itself."""
        assert self._process.stdin is not None
        try:
            with suppress(OSError):
                self._process.stdin.write(last)
                self._process.stdin.close()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            self._reader.join(seconds)
            return True
        finally:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                words = json.loads(line)
            except ValueError:  # some library's, or cut off
                continue
            self.said |= words
            self._answered.set()
            if self._hear is not None:
                self._hear(words)
        self._answered.set()
