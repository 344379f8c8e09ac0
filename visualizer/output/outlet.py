"""Outlets: where shown frames go besides the window, each on a thread of its own.

A recording, a stream, a virtual camera: whoever wants what is shown is a `Receiver`, and an `Outlet` hands
over to it. The show never waits for one: what a receiver is too slow for is left out and counted, and what it
fails with is told in a sentence while the show goes on.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from visualizer.common.cores import give_way
from visualizer.common.errors import UserError

if TYPE_CHECKING:
    import torch

log = logging.getLogger("visualizer")
# Frames, and blocks of sound, that wait for a receiver at the most.
FRAMES, BLOCKS = 12, 1024
# After a failure: the first pause, and the longest.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
# So much sooner than it wants it, a frame is taken all the same: screens are not that regular.
EARLY_S = 0.004
# How long a show's end waits for what receivers have still to do, such as to finish a file.
FAREWELL_S = 10.0

Tell = Callable[[str], None]


class Receiver:
    """Takes what is shown; a base. Everything is called on one thread, its outlet's, one after the other.

    What can't be done is raised as UserError: then it is closed, the sentence is told, and it is opened again
    after a pause if it `returns`, or else is over. It may take its time: frames are left out meanwhile.

    name: for people, e.g. "the recording". rate: how many frames a second it wants at the most, None is
    all. hears: whether it wants the sound.
    """

    name = "the outlet"
    rate: float | None = None
    hears = False
    returns = False

    def open(self) -> None:
        """Get ready. Called first, and after each failure that it returns from."""

    def show(self, pixels: np.ndarray, when: float) -> None:
        """A frame [h, w, 3] uint8 sRGB, which is others', too: not to be written to.

        It has the shape of the stage, some 256 or 512 lines, and may change it; windows sharpen it next, see
        `picture.sharpening`. when: it was shown, seconds of time.perf_counter.
        """
        raise NotImplementedError

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        """Sound [n, 2] float32; begin: when its first sample is heard, perf_counter seconds; sr: its rate."""

    def close(self) -> None:
        """Finish, and give back what was opened; also after a failure, even of `open`."""


class _Frame(NamedTuple):
    pixels: torch.Tensor
    when: float


class _Sound(NamedTuple):
    samples: np.ndarray
    begin: float
    sr: float


class Outlet:
    """Hands over to one receiver.

    name: for lists. state: "opening", "on", "waiting" to be opened again, or "over". since: when it came to
    be on, seconds of time.perf_counter. shown: frames that the receiver took. left_out: frames that it was
    too slow for. spent: seconds of the processor's that its thread took. errors: failures so far.
    """

    def __init__(self, receiver: Receiver, tell: Tell):
        """tell: called with a sentence, on the outlet's thread, when the receiver fails or comes back."""
        self.receiver = receiver
        self.name = receiver.name.removeprefix("the ")
        self.state: Literal["opening", "on", "waiting", "over"] = "opening"
        self.since = math.nan
        self.shown = self.left_out = self.errors = 0
        self.spent = 0.0
        self._tell = tell
        self._queue: queue.SimpleQueue[_Frame | _Sound | None] = queue.SimpleQueue()
        self._frames = self._blocks = 0  # put by the one thread,
        self._frames_taken = self._blocks_taken = 0  # taken by the other
        self._due = -math.inf
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=receiver.name, daemon=True)

    def start(self) -> None:
        """Begin; opens the receiver on the outlet's own thread."""
        self._thread.start()

    def show(self, frame: torch.Tensor, when: float) -> None:
        """A frame [h, w, 3] uint8 was shown at a time. For the render thread; never waits."""
        rate = self.receiver.rate
        if self.state != "on" or (rate and when < self._due - EARLY_S):
            return
        if rate:
            # On its beat, unless it was missed altogether.
            self._due = max(self._due + 1 / rate, when) if self._due > -math.inf else when + 1 / rate
        if self._frames - self._frames_taken >= FRAMES:
            self.left_out += 1
            return
        self._frames += 1
        self._queue.put(_Frame(frame, when))

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        """Sound [n, 2] float32 that is not written to any more. For the thread that hears; never waits."""
        if self.state == "on" and self._blocks - self._blocks_taken < BLOCKS:
            self._blocks += 1
            self._queue.put(_Sound(samples, begin, sr))

    def end(self) -> None:
        """Let the receiver have what waits for it, and close it. Doesn't wait for that."""
        self._ending.set()
        self._queue.put(None)

    def join(self, seconds: float) -> bool:
        """Wait until it is over; whether it is."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        pause = PAUSE_S
        while not self._ending.is_set():
            began = time.perf_counter()
            if self._serve():
                break
            if time.perf_counter() - began > LONGEST_PAUSE_S:  # it was well for a while
                pause = PAUSE_S
            if self._ending.wait(pause):
                break
            pause = min(2 * pause, LONGEST_PAUSE_S)
        self.state = "over"

    def _serve(self) -> bool:
        """Open the receiver and hand over until the end or a failure; whether this was the last time."""
        self._drain()
        try:
            try:
                self.receiver.open()
                if self.errors:
                    self._tell(f"{self.receiver.name} is back.")
                else:
                    give_way()  # from now on; somebody waits for it to open
                self.state, self.since = "on", time.perf_counter()
                self._hand_over()
            finally:
                self.state = "waiting"
                self.receiver.close()
                self.spent = time.thread_time()
        except UserError as error:
            self._failed(str(error))
        except Exception as error:
            log.exception(self.receiver.name)
            self._failed(f"{self.receiver.name} broke off ({type(error).__name__}: {error}).")
        else:
            return True
        return not self.receiver.returns

    def _failed(self, sentence: str) -> None:
        self.errors += 1
        # That it still can't be opened is no news.
        if self.errors == 1 or not math.isnan(self.since):
            self._tell(sentence)
        self.since = math.nan

    def _hand_over(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Frame):
                self._frames_taken += 1
                self.receiver.show(item.pixels.numpy(force=True), item.when)
                self.shown += 1
            else:
                self._blocks_taken += 1
                self.receiver.hear(*item)
            self.spent = time.thread_time()

    def _drain(self) -> None:
        """What waits is too old for when it comes back, but for the end."""
        for _ in range(self._queue.qsize()):
            item = self._queue.get()
            self._frames_taken += isinstance(item, _Frame)
            self._blocks_taken += isinstance(item, _Sound)
            if item is None:
                self._queue.put(None)


class Outlets:
    """All outlets of a show; costs nothing while there are none.

    Made, added to, ended and shown to on the render thread; `hear` is for whichever thread hears.
    """

    def __init__(self, tell: Tell):
        """tell: has people told a sentence, from any thread."""
        self._tell = tell
        self._all: tuple[Outlet, ...] = ()
        self._leaving: list[Outlet] = []
        self._hearing: tuple[Outlet, ...] = ()

    def __iter__(self) -> Iterator[Outlet]:
        """Those that are not ended."""
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, receiver: Receiver) -> Outlet:
        """Let a receiver have what is shown from now on."""
        outlet = Outlet(receiver, self._tell)
        self._have((*self._all, outlet))
        outlet.start()
        return outlet

    def end(self, outlet: Outlet) -> None:
        """Let a receiver have no more."""
        self._have(tuple(other for other in self._all if other is not outlet))
        self._leaving = [other for other in self._leaving if not other.join(0)]
        self._leaving.append(outlet)
        outlet.end()

    def show(self, frame: torch.Tensor, when: float) -> None:
        """A frame [h, w, 3] uint8, not written to any more, was shown at a time, perf_counter seconds."""
        for outlet in self._all:
            outlet.show(frame, when)

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        """Sound [n, channels] float32 is heard from a time on; it is copied if anybody wants it."""
        hearing = self._hearing
        if hearing:
            pair = samples[:, :2] if samples.shape[1] > 1 else np.repeat(samples, 2, axis=1)
            own = np.array(pair, np.float32)
            for outlet in hearing:
                outlet.hear(own, begin, sr)

    def close(self) -> None:
        """End all, and wait a while for them to finish."""
        for outlet in self._all:
            self.end(outlet)
        deadline = time.perf_counter() + FAREWELL_S
        for outlet in self._leaving:
            if not outlet.join(max(0.0, deadline - time.perf_counter())):
                log.warning("%s did not finish in time", outlet.receiver.name)

    def _have(self, outlets: tuple[Outlet, ...]) -> None:
        self._all = outlets
        self._hearing = tuple(outlet for outlet in outlets if outlet.receiver.hears)
