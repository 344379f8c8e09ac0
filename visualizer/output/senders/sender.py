"""What all senders have in common: frames of one size, enlarged and sharpened as the window's are."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.output.outlet import Receiver
from visualizer.picture.framing import middle
from visualizer.picture.sharpening import Sharpening

# By which other programs know it.
NAME = "visualizer"
# None of them wants more.
RATE = 60


class Sender(Receiver):
    """A receiver that hands frames of one size to another program; a base.

    size: width and height in pixels, even. kind: as it is asked for, and the name of the extra that has its
    package; module: what is imported of that. only: the one system that has it, as Python and as people
    call it, and what to use on another; empty if all have it.
    """

    rate = float(RATE)
    kind = module = package = ""
    only: tuple[str, str, str] | None = None

    def __init__(self, size: tuple[int, int]):
        """size: width and height in pixels. Raises UserError on a system that doesn't have it, and without
        its package."""
        self.size = size[0] // 2 * 2, size[1] // 2 * 2
        self._library = self.library()
        self._sharpen = Sharpening()

    def show(self, pixels: np.ndarray, when: float) -> None:
        # A window may have another shape by now.
        sharp = middle(self._sharpen(pixels), self.size[0] / self.size[1])
        # Of four channels that come last, torch is several times as fast.
        rgbx = np.full((*sharp.shape[:2], 4), 255, np.uint8)
        rgbx[..., :3] = sharp
        planes = torch.from_numpy(rgbx)[None].permute(0, 3, 1, 2)
        large = F.interpolate(planes, self.size[::-1], mode="bicubic", antialias=True)
        self.send(large[0].permute(1, 2, 0).contiguous().numpy(), when)

    def send(self, pixels: np.ndarray, when: float) -> None:
        """Hand over a frame [h, w, 4] uint8 of its size, RGB and 255."""
        raise NotImplementedError

    @classmethod
    def library(cls, module: str = "") -> ModuleType:
        """Its package, or another module of that. Raises UserError as the class does."""
        if cls.only is not None and cls.only[0] != sys.platform:
            _, system, other = cls.only
            raise UserError(f"{cls.name} is of {system} alone; elsewhere use --send ndi, or {other}.")
        return wanted(module or cls.module, cls.package, f"--send {cls.kind}", cls.kind)

    @classmethod
    def lacks(cls) -> str:
        """Why it can't be sent to on this machine, a sentence; "" if it can, as far as can be told before."""
        try:
            cls.library()
        except UserError as error:
            return str(error)
        return ""
