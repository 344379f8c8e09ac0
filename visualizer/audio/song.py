"""Songs from files: anything that FFmpeg decodes, streamed through PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from visualizer.audio import length as lengths
from visualizer.audio.length import Length
from visualizer.audio.media import Pipe, heading, is_address, is_pipe, open_media, open_or_explain, title
from visualizer.audio.mixing import gains
from visualizer.audio.ogg import Link, links
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.audio.timeline import Timeline
from visualizer.common.errors import UserError

ADVICE = "convert it to wav, flac, mp3, ogg or m4a"
PIPE_ADVICE = "send wav, flac, mp3 or ogg through a pipe: others have their index at the end"
# Half of what a sample can be, by FFmpeg's names of formats; u8 is no signed number.
FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "s64": 2**63}
# How many packets may be broken before a file is given up, and how much silence is made at a time.
MOST_BROKEN, SILENCE_S = 100, 1.0
# How often in a row no packet may be found.
MOST_FAILURES = 10
# Over how many packets their size is averaged.
RECENT = 20


class Recording:
    """Sound in memory, or soon to be there, with the face of a `Song`."""

    def __init__(self, name: str, samples: np.ndarray | Future[np.ndarray]):
        """samples: [n, 2] float32 at 44.1 kHz, -1..1."""
        self.name = self.heading = name
        self.damage: list[str] = []
        self._given = samples

    @property
    def samples(self) -> np.ndarray:
        """Waits for them."""
        return self._given.result() if isinstance(self._given, Future) else self._given

    @property
    def expected_s(self) -> float:
        """How many seconds the iteration brings."""
        return len(self.samples) / SAMPLE_RATE

    def __iter__(self) -> Iterator[np.ndarray]:
        samples = self.samples
        for start in range(0, len(samples), 4096):
            yield samples[start : start + 4096]

    def stop(self) -> None:
        """There is nothing that it waits for."""


class Song:
    """The sound of a media file as stereo blocks at 44.1 kHz. Memory does not grow with length.

    heading: its title and its artist, a line each, by its tags; without a title, its file's name.

    What is wrong with a file but leaves something to hear is not raised but noted in `damage`,
    one clause for each kind, complete when the iteration has ended. Where sound is missing, silence stands.
    """

    def __init__(
        self,
        path: Path | str,
        start: float = 0.0,
        duration: float | None = None,
        channels: Sequence[int] = (),
    ):
        """path: a file, a pipe, "-" for the standard input, or an address. start, duration: the part to
        read, in seconds. channels: which of its channels to hear, counted from 1; none are all.

        Raises UserError if the file is missing, is not media, or holds no sound, or no such channels.
        """
        self.path = path
        self.name = title(path)
        self.start, self.duration, self.channels = start, duration, tuple(channels)
        self.damage: list[str] = []
        self._not_numbers = self._broken = 0
        self._missing = 0.0
        self._given_up = False
        self._pipe: Pipe | None = None
        self._piped: av.container.InputContainer | None = None  # of a pipe, until it is read
        if str(path) != "-" and Path(path).is_dir():
            raise UserError(f"{self.name} is a folder; give a sound or video file.")
        if is_pipe(path):
            self._pipe = self._open_pipe()
            self._piped = container = self._open(self._pipe, PIPE_ADVICE)
        else:
            container = self._open(path)
        try:
            self._check_channels(container.streams.audio[0])
            self.heading = heading(container, self.name)
            # How long what comes through a pipe is, its header was often written too early to know.
            self._promised = lengths.UNKNOWN if self._piped else lengths.promised(container, path)
        finally:
            if self._piped is None:
                container.close()

    def _open_pipe(self) -> Pipe:
        try:
            return Pipe(self.path)
        except OSError as error:
            raise UserError(f"{self.name} can't be read ({error.strerror}); check its permissions.") from None

    def _open(self, path: Path | str | Pipe, advice: str = ADVICE) -> av.container.InputContainer:
        container = open_or_explain(path, self.name, "a sound file", advice)
        if not container.streams.audio:
            container.close()
            raise UserError(f"{self.name} holds no sound; give a file with an audio stream.")
        return container

    def _check_channels(self, stream: av.AudioStream) -> None:
        if stream.codec_context is None:
            raise UserError(f"{self.name} holds sound of a kind that FFmpeg can't decode; {ADVICE}.")
        there = stream.codec_context.channels
        if self.channels and max(self.channels) > there:
            raise UserError(
                f"{self.name} has no channel {max(self.channels)}; choose --channels from 1 to {there}."
            )

    @cached_property
    def _links(self) -> list[tuple[int, int]]:
        """The parts that the file is to be read in, in bytes, if it is a chain of several."""
        if self._pipe or is_address(self.path):
            return []
        found = links("/dev/stdin" if str(self.path) == "-" else self.path)
        return found if len(found) > 1 else []

    @cached_property
    def _length(self) -> Length:
        if not self._links:
            known = self._promised.seconds is not None or self._pipe
            return self._promised if known else lengths.measured(self.path)
        total = 0.0
        for container in self._containers():
            with closing(container):
                total += lengths.promised(container).seconds or 0.0
        return Length(total or None, True)

    @property
    def length(self) -> float | None:
        """Seconds in the whole file; None if nobody knows."""
        return self._length.seconds

    @property
    def expected_s(self) -> float | None:
        """How many seconds the iteration should bring, if that is known."""
        if self.length is None:
            return self.duration
        rest = max(0.0, self.length - self.start)
        return rest if self.duration is None else min(rest, self.duration)

    def stop(self) -> None:
        """Let go of a pipe that whoever iterates waits for; to be called from another thread."""
        if self._pipe:
            self._pipe.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks [n, 2] float32 of some thousand frames; what is not a number is silence.

        Raises UserError if nothing can be decoded or the start lies past the end, and for a pipe that was
        read already.
        """
        first = round(self.start * SAMPLE_RATE)
        last = None if self.duration is None else first + round(self.duration * SAMPLE_RATE)
        position = 0
        delivered = False
        self.damage, self._not_numbers, self._broken, self._missing = [], 0, 0, 0.0
        for block in self._decode():
            begin, position = position, position + len(block)
            block = block[max(0, first - begin) : None if last is None else max(0, last - begin)]
            if len(block):
                delivered = True
                yield block
            if last is not None and position >= last:
                break
        self._note_damage(position / SAMPLE_RATE, whole=last is None or position < last)
        if not delivered:
            if position == 0:
                advice = PIPE_ADVICE if self._pipe else "try another copy"
                raise UserError(f"{self.name} holds no sound that can be decoded; {advice}.")
            raise UserError(
                f"{self.name} is {position / SAMPLE_RATE:.1f} s long; "
                f"--start {self.start:g} lies past its end."
            )

    def _note_damage(self, heard: float, whole: bool) -> None:
        """heard: seconds; whole: up to the end."""
        if self._broken:
            self.damage.append(f"{self._broken} of its packets are broken and were left out")
        if self._missing:
            self.damage.append(f"{self._missing:.2f} s of sound are lost and were filled with silence")
        if self._given_up:
            self.damage.append(f"nothing after {heard:.1f} s could be read")
        elif whole and self._length.exact and self.length and heard < 0.98 * self.length - 0.5:
            self.damage.append(f"it is cut short: {heard:.1f} s of {self.length:.1f} s could be read")
        if self._not_numbers:
            self.damage.append(f"{self._not_numbers} samples that are not numbers (NaN) were silenced")

    def _containers(self) -> Iterator[av.container.InputContainer]:
        """What the file is read from, one after the other."""
        if self._pipe:
            container, self._piped = self._piped, None
            if container is None:
                raise UserError(f"{self.name} can be read only once; save it to a file first.")
            yield container
        elif self._links:
            for begin, end in self._links:
                path = "/dev/stdin" if str(self.path) == "-" else self.path
                yield open_media(Link(path, begin, end))
        else:
            yield self._open(self.path)

    def _decode(self) -> Iterator[np.ndarray]:
        for container in self._containers():
            with closing(container):
                yield from self._decode_one(container)

    def _decode_one(self, container: av.container.InputContainer) -> Iterator[np.ndarray]:
        stream, name = container.streams.audio[0], container.format.name
        stream.codec_context.thread_type = "AUTO"
        end = None if self._links else self._promised.seconds
        timeline = Timeline(lengths.origin(container), name, end)
        resampler: _Rate | None = None
        broken, typical = 0, 0.0  # packets, bytes of one
        for packet in self._packets(container, stream):
            try:
                for frame in stream.decode(packet):
                    # Where files were joined, or a programme began, the sound may be of another kind.
                    if resampler is None or resampler.source != frame.sample_rate:
                        yield from resampler.flush() if resampler else ()
                        resampler = _Rate(frame.sample_rate)
                    missing = timeline.leap(frame.time)
                    if timeline.continuous or broken:
                        self._missing += missing
                    yield from resampler.silence(missing)
                    yield from resampler.push(self._to_stereo(frame))
                    timeline.advance(missing + frame.samples / frame.sample_rate)
                typical += (packet.size - typical) / (RECENT if typical else 1)
            except av.FFmpegError:
                broken += 1
                self._broken += 1
                if broken > MOST_BROKEN:
                    self._given_up = True
                    break
                untold = 0.0
                if name == "mp3" and typical and packet.duration and packet.time_base:
                    # Its time stamps count frames, and what lies between two of them is taken for one.
                    untold = max(0.0, (packet.size / typical - 1) * packet.duration * packet.time_base)
                timeline.lose(untold)
        yield from resampler.flush() if resampler else ()

    def _packets(self, container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.Packet]:
        """All packets that can be found; after an error of finding them it looks for the next."""
        self._given_up, failures = False, 0
        while failures < MOST_FAILURES:
            try:
                for packet in container.demux(stream):
                    failures = 0
                    yield packet
                return
            except av.FFmpegError:
                failures += 1
        self._given_up = True

    def _to_stereo(self, frame: av.AudioFrame) -> np.ndarray:
        """[2, n] float32. Never by FFmpeg's own mixing: it knows no more than eight channels, and crashes."""
        names = [channel.name for channel in frame.layout.channels]
        samples = frame.to_ndarray()
        kind = frame.format.name.removesuffix("p")
        if not frame.format.is_planar:
            samples = samples.reshape(-1, len(names)).T
        if kind in FULL_SCALE:
            scale = np.float32(1 / FULL_SCALE[kind])
            samples = (samples.astype(np.float32) - (128 if kind == "u8" else 0)) * scale
        else:
            samples = self._silence_not_numbers(samples)
        if self.channels:
            samples = samples[[channel - 1 for channel in self.channels if channel <= len(samples)]]
            names = [""] * len(samples)
        if len(samples) == 2:
            return samples
        return gains(names) @ samples if len(samples) else np.zeros((2, frame.samples), np.float32)

    def _silence_not_numbers(self, samples: np.ndarray) -> np.ndarray:
        """Before resampling, which would smear one bad sample over many."""
        bad = ~np.isfinite(samples)
        if bad.any():
            self._not_numbers += int(bad.sum())
            samples = np.where(bad, 0, samples)
        return samples.astype(np.float32, copy=False)


class _Rate:
    """Stereo sound of one rate to 44.1 kHz."""

    def __init__(self, source: int):
        self.source = source
        self._resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)

    def push(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take the next samples [2, n]; yield those that are ready, [m, 2]."""
        if self.source == SAMPLE_RATE:
            yield np.ascontiguousarray(samples.T)
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate = self.source
        yield from self._drain(frame)

    def silence(self, seconds: float) -> Iterator[np.ndarray]:
        """The same of nothing."""
        left = round(seconds * self.source)
        while left > 0:
            n = min(left, round(SILENCE_S * self.source))
            left -= n
            yield from self.push(np.zeros((2, n), np.float32))

    def flush(self) -> Iterator[np.ndarray]:
        """What is left, at the end."""
        yield from self._drain(None)

    def _drain(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        for resampled in self._resampler.resample(frame):
            if resampled.samples:
                yield np.ascontiguousarray(resampled.to_ndarray().T, np.float32)


def mono(stereo: np.ndarray) -> np.ndarray:
    """[n, 2] to [n]: the mean of both channels."""
    return stereo.mean(axis=1)
