"""Upscaling: a picture of some 256 lines drawn so that it looks good on a wall.

At its own size the picture is freed of the generator's mesh and sharpened, then it is enlarged by
Catmull-Rom splines; both along the rows, then along the columns, because that takes the fewest texels.
Where no graphics card helps and that takes too long, bilinear interpolation enlarges it.
"""

from __future__ import annotations

import logging
import time

import numpy as np
import torch

from visualizer.display.graphics import GL, Canvas, Program, Texture, cover, to_screen
from visualizer.display.interop import CardUpload, NoInterop

log = logging.getLogger("visualizer")
STRENGTH = 0.5
# The most that upscaling may take of a frame's time before the cheap way is chosen.
AFFORDABLE_S = 0.006


class Upscaler:
    """Draws pictures over the whole window, cropped where the shapes differ, never distorted.

    sharp: whether the good way is used; `choose` sets it by the clock. chosen_for: for which window size.
    """

    def __init__(self) -> None:
        self.sharp = True
        self.chosen_for: tuple[int, int] | None = None
        self._picture = Texture(3)
        self._picture.upload(np.zeros((256, 256, 3), np.uint8))
        self._from_card: CardUpload | None = None
        self._on_card = True
        self._rows, self._crisp, self._wide = Canvas(), Canvas(), Canvas()
        self._sharpen = Program("cover.vert", "crisp.frag")
        self._stretch = Program("cover.vert", "stretch.frag")
        self._plain = Program("cover.vert", "plain.frag")

    def upload(self, frame: torch.Tensor | np.ndarray) -> None:
        """The picture to draw from now on, [h, w, 3] uint8 sRGB, on the CPU or on the card."""
        frame = torch.as_tensor(frame)
        if frame.is_cuda and self._on_card:
            try:
                self._from_card = self._from_card or CardUpload(self._picture)
                return self._from_card(frame)
            except NoInterop as reason:
                log.info("frames go through memory: %s", reason)
                self._on_card = False
                self.release()
        self._picture.upload(frame.numpy(force=True))

    @property
    def interop(self) -> bool:
        """Whether frames come from the card without visiting the processor."""
        return self._from_card is not None

    def release(self) -> None:
        """Give back what CUDA holds of the window's; to be called before it closes."""
        if self._from_card is not None:
            self._from_card.release()
            self._from_card = None

    def clear(self, width: int, height: int) -> None:
        """Make the window black."""
        to_screen(width, height)
        GL.glClearColor(0, 0, 0, 1)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)

    def draw(self, width: int, height: int) -> None:
        """Fill the window, of a size in pixels."""
        GL.glDisable(GL.GL_BLEND)
        w, h = self._picture.size
        self._sharpen_along((1.0, 0.0), self._picture, self._rows)
        self._sharpen_along((0.0, 1.0), self._rows.texture, self._crisp)
        # How much of the picture is seen, in texels; the rest is cropped on both sides.
        seen = (h * width / height, float(h)) if w * height > h * width else (float(w), w * height / width)
        if self.sharp:
            self._enlarge_sharply(width, height, seen)
        else:
            self._enlarge_cheaply(width, height, seen)

    def choose(self, width: int, height: int) -> float:
        """Try the good way at a window size and settle on the cheap one if it takes too long.

        Returns the seconds that the good way took. What is in the window is overdrawn.
        """
        took = []
        self.sharp = True
        for _ in range(5):
            GL.glFinish()
            begun = time.perf_counter()
            self.draw(width, height)
            GL.glFinish()
            took.append(time.perf_counter() - begun)
        # The least, because other threads are often in the way.
        self.sharp = min(took) <= AFFORDABLE_S
        self.chosen_for = (width, height)
        return min(took)

    def _sharpen_along(self, along: tuple[float, float], source: Texture, target: Canvas) -> None:
        target.begin(*self._picture.size)
        source.bind()
        self._sharpen.use(along=along, strength=STRENGTH)
        cover()

    # Rows go down in the picture and up in the window: the last pass goes backwards.

    def _enlarge_sharply(self, width: int, height: int, seen: tuple[float, float]) -> None:
        w, h = self._picture.size
        self._wide.begin(width, h)
        self._crisp.texture.bind()
        self._stretch.use(along=(1.0, 0.0), origin=((w - seen[0]) / 2, 0.0), scale=(seen[0] / width, 1.0))
        cover()
        to_screen(width, height)
        self._wide.texture.bind()
        self._stretch.use(along=(0.0, 1.0), origin=(0.0, (h + seen[1]) / 2), scale=(1.0, -seen[1] / height))
        cover()

    def _enlarge_cheaply(self, width: int, height: int, seen: tuple[float, float]) -> None:
        w, h = self._picture.size
        x, y = seen[0] / w, seen[1] / h
        to_screen(width, height)
        self._crisp.texture.bind()
        self._plain.use(origin=((1 - x) / 2, (1 + y) / 2), scale=(x, -y))
        cover()
