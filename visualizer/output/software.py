"""Upscaling on the processor, for OpenGL that is software: its shaders take ten times longer than torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.output.graphics import Blit
from visualizer.picture.sharpening import Sharpening


class SoftwareUpscaler:
    """Sharpens a picture, enlarges it by Catmull-Rom splines and copies it into the window."""

    def __init__(self) -> None:
        self._sharpen = Sharpening()
        self._picture = torch.zeros(0, 0, 4, dtype=torch.uint8)  # sharpened, BGRA
        self._blit = Blit()
        self._enlarged_to: tuple[int, int] | None = None

    def upload(self, picture: np.ndarray) -> None:
        """The picture to draw from now on, [h, w, 3] uint8 sRGB."""
        sharp = self._sharpen(picture)
        if self._picture.shape[:2] != sharp.shape[:2]:
            self._picture = torch.full((*sharp.shape[:2], 4), 255, dtype=torch.uint8)
        bgra = self._picture.numpy()
        # One channel after the other: numpy takes three times longer to turn them round in one go.
        for i in range(3):
            bgra[..., i] = sharp[..., 2 - i]
        self._enlarged_to = None

    def draw(self, width: int, height: int) -> None:
        """Fill the window, of a size in pixels; what doesn't fit is cropped on both sides."""
        if self._enlarged_to != (width, height):
            self._blit.upload(self._enlarge(width, height))
            self._enlarged_to = (width, height)
        self._blit.draw(width, height)

    def _enlarge(self, width: int, height: int) -> np.ndarray:
        """[h, w, 4] uint8: the picture, just large enough to cover the window."""
        h, w, _ = self._picture.shape
        scale = max(width / w, height / h)
        # Whole rows and columns that can't be seen are left out.
        top, left = int((h - height / scale) / 2), int((w - width / scale) / 2)
        seen = self._picture[top : h - top, left : w - left].contiguous()
        # As much more than the window on the one side as on the other, so that the middle stays in place.
        size = [n + 2 * round((scale * m - n) / 2) for n, m in zip((height, width), seen.shape, strict=False)]
        # Only with `antialias` are torch's cubics those of Catmull and Rom; channels that are last are fast.
        large = F.interpolate(seen[None].permute(0, 3, 1, 2), size, mode="bicubic", antialias=True)
        return large[0].permute(1, 2, 0).contiguous().numpy()
