"""The player: a song through the loudspeakers, and its events at the time they are heard."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from visualizer.audio.codebook import Codebook
from visualizer.audio.ears import Sink, Tap, nowhere
from visualizer.audio.line import Line
from visualizer.audio.listener import Event, Listener
from visualizer.audio.mixing import Mixer
from visualizer.audio.resampler import Resampler
from visualizer.audio.song import Recording, Song
from visualizer.common.errors import UserError

log = logging.getLogger("visualizer")


@dataclass(frozen=True)
class Chunk:
    """One hop of a song. samples: [hop_length, 2]; begin: seconds; events: those due before its end."""

    samples: np.ndarray
    begin: float
    events: tuple[Event, ...]


def chunks(song: Song | Recording, codebook: Codebook) -> Iterator[Chunk]:
    """Cut a song into hops, each with what the analysis says of it; the last is filled with zeros.

    The analysis runs ahead of the sound by half a window. Raises UserError as the song does.
    """
    listener, mixer = Listener(codebook), Mixer(codebook.settings.sr)
    hop, hop_s = codebook.settings.hop_length, codebook.settings.hop_s
    rest = np.zeros((0, 2), np.float32)
    waiting: deque[np.ndarray] = deque()
    events: deque[Event] = deque()
    released = 0

    def release() -> Chunk:
        nonlocal released
        begin, released = released * hop_s, released + 1
        due = []
        while events and events[0].time < begin + hop_s:
            due.append(events.popleft())
        return Chunk(waiting.popleft(), begin, tuple(due))

    for block in song:
        rest = np.concatenate([rest, block])
        while len(rest) >= hop:
            piece, rest = rest[:hop], rest[hop:]
            waiting.append(piece)
            events.extend(listener.push(mixer.push(piece)))
            while waiting and events and events[-1].time >= released * hop_s:
                yield release()
    if len(rest):
        waiting.append(np.concatenate([rest, np.zeros((hop - len(rest), 2), np.float32)]))
    while waiting:
        yield release()


class Player:
    """Plays a song while the context is open, and pushes its events to the ring.

    An event's time is the moment at which the centre of its window leaves the loudspeaker, on the
    clock of `time.perf_counter`, the device's latency included; it is pushed some time before. Where
    there is no output device, or none any more, the song goes on without sound, on the clock.

    A thread decodes and analyses the song into a bounded buffer; PortAudio's thread empties it, or
    in its absence the first one does. The buffer is a deque, whose ends are safe without a lock.
    """

    BUFFER_S = 1.0
    OUTPUT_LATENCY_S = 0.1
    # How long before their time events are pushed when nothing is heard.
    LEAD_S = 0.1
    # How long the song waits for a device to begin.
    PATIENCE_S = 3.0

    def __init__(
        self,
        song: Song | Recording,
        codebook: Codebook,
        ring: Sink,
        device: str | int | None = None,
        tap: Tap = nowhere,
    ):
        """device: an index, a part of a name, or None for the default output. tap: gets the sound."""
        self.song, self._tap = song, tap
        self._codebook, self._ring = codebook, ring
        self._sr, self._hop_s = codebook.settings.sr, codebook.settings.hop_s
        self._buffer: deque[Chunk] = deque()
        self._capacity = round(self.BUFFER_S / self._hop_s)
        self._decoded = False
        self._trouble = ""
        self.underruns = 0
        """How often the song was not decoded in time."""
        self._left = np.zeros((0, 2), np.float32)  # of the chunk being played
        self._resampler: Resampler | None = None
        # (song seconds, the perf_counter time at which they are heard) of the newest chunk.
        self._anchor = 0.0, np.inf
        self._end: float | None = None
        self._level = -120.0

        self._device_plays = False
        self._begun = time.perf_counter()
        self._clock = 0.0  # when the next chunk is due, if nothing else plays
        self._hand_over = threading.Lock()  # between the decoding thread and the watchdog
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="song", daemon=True)
        hop, latency = codebook.settings.hop_length, self.OUTPUT_LATENCY_S
        self._line = Line("output", device, self._sr, hop, latency, self._play, self._prepare, self._release)

    @property
    def status(self) -> str:
        """One short sentence: what is played on what, or why it is not heard."""
        if self._trouble:
            return self._trouble
        if self.finished:
            return f"{self.song.name} has ended"
        if self._line.ok:
            return f"playing {self.song.name} on {self._line.device_name}"
        return f"playing {self.song.name} without sound: {self._line.status}"

    @property
    def ok(self) -> bool:
        """Whether the song is heard."""
        return self._line.ok and not self._trouble

    @property
    def level(self) -> float:
        """Loudness of the newest event, dB re a full-scale sine, -120 at the least."""
        return -120.0 if self.finished else self._level

    @property
    def device_name(self) -> str:
        """The output device's name, "" before one was found."""
        return self._line.device_name

    @property
    def failure(self) -> str:
        """Why the song can't be played on, "" while it can."""
        return self._trouble

    @property
    def lost(self) -> int:
        """How often the device, or the decoder, came too late."""
        return self._line.xruns + self.underruns

    @property
    def errors(self) -> int:
        """Exceptions caught in the callback; anything but 0 is a defect, and the log has it."""
        return self._line.errors

    @property
    def position(self) -> float:
        """What is being heard, in seconds from where the song began."""
        begin, heard = self._anchor
        # Past the newest chunk only as far as a large block may reach.
        position = begin + min(time.perf_counter() - heard, 0.25)
        return min(max(position, 0.0), self.duration or np.inf)

    @property
    def duration(self) -> float | None:
        """The song's length in seconds as its header has it; None if it doesn't say."""
        return self.song.expected_s

    @property
    def finished(self) -> bool:
        """Whether the last sample has been heard."""
        return self._end is not None and time.perf_counter() >= self._end

    def callback_share(self) -> tuple[float, float]:
        """(median, 99th percentile) of the callback's time, as a share of its block's duration."""
        return self._line.durations.summary()

    def __enter__(self) -> Player:
        self._begun = time.perf_counter()
        self._line.start()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._line.close()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        """Keep the buffer full; where no device empties it, do so."""
        try:
            for chunk in chunks(self.song, self._codebook):
                while len(self._buffer) >= self._capacity and not self._closing.wait(0.01):
                    self._play_silently()
                if self._closing.is_set():
                    return
                self._buffer.append(chunk)
        except UserError as error:
            self._trouble = str(error).rstrip(".")
        except Exception as error:  # any decoder's; the song must come to an end
            log.exception("playing %s", self.song.name)
            self._trouble = f"{self.song.name} can't be played on ({error})"
        self._decoded = True
        while not self.finished and not self._closing.wait(0.01):
            self._play_silently()

    def _prepare(self, rate: float) -> None:
        self._resampler = None if round(rate) == self._sr else Resampler(self._sr, rate, 2)
        with self._hand_over:
            self._device_plays = True

    def _release(self) -> None:
        with self._hand_over:
            self._device_plays = False
            self._resampler = None
            self._left = self._left[:0]
            self._clock = time.perf_counter()

    def _play_silently(self) -> None:
        # At the start the device gets its chance first, so that the song's beginning is heard.
        if not self._line.looked and time.perf_counter() - self._begun < self.PATIENCE_S:
            return
        with self._hand_over:
            if self._device_plays:
                return
            now = time.perf_counter()
            if self._clock < now - self.BUFFER_S:
                self._clock = now
            while self._clock < now + self.LEAD_S and self._take(self._clock) is not None:
                self._clock += self._hop_s

    def _play(self, output: np.ndarray, begin: float, rate: float) -> None:
        """Fill one block [n, channels], whose first frame is heard at `begin`. PortAudio's thread."""
        filled = 0
        while filled < len(output):
            if not len(self._left):
                lag = self._resampler.delay_s if self._resampler else 0.0
                samples = self._take(begin + filled / rate + lag)
                if samples is None:
                    self.underruns += not self._decoded
                    break
                self._left = self._resampler.push(samples) if self._resampler else samples
                continue
            n = min(len(self._left), len(output) - filled)
            part, self._left = self._left[:n], self._left[n:]
            if output.shape[1] == 1:
                output[filled : filled + n, 0] = part.mean(axis=1)
            else:
                output[filled : filled + n, :2] = part
                output[filled : filled + n, 2:] = 0
            filled += n
        output[filled:] = 0

    def _take(self, heard: float) -> np.ndarray | None:
        """The next chunk's samples, to be heard at a perf_counter time; its events go their way."""
        try:
            chunk = self._buffer.popleft()
        except IndexError:
            if self._decoded and self._end is None:
                self._end = heard
            return None
        self._anchor = chunk.begin, heard
        self._tap(chunk.samples, heard, self._sr)
        for event in chunk.events:
            self._level = event.loudness
            self._ring.push(event.at(heard + event.time - chunk.begin))
        return chunk.samples
