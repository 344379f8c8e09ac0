"""Film: pictures at equal distances and their sound, encoded into one container: H.264 and AAC."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

if TYPE_CHECKING:
    from visualizer.output.codecs import Codec

# At this bit rate the quick coder is nearer to the sound than the thorough one, in a third of the time, and
# intensity stereo would only lose phases.
AAC: dict[str, object] = {"aac_coder": "fast", "aac_is": "0"}
AAC_RATE = 192_000
# A sample may be so far beyond full scale; AAC's encoder looks for ever for the scale of much more.
LOUDEST = 8.0
BT709 = 1
LIMITED_RANGE = 1


def tag_colours(context: av.VideoCodecContext) -> None:
    """Say in the file that its colours are BT.709 in limited range, as players expect of HD video."""
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE


class Film:
    """Encodes into a container that is open for writing; for one thread at a time.

    n_frames, n_samples: encoded so far. Sound waits for the pictures that it belongs to. All raise
    av.FFmpegError or OSError for what the container's file or its receiver can't take.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: Codec,
        size: tuple[int, int],
        fps: Fraction,
        sr: int,
    ):
        """size: width and height in pixels, even; fps: frames, sr: samples a second."""
        self.size, self.fps, self.sr = size, fps, sr
        self.n_frames = self.n_samples = 0
        self._container = container
        self._video = codec.add_to(container, fps)
        self._video.width, self._video.height = size
        self._video.time_base = 1 / fps
        self._format = codec.format
        tag_colours(self._video.codec_context)
        self._audio = container.add_stream("aac", rate=sr, layout="stereo")
        self._audio.bit_rate = AAC_RATE
        self._audio.options = AAC
        # Held, because setting a scaler up takes three times as long as scaling one frame.
        self._scaler = VideoReformatter()
        self._last: av.VideoFrame | None = None
        self._waiting = np.empty((0, 2), np.float32)  # sound for which there are no pictures yet

    def add_sound(self, block: np.ndarray) -> None:
        """Append stereo samples [n, 2] float32, -1..1."""
        self._waiting = np.concatenate([self._waiting, block])

    def add_picture(self, picture: np.ndarray) -> None:
        """Append a picture [h, w, 3] uint8 sRGB of any size; it is scaled to the film's."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._last = self._scaler.reformat(
            frame,
            *self.size,
            self._format,
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.BICUBIC,
        )
        self.add_again()

    def add_again(self) -> None:
        """Append the last picture once more."""
        assert self._last is not None, "there was no picture yet"
        self._last.pts = self.n_frames
        self._last.time_base = 1 / self.fps
        self.n_frames += 1
        self._container.mux(self._video.encode(self._last))

    def add_due_sound(self) -> None:
        """Encode the sound that belongs to the pictures so far."""
        self._encode_sound(max(0, round(self.n_frames / self.fps * self.sr) - self.n_samples))

    def finish(self, cut: bool = False) -> None:
        """Encode what waits, and close the container. cut: let the sound end with the pictures."""
        if not cut:
            self._encode_sound(len(self._waiting))
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))
        self._container.close()

    def _encode_sound(self, n: int) -> None:
        block, self._waiting = self._waiting[:n], self._waiting[n:]
        if not len(block):
            return
        loud = np.clip(np.nan_to_num(block.T), -LOUDEST, LOUDEST)
        planar = np.ascontiguousarray(loud, np.float32)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
        frame.sample_rate = self.sr
        frame.pts = self.n_samples
        frame.time_base = Fraction(1, self.sr)
        self.n_samples += len(block)
        self._container.mux(self._audio.encode(frame))
