"""Stills: single pictures from a show, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from visualizer.common.errors import UserError


def save_still(pixels: np.ndarray, folder: Path) -> Path:
    """Write [h, w, 3] uint8 as the next free visualizer-NNNN.png of a folder; nothing is overwritten.

    Raises UserError if the folder can't be written.
    """
    number = 1
    while True:
        path = folder / f"visualizer-{number:04}.png"
        try:
            with path.open("xb") as file:
                try:
                    Image.fromarray(pixels).save(file, "png")
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
            return path
        except FileExistsError:
            number += 1
        except OSError as error:
            where = "the current folder" if folder == Path() else folder
            raise UserError(
                f"the still can't be saved in {where} ({error.strerror}); start from a folder of yours."
            ) from None


def read_still(path: Path) -> np.ndarray:
    """A picture file as [256, 256, 3] uint8. Raises UserError if it isn't one."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((256, 256)))
    except OSError as error:
        raise UserError(f"{path} is no picture ({error}); mend it or take it away.") from None
