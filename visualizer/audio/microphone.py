"""The microphone: whatever an input device hears, as events."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from visualizer.audio.codebook import Codebook
from visualizer.audio.ears import Sink, Tap, nowhere
from visualizer.audio.line import Line
from visualizer.audio.listener import Listener
from visualizer.audio.mixing import Mixer
from visualizer.audio.resampler import Resampler
from visualizer.audio.spectrum import mend

# Less is lost on cards without a sound server whenever Python is busy for as long. The device chooses
# its blocks: where PortAudio had to make them of a hop's length, they would come later by up to one.
LATENCY_S = 0.02


class Microphone:
    """Listens while the context is open; the events go to the ring, from PortAudio's own thread.

    Their time is the moment at which the centre of the analysed window was recorded, on the clock
    of `time.perf_counter`. Nothing is raised for a device that is missing, taken or pulled out:
    `status` says so, `ok` is false, and the sound comes back by itself when the device does.
    """

    def __init__(
        self,
        codebook: Codebook,
        ring: Sink,
        device: str | int | None = None,
        channels: Sequence[int] = (),
        tap: Tap = nowhere,
    ):
        """device: an index, a part of a name, or None for the system's default input. channels: which of
        its channels to hear, counted from 1; none are all. tap: gets the sound.
        """
        self._ring, self._tap = ring, tap
        self._listener = Listener(codebook)
        self._sr = codebook.settings.sr
        self._heard = 0  # samples given to the listener
        self._resampler: Resampler | None = None
        self._level = -120.0
        self._channels = [channel - 1 for channel in channels]
        self._mixer = Mixer(self._sr)
        least = max(channels, default=1)
        self._line = Line("input", device, self._sr, 0, LATENCY_S, self._hear, self._prepare, least=least)

    @property
    def status(self) -> str:
        """One short sentence: what it listens to, or why it can't."""
        status, alone = self._line.status, self._mixer.alone
        if alone is None or not self._line.ok:
            return status
        number = self._channels[alone - 1] + 1 if self._channels else alone
        return f"{status}, channel {number} alone: the others drown or cancel it"

    @property
    def ok(self) -> bool:
        """Whether a device is open and delivers."""
        return self._line.ok

    @property
    def level(self) -> float:
        """Loudness of the newest event, dB re a full-scale sine, -120 at the least."""
        return self._level if self._line.ok else -120.0

    @property
    def device_name(self) -> str:
        """The device's name, "" before one was found."""
        return self._line.device_name

    @property
    def finished(self) -> bool:
        """Never."""
        return False

    @property
    def failure(self) -> str:
        """Nothing that does not end by itself."""
        return ""

    @property
    def lost(self) -> int:
        """How often samples were lost because the callback came too late."""
        return self._line.xruns

    @property
    def errors(self) -> int:
        """Exceptions caught in the callback; anything but 0 is a defect, and the log has it."""
        return self._line.errors

    def callback_share(self) -> tuple[float, float]:
        """(median, 99th percentile) of the callback's time, as a share of its block's duration."""
        return self._line.durations.summary()

    def __enter__(self) -> Microphone:
        self._line.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._line.close()

    def _prepare(self, rate: float) -> None:
        self._level = -120.0
        self._resampler = None if round(rate) == self._sr else Resampler(rate, self._sr)
        self._mixer = Mixer(rate)

    def _hear(self, samples: np.ndarray, begin: float, rate: float) -> None:
        """One block, in PortAudio's thread: [n, channels], recorded from `begin` on."""
        if self._channels:
            samples = samples[:, self._channels]
        mono = self._mixer.push(samples)
        self._tap(samples if self._mixer.alone is None else mono[:, None], begin, rate)
        if mend(mono):
            self._line.meaningful = time.perf_counter()
        if self._resampler:
            mono = self._resampler.push(mono)
            begin -= self._resampler.delay_s
        # The listener counts seconds from its first sample, the events those of perf_counter.
        offset = begin - self._heard / self._sr
        self._heard += len(mono)
        for event in self._listener.push(mono):
            self._level = event.loudness
            self._ring.push(event.at(event.time + offset))
