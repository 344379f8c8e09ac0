"""Codecs: which H.264 encoder to use, the graphics card's where one works, else x264."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

log = logging.getLogger("visualizer")
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
# Of hardware encoders, and of streams, at the most: bits for a pixel of each frame.
BITS = 0.1
# A card that encodes leaves the processor alone; so do cores that nobody needs. Else half the rate will do.
MANY_CORES = 4
FAST, SLOW = Fraction(60), Fraction(30)
# A receiver of a stream, and whoever seeks in a file, waits so long for a whole picture at the most.
WHOLE_S = 2
# (encoder, kind of device that frames are to be brought to, its own options): NVIDIA, Apple, Intel, AMD on
# Windows, whatever Linux drives, and whatever Windows does.
HARDWARE: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("h264_nvenc", "", {"preset": "p4", "rc": "vbr"}),
    ("h264_videotoolbox", "", {"realtime": "1"}),
    ("h264_qsv", "", {}),
    ("h264_amf", "", {}),
    ("h264_vaapi", "vaapi", {}),
    ("h264_mf", "", {"hw_encoding": "1"}),
)
# What cards take at the least; smaller is no work for the processor either.
SMALLEST = (256, 144)


@dataclass(frozen=True)
class Codec:
    """An encoder and its settings. format: of the pixels it takes. device: kind that it runs on, "" for the
    encoder's own; bit_rate: 0 is as many as its options say."""

    name: str = "libx264"
    options: dict[str, object] = field(default_factory=lambda: dict(X264))
    format: str = "yuv420p"
    device: str = ""
    bit_rate: int = 0

    def add_to(self, container: av.container.OutputContainer, fps: Fraction) -> av.VideoStream:
        """Another stream of a container."""
        if self.device:
            from av.codec.hwaccel import HWAccel

            card = HWAccel(self.device, allow_software_fallback=False)
            stream = container.add_stream(self.name, rate=fps, hwaccel=card)
        else:
            stream = container.add_stream(self.name, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = self.format
        stream.options = self.options
        if self.bit_rate:
            stream.bit_rate = self.bit_rate
        return stream


def live_codec(size: tuple[int, int], fps: Fraction | None, streams: bool) -> tuple[Codec, Fraction]:
    """The encoder for a show, and how many frames a second to encode: those asked for, or what it can do.

    streams: whether what comes out must be even, for a line of limited rate. Encoders are tried.
    """
    for codec in hardware(size, fps or FAST):
        if works(codec, size, fps or FAST):
            log.info("encoding by %s", codec.name)
            return codec, fps or FAST
    fps = fps or usual_rate()
    most = bits(size, fps) if streams else 0
    limits = {"maxrate": str(most), "bufsize": str(2 * most)} if streams else {}
    # The show has threads enough of its own.
    threads = {"threads": str(max(1, min(4, (os.cpu_count() or 1) - 1)))}
    return Codec(options=X264 | limits | threads | {"g": str(round(WHOLE_S * fps))}), fps


def usual_rate() -> Fraction:
    """Frames a second that the processor has time for, besides the show."""
    return FAST if (os.cpu_count() or 1) >= MANY_CORES else SLOW


def hardware(size: tuple[int, int], fps: Fraction) -> Iterator[Codec]:
    """Encoders that might be there."""
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        return
    whole = {"g": str(round(WHOLE_S * fps))}
    for name, device, options in HARDWARE:
        if name in av.codecs_available:
            yield Codec(name, options | whole, "nv12", device, bits(size, fps))


def bits(size: tuple[int, int], fps: Fraction) -> int:
    """Bits a second that suit such frames."""
    return round(BITS * size[0] * size[1] * fps)


def works(codec: Codec, size: tuple[int, int], fps: Fraction) -> bool:
    """Whether it encodes: it is opened and given frames."""
    try:
        with av.logging.Capture(), av.open(io.BytesIO(), "w", format="matroska") as container:
            stream = codec.add_to(container, fps)
            stream.width, stream.height = size
            grey = np.full((size[1], size[0], 3), 128, np.uint8)
            packets = []
            for number in range(3):
                frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=codec.format)
                frame.pts, frame.time_base = number, 1 / fps
                packets += stream.encode(frame)
            return bool(packets + stream.encode(None))
    except Exception as error:  # whatever drivers come up with
        log.info("%s does not work here: %s", codec.name, error)
        return False
