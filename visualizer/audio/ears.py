"""What the live engine needs to know of whatever it listens to."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from visualizer.audio.listener import Event


class Sink(Protocol):
    """Where events go: the ring, as the room to the right has it."""

    def push(self, item: Event) -> None:
        """Take an event. Must neither block nor raise."""
        ...


class Tap(Protocol):
    """Where the sound itself goes, for those who record it."""

    def __call__(self, samples: np.ndarray, begin: float, sr: float) -> None:
        """Take sound [n, channels] float32, valid during the call. begin: when its first sample is heard,
        seconds of time.perf_counter; sr: samples a second. Must neither block nor raise."""
        ...


def nowhere(samples: np.ndarray, begin: float, sr: float) -> None:
    """A tap that is shut."""


class Ears(Protocol):
    """A context manager that pushes events to a ring while it is open: a microphone, or a player.

    Nothing here blocks, nor raises once it is built: trouble shows in `status` and `ok`, and ends by
    itself when its cause does.
    """

    @property
    def status(self) -> str:
        """One short sentence for people, without a full stop: what it hears, or why not."""
        ...

    @property
    def ok(self) -> bool:
        """Whether sound comes in, or goes out, as it should."""
        ...

    @property
    def level(self) -> float:
        """Loudness of the newest event, dB re a full-scale sine, -120 at the least."""
        ...

    @property
    def device_name(self) -> str:
        """The sound device's name, "" before one was found."""
        ...

    @property
    def finished(self) -> bool:
        """Whether all has been heard that there was; never of a microphone."""
        ...

    @property
    def failure(self) -> str:
        """Why it can't go on and never will, without a full stop; "" while it can."""
        ...

    @property
    def lost(self) -> int:
        """How often sound was lost because the program came too late."""
        ...

    @property
    def errors(self) -> int:
        """Exceptions caught in the callback; anything but 0 is a defect, and the log has it."""
        ...

    def callback_share(self) -> tuple[float, float]:
        """(median, 99th percentile) of the audio callback's time, as a share of its block's duration."""
        ...

    def __enter__(self) -> Ears: ...

    def __exit__(self, *exc: object) -> None: ...
