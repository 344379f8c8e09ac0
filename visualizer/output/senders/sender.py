"""What all senders have in common: frames of one size, enlarged and sharpened as the window's are."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.output.outlet import Receiver
from visualizer.picture.sharpening import Sharpening

# By which other programs know it.
NAME = "visualizer"
# None of them wants more.
RATE = 60


class Sender(Receiver):
    """A receiver that hands frames of one size to another program; a base.

    size: width and height in pixels, even.
    """

    rate = float(RATE)

    def __init__(self, size: tuple[int, int]):
        self.size = size[0] // 2 * 2, size[1] // 2 * 2
        self._sharpen = Sharpening()

    def show(self, pixels: np.ndarray, when: float) -> None:
        sharp = self._cropped(self._sharpen(pixels))
        # Of four channels that come last, torch is several times as fast.
        rgbx = np.full((*sharp.shape[:2], 4), 255, np.uint8)
        rgbx[..., :3] = sharp
        planes = torch.from_numpy(rgbx)[None].permute(0, 3, 1, 2)
        large = F.interpolate(planes, self.size[::-1], mode="bicubic", antialias=True)
        self.send(large[0].permute(1, 2, 0).contiguous().numpy(), when)

    def send(self, pixels: np.ndarray, when: float) -> None:
        """Hand over a frame [h, w, 4] uint8 of its size, RGB and 255."""
        raise NotImplementedError

    def _cropped(self, pixels: np.ndarray) -> np.ndarray:
        """The middle of a frame, of the shape that is sent: a window may have another by now."""
        height, width, _ = pixels.shape
        aspect = self.size[0] / self.size[1]
        high, wide = min(height, round(width / aspect)), min(width, round(height * aspect))
        top, left = (height - high) // 2, (width - wide) // 2
        return pixels[top : top + high, left : left + wide]


def lacking(module: str, package: str, option: str, extra: str) -> str:
    """Why a package can't be imported, a sentence; "" if it can."""
    try:
        wanted(module, package, option, extra)
    except UserError as error:
        return str(error)
    return ""
