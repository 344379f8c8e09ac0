"""Opening media files for reading, whatever their tags are written in."""

from __future__ import annotations

from pathlib import Path

import av

# PyAV refused a whole file for a tag that is not UTF-8, as old WAV and AVI files have them, until
# version 19 put up with them and dropped the argument.
_LENIENT = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}


def open_media(path: Path | str) -> av.container.InputContainer:
    """A container to read from. Raises what `av.open` raises."""
    return av.open(str(path), **_LENIENT)
