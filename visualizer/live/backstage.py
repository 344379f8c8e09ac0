"""Backstage: the thread for everything that takes longer than a frame.

Jobs go in, and what they have to tell the render thread comes out as news; between jobs it does one
piece of idle work after the other, and tidies up. So the render thread never reads a file.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from visualizer.common import heap
from visualizer.common.cores import give_way
from visualizer.common.errors import UserError

Job = Callable[[], None]
T = TypeVar("T")
# Memory that lies free is handed back so often.
TIDY_S = 60.0


class Backstage:
    """A thread with a list of jobs; a context manager. A job's UserError is told to `trouble`."""

    def __init__(self, trouble: Callable[[UserError], None], warning: Callable[[str], None]):
        """trouble: called on the render thread, by `deliver`, with what a job couldn't do; warning: with a
        sentence for people about something that goes on all the same."""
        self.stopped = False
        self._trouble, self._warning = trouble, warning
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._idle: Iterator[float] | None = None
        self._thread = threading.Thread(target=self._work, name="backstage", daemon=True)

    def do(self, job: Job) -> None:
        """Have a job done, after those that wait already."""
        self._jobs.put(job)

    def tell(self, news: Job) -> None:
        """Have something done on the render thread."""
        self._news.put(news)

    def warn(self, sentence: str) -> None:
        """Have people told something, from any thread."""
        self.tell(lambda: self._warning(sentence))

    def deliver(self) -> None:
        """Do what the jobs wanted done on the render thread; raises what a job failed with."""
        while True:
            try:
                self._news.get_nowait()()
            except queue.Empty:
                return

    def while_idle(self, work: Iterator[float]) -> None:
        """Go through an iterator between the jobs; it yields how many seconds to rest after each step."""
        self._idle = work

    def _work(self) -> None:
        give_way()
        rested, tidied = 0.0, time.perf_counter()
        while not self.stopped:
            try:
                job = self._jobs.get(timeout=max(0.0, rested - time.perf_counter()) if self._idle else 0.1)
            except queue.Empty:
                if self._idle is not None and time.perf_counter() >= rested:
                    rested = time.perf_counter() + self.attempt(self._idle.__next__, 0.5)
                if time.perf_counter() - tidied >= TIDY_S:
                    heap.trim()
                    tidied = time.perf_counter()
            else:
                self.attempt(job, None)

    def attempt(self, job: Callable[[], T], otherwise: T) -> T:
        """Do a job here and now, backstage, and tell what it fails with; then it gives `otherwise`."""
        try:
            return job()
        except UserError as error:
            self.tell(partial(self._trouble, error))
        except BaseException as error:
            self.tell(partial(_throw, error))
        return otherwise

    def __enter__(self) -> Backstage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        self._jobs.put(lambda: None)
        # An import can't be interrupted; the thread is a daemon and doesn't hold up the exit.
        self._thread.join(timeout=0.3)


def _throw(error: BaseException) -> None:
    raise error
