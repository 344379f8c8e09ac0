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
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common.errors import UserError
from visualizer.common.files import unwritable

MAX_WIDTH, MAX_HEIGHT = 7680, 4320
# What preset ultrafast leaves out and is worth its time here: deblocking, 8x8 transforms, and B-frames,
# every other frame one, which save nearly as many bits as CABAC for a third of the work. To search further
# for motion finds only chance likenesses in pictures that turn into others; to drop lone coefficients costs
# colour. CRF and not a constant QP, though that is quicker: CRF spends more on soft, dark pictures, where
# blocks show.
X264: dict[str, object] = {
    "preset": "ultrafast",
    "crf": "21",
    "x264-params": "no-deblock=0:8x8dct=1:bframes=1:merange=4:no-dct-decimate=1",
}
# At this bit rate the quick coder is nearer to the sound than the thorough one, in a third of the time, and
# intensity stereo would only lose phases.
AAC: dict[str, object] = {"aac_coder": "fast", "aac_is": "0"}
BT709 = 1
LIMITED_RANGE = 1


# While it grows a file is in fragments of half a second, so that whatever happens, what is there can be
# played. Its index waits for the first of them, to know how far sound and pictures are ahead of each other.
GROWING = {"movflags": "+empty_moov+delay_moov", "frag_duration": "500000", "flush_packets": "1"}
# Browsers need the index first, and one for all.
DONE = {"movflags": "+faststart"}


def tag_colours(context: av.VideoCodecContext) -> None:
    """Say in the file that its colours are BT.709 in limited range, as players expect of HD video."""
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE


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
        self.n_frames = 0
        self.n_samples = 0
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
        self._add_streams()
        # Held, because setting a scaler up takes three times as long as scaling one frame.
        self._scaler = VideoReformatter()
        self._sound = np.empty((0, 2), np.float32)  # for which there are no pictures yet
        self._queue: queue.Queue[np.ndarray | None] = queue.Queue(maxsize=8)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="encoder")
        self._thread.start()

    def _add_streams(self) -> None:
        video = self._container.add_stream("libx264", rate=self.fps)
        video.width, video.height = self.width, self.height
        video.pix_fmt = "yuv420p"
        video.options = X264
        video.time_base = 1 / self.fps
        tag_colours(video.codec_context)
        audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = 192_000
        audio.options = AAC
        self._video, self._audio = video, audio

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
                    self._sound = np.concatenate([self._sound, item])
                else:
                    for picture in item:
                        self._encode_frame(picture)
                    self._encode_sound(round(self.n_frames / self.fps * SAMPLE_RATE))
            except BaseException as error:
                self._error = error
            self.busy += time.perf_counter() - begun

    def _encode_sound(self, end: int | None = None) -> None:
        """Up to a place in samples from the beginning, or all of it."""
        n = None if end is None else max(0, end - self.n_samples)
        block, self._sound = self._sound[:n], self._sound[len(self._sound) if n is None else n :]
        if not len(block):
            return
        planar = np.ascontiguousarray(block.T, np.float32)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self.n_samples
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self.n_samples += len(block)
        self._container.mux(self._audio.encode(frame))

    def _encode_frame(self, picture: np.ndarray) -> None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = self._scaler.reformat(
            frame,
            self.width,
            self.height,
            "yuv420p",
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.BICUBIC,
        )
        frame.pts = self.n_frames
        frame.time_base = 1 / self.fps
        self.n_frames += 1
        self._container.mux(self._video.encode(frame))

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
            if not self.cut:
                self._encode_sound()
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
            self._container.close()
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
