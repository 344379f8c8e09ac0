"""Framing: how a square picture fills a frame of any shape."""

from __future__ import annotations

import numpy as np

# The generator's zero padding tinges its outermost pixels, which reflection would double to a line.
MARGIN = 4


def frame(pictures: np.ndarray, aspect: float, fit: str) -> np.ndarray:
    """Square pictures [n, s, s, 3] to [n, h, w, 3] of about the given aspect (width / height).

    fit: "mirror" continues the picture by its reflections, "fill" crops it, "fit" adds black bars.
    """
    pictures = pictures[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    size = pictures.shape[1]
    if fit == "fill":
        height, width = (size, round(size * aspect)) if aspect < 1 else (round(size / aspect), size)
        top, left = (size - height) // 2, (size - width) // 2
        return pictures[:, top : top + height, left : left + width]
    height, width = (round(size / aspect), size) if aspect < 1 else (size, round(size * aspect))
    rows, columns = height - size, width - size
    margins = [
        (0, 0),
        (rows // 2, rows - rows // 2),
        (columns // 2, columns - columns // 2),
        (0, 0),
    ]
    return np.pad(pictures, margins, mode="symmetric" if fit == "mirror" else "constant")
