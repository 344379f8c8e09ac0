"""Chained Ogg files: several files one after the other in one, as radio stations and `cat` make them.

FFmpeg stops where the next of them has another rate, or more channels. Each is read by itself here.
"""

from __future__ import annotations

import io
import mmap
import os
from pathlib import Path

# RFC 3533: how a page begins, and where in its header its type and its number of segments stand.
CAPTURE, TYPE, SEGMENTS, HEADER = b"OggS", 5, 26, 27
BEGINS_STREAM = 2


def links(path: Path | str) -> list[tuple[int, int]]:
    """(begin, end) in bytes of each link of an Ogg file's chain; of any other file, none."""
    with open(path, "rb") as file:
        if file.read(len(CAPTURE)) != CAPTURE:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            begins, heading, place = [0], True, 0
            while (place := data.find(CAPTURE, place)) >= 0 and place + HEADER < len(data):
                first = bool(data[place + TYPE] & BEGINS_STREAM)
                # All streams of a link begin together, before any goes on.
                if first and not heading:
                    begins.append(place)
                heading = first
                n_segments = data[place + SEGMENTS]
                table = data[place + HEADER : place + HEADER + n_segments]
                # Past a broken page the search finds the next one.
                place += HEADER + len(table) + sum(table)
            return list(zip(begins, [*begins[1:], len(data)]))


class Link(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, path: Path | str, begin: int, end: int):
        """begin, end: in bytes."""
        self._file = open(path, "rb")  # noqa: SIM115
        self._begin, self._end = begin, end
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        left = self._end - self._file.tell()
        return self._file.read(max(0, left if n < 0 else min(n, left)))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._end}[whence]
        return self._file.seek(max(start + offset, self._begin)) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def close(self) -> None:
        self._file.close()
        super().close()
