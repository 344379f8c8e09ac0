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

from visualizer.audio.media import open_media
from visualizer.errors import UserError
from visualizer.files import reason

HD_HEIGHT = 720
UNSPECIFIED = 2


class VideoReader:
    """An open video file, read frame by frame. A context manager."""

    def __init__(self, path: Path | str):
        """Raises UserError if the file is missing or holds no video."""
        self.path = Path(path)
        if self.path.is_dir():
            raise UserError(f"{path} is a folder; give a video file.")
        if not self.path.exists():
            raise UserError(f"{path}: no such file; check the name.")
        try:
            self.container = open_media(path)
        except PermissionError:
            raise UserError(f"{path} can't be read; check its permissions.") from None
        except (av.FFmpegError, OSError) as error:
            raise UserError(f"{path} is not a video that FFmpeg can read ({reason(error)}).") from None
        covers = av.stream.Disposition.attached_pic
        streams = [s for s in self.container.streams.video if not s.disposition & covers]
        if not streams:
            self.container.close()
            raise UserError(f"{path} holds no video; give a file with moving pictures.")
        self.stream = streams[0]
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.n_frames = 0
        self.time = 0.0

    @property
    def expected_frames(self) -> int | None:
        """How many frames the header promises; None if it doesn't say."""
        if self.stream.frames:
            return self.stream.frames
        if self.stream.duration:
            return round(self.stream.duration * self.time_base * self.rate)
        if self.container.duration:
            return round(self.container.duration / av.time_base * self.rate)
        return None

    def packets(self) -> Iterator[av.Packet]:
        """The packets of the video and of all sound, as they lie in the file."""
        try:
            yield from self.container.demux(self.stream, *self.container.streams.audio)
        except (av.FFmpegError, OSError):
            # A file that was cut short ends here.
            return

    def frames(self, packet: av.Packet) -> Iterator[tuple[av.VideoFrame, torch.Tensor, float]]:
        """Decode: (frame, [h, w, 3] uint8 sRGB, seconds since the frame before); broken ones are left out."""
        with suppress(av.InvalidDataError):
            for frame in packet.decode():
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
        """Raises UserError if there was nothing to see."""
        if self.n_frames == 0:
            raise UserError(f"{self.path} holds no picture that can be decoded; give another video.")

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()
