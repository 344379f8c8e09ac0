"""Framing: how a square picture fills a frame of any shape."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

# The generator's zero padding tinges its outermost pixels, which reflection would double to a line.
MARGIN = 4
Pixels = TypeVar("Pixels", np.ndarray, torch.Tensor)


def frame_shape(size: int, aspect: float, fit: str) -> tuple[int, int]:
    """(height, width) of the frame that `frame` makes of pictures of a size, in pixels."""
    size -= 2 * MARGIN
    if fit == "fill":
        return (size, round(size * aspect)) if aspect < 1 else (round(size / aspect), size)
    return (round(size / aspect), size) if aspect < 1 else (size, round(size * aspect))


def middle(pixels: Pixels, aspect: float) -> Pixels:
    """As much of the middle of a frame [h, w, c] as has that width / height; a view of it."""
    height, width = pixels.shape[:2]
    high, wide = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - high) // 2, (width - wide) // 2
    return pixels[top : top + high, left : left + wide]


def _mirrored(picture: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """As long as that on an axis: before and after the picture come its reflections."""
    if (size := picture.shape[axis]) == length:
        return picture
    before, after = (length - size) // 2, (length - size + 1) // 2
    if after > size:
        flipped = picture.flip(axis)
        return _mirrored(torch.cat([flipped, picture, flipped], axis), axis, length)
    first, last = picture.narrow(axis, 0, before), picture.narrow(axis, size - after, after)
    return torch.cat([first.flip(axis), picture, last.flip(axis)], axis)


def frame(picture: torch.Tensor, aspect: float, fit: str) -> torch.Tensor:
    """A square picture [s, s, 3] to [h, w, 3] of about the given aspect (width / height), on its device.

    fit: "mirror" continues the picture by its reflections, "fill" crops it, "fit" adds black bars.
    """
    shape = frame_shape(len(picture), aspect, fit)
    picture = picture[MARGIN:-MARGIN, MARGIN:-MARGIN]
    size = len(picture)
    if fit == "fill":
        return middle(picture, aspect).contiguous()
    if fit == "fit":
        bars = torch.zeros(*shape, 3, dtype=picture.dtype, device=picture.device)
        top, left = ((side - size) // 2 for side in shape)
        bars[top : top + size, left : left + size] = picture
        return bars
    return _mirrored(_mirrored(picture, 0, shape[0]), 1, shape[1])
