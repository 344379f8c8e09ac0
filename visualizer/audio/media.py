"""Opening media files for reading, whatever their tags are written in."""

from __future__ import annotations

from pathlib import Path

import av

# PyAV refuses a whole file for a tag that is not UTF-8, as old WAV and AVI files have them; since
# version 19 it puts up with them, and has dropped the argument.
STRICT = int(av.__version__.split(".")[0]) < 19


def open_media(path: Path | str) -> av.container.InputContainer:
    """A container to read from. Raises what `av.open` raises."""
    if STRICT:
        return av.open(str(path), "r", metadata_errors="replace")
    return av.open(str(path), "r")
