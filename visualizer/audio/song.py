"""Songs from files: anything that FFmpeg decodes, streamed through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import av
import numpy as np

from visualizer.audio.media import open_media
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common.errors import UserError
from visualizer.common.files import reason


class Recording:
    """Sound in memory, or soon to be there, with the face of a `Song`."""

    def __init__(self, name: str, samples: np.ndarray | Future[np.ndarray]):
        """samples: [n, 2] float32 at 44.1 kHz, -1..1."""
        self.name = name
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


class Song:
    """The sound of a media file as stereo blocks at 44.1 kHz. Memory does not grow with length.

    What is wrong with a file but leaves something to hear is not raised but noted in `damage`,
    one clause for each kind, complete when the iteration has ended.
    """

    def __init__(self, path: Path | str, start: float = 0.0, duration: float | None = None):
        """start, duration: the part to read, in seconds.

        Raises UserError if the file is missing, is not media, or holds no sound.
        """
        self.path = Path(path)
        self.name = str(path)
        self.start, self.duration = start, duration
        self.damage: list[str] = []
        self._not_numbers = 0
        with closing(self._open()) as container:
            stream = container.streams.audio[0]
            length = container.duration and container.duration / av.time_base
            if stream.duration and stream.time_base:
                length = float(stream.duration * stream.time_base)
        self.length: float | None = length or None
        """Seconds in the whole file as its header has it; None if it doesn't say."""

    def _open(self) -> av.container.InputContainer:
        if self.path.is_dir():
            raise UserError(f"{self.path} is a folder; give a sound or video file.")
        try:
            container = open_media(self.path)
        except FileNotFoundError:
            raise UserError(f"{self.path}: no such file; check the path.") from None
        except PermissionError:
            raise UserError(f"{self.path} can't be read; check its permissions.") from None
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"{self.path} is not a sound file that FFmpeg can read; "
                f"convert it to wav, flac, mp3, ogg or m4a ({reason(error)})."
            ) from None
        if not container.streams.audio:
            container.close()
            raise UserError(f"{self.path} holds no sound; give a file with an audio stream.")
        return container

    @property
    def expected_s(self) -> float | None:
        """How many seconds the iteration should bring, if the header is right."""
        if self.length is None:
            return self.duration
        rest = max(0.0, self.length - self.start)
        return rest if self.duration is None else min(rest, self.duration)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks [n, 2] float32 of some thousand frames; what is not a number is silence.

        Raises UserError if nothing can be decoded or the start lies past the end.
        """
        first = round(self.start * SAMPLE_RATE)
        last = None if self.duration is None else first + round(self.duration * SAMPLE_RATE)
        position = 0
        delivered = False
        for block in self._decode():
            begin, position = position, position + len(block)
            block = block[max(0, first - begin) : None if last is None else max(0, last - begin)]
            if len(block):
                delivered = True
                yield block
            if last is not None and position >= last:
                break
        else:
            self._note_if_short(position / SAMPLE_RATE)
        if self._not_numbers:
            self.damage.append(f"{self._not_numbers} samples that are not numbers (NaN) were silenced")
        if not delivered:
            if position == 0:
                raise UserError(f"{self.path} holds no sound that can be decoded; try another copy.")
            raise UserError(
                f"{self.path} is {position / SAMPLE_RATE:.1f} s long; "
                f"--start {self.start:g} lies past its end."
            )

    def _note_if_short(self, heard: float) -> None:
        if self.length is not None and heard < 0.98 * self.length - 0.5:
            self.damage.append(f"it is cut short: {heard:.1f} s of {self.length:.1f} s could be read")

    def _decode(self) -> Iterator[np.ndarray]:
        broken, shape = 0, None
        resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)
        with closing(self._open()) as container:
            stream = container.streams.audio[0]
            stream.codec_context.thread_type = "AUTO"
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    for frame in packet.decode():
                        former, shape = shape, (frame.format.name, frame.layout.name, frame.sample_rate)
                        # Where files were joined, or a programme began, the sound may be of another kind.
                        if former not in (None, shape):
                            yield from self._resample(resampler, None)
                            resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)
                        yield from self._resample(resampler, frame)
                except av.FFmpegError:
                    broken += 1
                    if broken > 100:
                        break
            yield from self._resample(resampler, None)
        if broken:
            self.damage.append(f"{broken} of its packets are broken and were left out")

    def _resample(self, resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        if frame is not None and frame.format.name.startswith(("flt", "dbl")):
            self._silence_not_numbers(frame)
        for resampled in resampler.resample(frame):
            if resampled.samples:
                yield np.ascontiguousarray(resampled.to_ndarray().T, np.float32)

    def _silence_not_numbers(self, frame: av.AudioFrame) -> None:
        """Before resampling, which would smear one bad sample over many."""
        dtype = np.float32 if frame.format.name.startswith("flt") else np.float64
        for plane in frame.planes:
            samples = np.frombuffer(memoryview(plane), dtype)
            bad = ~np.isfinite(samples)
            if bad.any():
                self._not_numbers += int(bad.sum())
                plane.update(np.where(bad, 0, samples).astype(dtype).tobytes())


def mono(stereo: np.ndarray) -> np.ndarray:
    """[n, 2] to [n]: the mean of both channels."""
    return stereo.mean(axis=1)
