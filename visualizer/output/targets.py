"""Targets: what a show can be recorded to and streamed to, by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from visualizer.common.errors import UserError
from visualizer.common.files import check_writable

# While they grow, films are in pieces of half a second, so that whatever happens, what is there can be
# played. An MP4's index waits for the first of them, to know how far sound and pictures are ahead of each
# other; at the end the pieces become one, in place.
PIECE_MS = 500
IN_PIECES = {"movflags": "+hybrid_fragmented+delay_moov", "frag_duration": str(1000 * PIECE_MS)}
FILES: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", IN_PIECES),
    ".mov": ("mov", IN_PIECES),
    ".mkv": ("matroska", {"cluster_time_limit": str(PIECE_MS)}),
}
# Players begin a few pieces before the newest; older ones are deleted, so that no disk fills up.
HLS = {"hls_time": "2", "hls_list_size": "8", "hls_flags": "delete_segments+independent_segments"}
STREAMS: dict[str, tuple[str, dict[str, str]]] = {
    "rtmp": ("flv", {"flvflags": "no_duration_filesize"}),
    "rtmps": ("flv", {"flvflags": "no_duration_filesize"}),
    "srt": ("mpegts", {}),
    "udp": ("mpegts", {}),
    "tcp": ("mpegts", {}),
}
# Of a transport stream in a datagram.
DATAGRAM = 7 * 188


@dataclass(frozen=True)
class Target:
    """Where a film goes. address: a file's path, or a URL; format, options: of FFmpeg's muxer for it;
    streams: whether it is sent as it is made, so that its rate must be even."""

    address: str
    format: str
    options: dict[str, str]
    streams: bool

    @property
    def shown(self) -> str:
        """The address without what is nobody's business, such as a stream's key."""
        if "://" not in self.address:
            return self.address
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc.rsplit('@')[-1]}"


def recording(path: Path | str) -> Target:
    """A file to record to. Raises UserError for a name that can't be one, or where none can be written."""
    path = Path(path)
    known = FILES.get(path.suffix.lower())
    if known is None:
        raise UserError(f"{path}: a recording's name must end in .mp4, .mov or .mkv; change it.")
    check_writable(path)
    # What comes before a colon in a relative name would be taken for a protocol.
    return Target(os.path.abspath(path), *known, streams=False)


def stream(address: str) -> Target:
    """Where to stream to. Raises UserError if that is no address for it."""
    if "://" not in address and address.lower().endswith(".m3u8"):
        check_writable(address)
        return Target(os.path.abspath(address), "hls", HLS, streams=True)
    parts = urlsplit(address)
    known = STREAMS.get(parts.scheme)
    try:
        complete = bool(parts.hostname and (parts.port or parts.scheme.startswith("rtmp")))
    except ValueError:  # a port that is none
        complete = False
    if known is None or not complete:
        raise UserError(
            f"{address!r} is nothing to stream to; write it like rtmp://host/app/key, srt://host:port, "
            f"udp://host:port or folder/show.m3u8."
        )
    if parts.scheme == "udp" and not parts.query:
        address += f"?pkt_size={DATAGRAM}"
    return Target(address, *known, streams=True)


def free_path(path: Path, numbered: bool = False) -> Path:
    """The path, or if there is such a file, the next of its name that is free: show-0002.mp4. numbered: the
    first has a number, too."""
    number, free = 1, path
    while numbered or free.exists():
        number += not numbered
        free, numbered = path.with_stem(f"{path.stem}-{number:04}"), False
    return free


def even_size(width: int, height: int, most: tuple[int, int]) -> tuple[int, int]:
    """A film's size for a window's: even, of nearly its shape, within `most` either way round."""
    long, short = most
    scale = min(1.0, long / max(width, height), short / min(width, height))
    wide, high = (max(16, 2 * round(scale * side / 2)) for side in (width, height))
    return wide, high
