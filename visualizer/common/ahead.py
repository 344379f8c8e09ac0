"""Working ahead: an iterator on a thread of its own, a few items in front of whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

# How long the thread waits for room before it looks whether its reader has gone.
PATIENCE_S = 0.2


class _End:
    """What follows the last item: the error that ended the iterator, or None."""

    def __init__(self, error: BaseException | None):
        self.error = error


@contextmanager
def ahead(items: Iterable[T], depth: int) -> Iterator[Iterator[T]]:
    """Iterate `items` on another thread, at most `depth` in front; its errors come out of the iterator here.

    On leaving the context, however early, it ends after the item in hand.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(item, timeout=PATIENCE_S)
            except queue.Full:
                continue

    def work() -> None:
        error = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as caught:
            error = caught
        put(_End(error))

    def read() -> Iterator[T]:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=work, name="ahead")
    thread.start()
    try:
        yield read()
    finally:
        stopped.set()
        thread.join()
