"""Video files: H.264 and AAC in MP4, as browsers and phones play them."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common.errors import UserError
from visualizer.common.files import unwritable
from visualizer.output.codecs import Codec
from visualizer.output.film import Film

MAX_WIDTH, MAX_HEIGHT = 7680, 4320
# While it grows a file is in fragments of half a second, so that whatever happens, what is there can be
# played. Its index waits for the first of them, to know how far sound and pictures are ahead of each other.
GROWING = {"movflags": "+empty_moov+delay_moov", "frag_duration": "500000", "flush_packets": "1"}
# Browsers need the index first, and one for all.
DONE = {"movflags": "+faststart"}


def check_size(width: int, height: int) -> None:
    """Raises UserError for a frame size that H.264 players can't show."""
    if not (16 <= width <= MAX_WIDTH and 16 <= height <= MAX_HEIGHT):
        raise UserError(
            f"--size {width}x{height} is out of range; choose 16x16 to {MAX_WIDTH}x{MAX_HEIGHT}, "
            f"e.g. 1280x720."
        )
    if width % 2 or height % 2:
        even = f"{width + width % 2}x{height + height % 2}"
        raise UserError(f"--size {width}x{height} is odd, but video needs even numbers; use {even}.")


def check_path(path: Path) -> None:
    """Raises UserError for a path that can't be a video's."""
    if path.suffix.lower() != ".mp4":
        raise UserError(f"{path}: the video's name must end in .mp4; add it.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a file name ending in .mp4.")


class VideoWriter:
    """Writes frames and sound on a thread of its own, so that drawing and encoding overlap.

    A context manager. The file appears under its name only when it is complete; after an error nothing is
    left of it. Before that it grows beside it, under a hidden name, and can be played as far as it goes.

    cut: to be set where it was stopped early; then sound and pictures end together.
    """

    def __init__(self, path: Path | str, width: int, height: int, fps: Fraction, comment: str = ""):
        """Raises UserError if the path can't be written or the size is out of range."""
        check_size(width, height)
        self.path = Path(path)
        check_path(self.path)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self.width, self.height, self.fps = width, height, fps
        self.cut = False
        self.busy = 0.0
        """Seconds that the encoding thread has worked."""
        try:
            self._part.touch()
            # What comes before a colon in a relative name would be taken for a protocol.
            self._container = av.open(os.path.abspath(self._part), "w", format="mp4", options=GROWING)
        except (OSError, av.FFmpegError) as error:
            raise unwritable(self.path, error) from None
        self._container.metadata["comment"] = comment
        self._film = Film(self._container, Codec(), (width, height), fps, SAMPLE_RATE)
        self._queue: queue.Queue[np.ndarray | None] = queue.Queue(maxsize=8)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="encoder")
        self._thread.start()

    def add_sound(self, block: np.ndarray) -> None:
        """Append stereo samples [n, 2] float32, -1..1, at 44.1 kHz."""
        if len(block):
            self._put(block)

    def add_frames(self, frames: np.ndarray) -> None:
        """Append frames [n, h, w, 3] uint8 sRGB of any size; they are scaled to the video's."""
        self._put(frames)

    def _put(self, item: np.ndarray | None) -> None:
        self._raise_error()
        self._queue.put(item)

    def _raise_error(self) -> None:
        if isinstance(self._error, (OSError, av.FFmpegError)):
            raise unwritable(self.path, self._error) from None
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # keep emptying the queue, so that nobody waits
            begun = time.perf_counter()
            try:
                if item.ndim == 2:
                    self._film.add_sound(item)
                else:
                    for picture in item:
                        self._film.add_picture(picture)
                    self._film.add_due_sound()
            except BaseException as error:
                self._error = error
            self.busy += time.perf_counter() - begun

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is not None or self._error is not None:
            self._discard()
            if error is None:
                self._raise_error()
            return
        try:
            self._film.finish(self.cut)
            self._put_index_first()
            os.replace(self._part, self.path)
        except (OSError, av.FFmpegError) as failure:
            self._discard()
            raise unwritable(self.path, failure) from None

    def _put_index_first(self) -> None:
        """Packets into another file, as they are. Without room for that, it can be played from fragments."""
        whole = self._part.with_name(self._part.name + ".mp4")
        try:
            with (
                av.open(os.path.abspath(self._part), "r") as source,
                av.open(os.path.abspath(whole), "w", format="mp4", options=DONE) as target,
            ):
                target.metadata["comment"] = source.metadata.get("comment", "")
                streams = [target.add_stream_from_template(stream) for stream in source.streams]
                for packet in source.demux():
                    if packet.dts is not None:
                        packet.stream = streams[packet.stream.index]
                        target.mux(packet)
            os.replace(whole, self._part)
        except (OSError, av.FFmpegError):
            whole.unlink(missing_ok=True)

    def _discard(self) -> None:
        with contextlib.suppress(OSError, av.FFmpegError):
            self._container.close()
        self._part.unlink(missing_ok=True)
