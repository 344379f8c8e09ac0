"""How long the sound of a file is: as its header has it, if that can be believed, or found out.

Many a length is only estimated from the bit rate, or is that of the longest of several streams.
"""

from __future__ import annotations

import os
import re
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import av

from visualizer.audio.media import is_address, open_media

# By FFmpeg's names of formats: they count the frames of sound, or say how many bytes of it there are.
EXACT = {"wav", "w64", "rf64", "aiff", "au", "caf", "flac", "ogg", "wv", "tta", "tak", "ape", "mpc", "mpc8"}
EXACT |= {"mov,mp4,m4a,3gp,3g2,mj2", "dsf", "iff"}
# Nothing but packets of sound: all of them must be counted, which takes 25 µs each.
RAW = {"mp3", "aac", "ac3", "eac3", "dts", "truehd", "mlp", "amr", "adts", "loas", "latm"}
# A larger file than this many bytes is not read twice.
LARGE = 2**29
# A header written before its sound has the largest number in it that fits.
PLACEHOLDER = 0x7FFF0000
# Where in an MP3's first frame an encoder says how many frames there are.
XING = re.compile(rb"\xff[\xe2-\xff].{2,40}?(?:Xing|Info|VBRI)", re.DOTALL)


@dataclass(frozen=True)
class Length:
    """seconds: from where the file begins to where its sound ends, None if nobody knows.

    exact: whether a file that holds less was cut short.
    """

    seconds: float | None
    exact: bool = False


UNKNOWN = Length(None)


def origin(container: av.container.InputContainer) -> float:
    """The time stamp, in seconds, at which a file begins to be played."""
    return (container.start_time or 0) / av.time_base


def promised(container: av.container.InputContainer, path: Path | str | None = None) -> Length:
    """What a header says, as far as it can be believed. path: of the file, if it is one."""
    stream, name = container.streams.audio[0], container.format.name
    if name.startswith("matroska"):
        return _tagged(container, stream)
    if not (stream.duration and stream.time_base):
        return UNKNOWN
    if name not in EXACT and not (name == "mp3" and path is not None and _counts_frames(path)):
        return UNKNOWN
    length = float(stream.duration * stream.time_base)
    context = stream.codec_context
    if name in ("wav", "aiff", "au") and length * (context.bit_rate or 0) / 8 >= PLACEHOLDER > container.size:
        return UNKNOWN
    late = float((stream.start_time or 0) * stream.time_base) - origin(container)
    # A little earlier than the file itself is what an encoder put in front, and players leave out.
    return Length(length + (late if late > 0.05 and name.startswith("mov") else 0.0), True)


def _tagged(container: av.container.InputContainer, stream: av.AudioStream) -> Length:
    """Matroska's own length is the longest stream's, but most programs note each one's, too."""
    tags = {name.upper(): value for name, value in stream.metadata.items()}
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tags.get("DURATION", "").strip("\0 "))
    if not found:
        return UNKNOWN
    hours, minutes, seconds = (float(part) for part in found.groups())
    return Length(3600 * hours + 60 * minutes + seconds - origin(container), True)


def _counts_frames(path: Path | str) -> bool:
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        return bool(XING.search(file.read(4096)))


def measured(path: Path | str) -> Length:
    """Found out without decoding: by all packets of a sound file, or the last time stamp of another."""
    if is_address(path):
        return UNKNOWN
    end = None
    with suppress(av.FFmpegError, OSError), closing(open_media(path)) as container:
        if container.format.name in RAW | EXACT:
            return Length(_end(container, count=True))
        if container.duration:
            container.seek(container.duration + (container.start_time or 0))
        end = _end(container)
    # Where others outlast the sound, nothing of it comes after the last place to begin from.
    if end is None and os.path.getsize(path) < LARGE:
        with suppress(av.FFmpegError, OSError), closing(open_media(path)) as container:
            end = _end(container)
    return Length(end)


def _end(container: av.container.InputContainer, count: bool = False) -> float | None:
    """Seconds from the file's beginning to the end of the last packet; None if no more come from here on.

    count: add up how long packets are, instead of reading time stamps.
    """
    begun, counted, end = origin(container), 0.0, 0.0
    for packet in container.demux(audio=0):
        if packet.time_base and packet.pts is not None:
            lasts = packet.duration or 0
            counted += float(lasts * packet.time_base)
            end = max(end, float((packet.pts + lasts) * packet.time_base) - begun)
    return (counted if count else end) or None
