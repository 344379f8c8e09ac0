"""Reading video files frame by frame, whatever FFmpeg decodes, with their sound left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace

from visualizer.audio.media import STANDARD_INPUT, Pipe, is_pipe, open_or_explain, title
from visualizer.common.errors import UserError

HD_HEIGHT = 720
UNSPECIFIED = 2


class VideoReader:
    """An open video file, read frame by frame. A context manager.

    rate: frames a second. time: of the last frame, in seconds. damage: what was wrong with the file but left
    something to see, a clause for each kind, complete after `check_seen`.
    """

    def __init__(self, path: Path | str):
        """path: a file, a pipe, "-" for the standard input, or an address.

        Raises UserError if the file is missing or holds no video.
        """
        self.name = title(path)
        if str(path) != STANDARD_INPUT and Path(path).is_dir():
            raise UserError(f"{self.name} is a folder; give a video file.")
        source = Pipe(path) if is_pipe(path) else path
        advice = "convert it to mp4, mov, mkv or webm"
        self.container = open_or_explain(source, self.name, "a video", advice)
        covers = av.stream.Disposition.attached_pic
        streams = [s for s in self.container.streams.video if not s.disposition & covers]
        if not streams:
            self.container.close()
            raise UserError(f"{self.name} holds no video; give a file with moving pictures.")
        self.stream = streams[0]
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.n_frames = 0
        self.time = 0.0
        self.damage: list[str] = []
        self._broken = 0
        # When the last packet ends, in seconds: of the video, and of all there is.
        self._ends = {"video": 0.0, "any": 0.0}

    @property
    def seconds(self) -> float | None:
        """How long the header says that it is; None if it doesn't."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        return self.container.duration / av.time_base if self.container.duration else None

    @property
    def expected_frames(self) -> int | None:
        """How many frames the header promises; None if it doesn't say."""
        if self.stream.frames:
            return self.stream.frames
        return None if self.seconds is None else round(self.seconds * self.rate)

    def packets(self) -> Iterator[av.Packet]:
        """The packets of the video and of all sound, as they lie in the file."""
        # A file that was cut short ends with an error.
        with suppress(av.FFmpegError, OSError):
            for packet in self.container.demux(self.stream, *self.container.streams.audio):
                if packet.pts is not None and packet.time_base:
                    end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    self._ends["any"] = max(self._ends["any"], end)
                    if packet.stream.type == "video":
                        self._ends["video"] = max(self._ends["video"], end)
                yield packet

    def frames(self, packet: av.Packet) -> Iterator[tuple[av.VideoFrame, torch.Tensor, float]]:
        """Decode: (frame, [h, w, 3] uint8 sRGB, seconds since the frame before); broken ones are left out."""
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            self._broken += 1
            return
        for frame in decoded:
            if self.n_frames == 0:
                self.size = frame.height, frame.width
            now = frame.time
            if now is None:
                now = self.time + float(1 / self.rate) if self.n_frames else 0.0
            dt = max(0.0, now - self.time) if self.n_frames else 0.0
            self.time = now if self.n_frames == 0 else self.time + dt
            self.n_frames += 1
            yield frame, self._pixels(frame), dt

    def _pixels(self, frame: av.VideoFrame) -> torch.Tensor:
        unspecified = frame.colorspace == UNSPECIFIED and frame.height >= HD_HEIGHT
        source = Colorspace.ITU709 if unspecified else None
        height, width = self.size
        picture = frame.to_ndarray(format="rgb24", width=width, height=height, src_colorspace=source)
        return torch.from_numpy(np.ascontiguousarray(picture))

    def check_seen(self) -> None:
        """To be called at the end. Raises UserError if there was nothing to see."""
        if self.n_frames == 0:
            raise UserError(f"{self.name} holds no picture that can be decoded; give another video.")
        if self._broken:
            self.damage.append(f"{self._broken} of its packets are broken and were left out")
        # Some files tell how long each stream is, others only how long the longest is: something is missing
        # only where both the pictures and the whole end early.
        promised = {"video": self.seconds, "any": (self.container.duration or 0) / av.time_base or None}
        short = [s is not None and self._ends[what] < 0.98 * s - 0.5 for what, s in promised.items()]
        if all(short):
            self.damage.append(f"it ends after {self._ends['any']:.1f} s of {promised['any']:.1f} s")

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()
