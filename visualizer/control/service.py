"""A service: a thread of its own, behind one way to the controls, that goes on until the show ends."""

from __future__ import annotations

import logging
import threading
import time

from visualizer.common.cores import give_way

log = logging.getLogger("visualizer")


class Service:
    """Calls `serve` again and again on its own thread, after those that make the picture.

    spent: seconds of processor time so far. errors: what went wrong in `serve`, and did no harm.
    """

    FAREWELL_S = 0.5
    # What fails, fails again: not all the time.
    RECOVER_S = 0.5

    def __init__(self, name: str):
        self.name = name
        self.spent = 0.0
        self.errors = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def serve(self) -> None:
        """Do what there is to do and wait for more, a tenth of a second at the most."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what was opened; on its own thread, at the end."""

    def _run(self) -> None:
        give_way()
        while not self._stopped.is_set():
            try:
                self.serve()
            except Exception:
                if not self.errors:
                    log.exception("in the service of %s; further errors are only counted", self.name)
                self.errors += 1
                self._stopped.wait(self.RECOVER_S)
            self.spent = time.thread_time()
        self.close()

    def start(self) -> None:
        """Begin. Raises nothing: what can be wrong is found when it is made."""
        self._thread.start()

    def stop(self) -> None:
        """End, without waiting long."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(self.FAREWELL_S)
