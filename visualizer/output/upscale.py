"""Upscaling: a picture of some 256 lines drawn so that it looks good on a wall.

At its own size the picture is freed of the generator's mesh and sharpened, then it is enlarged by
Catmull-Rom splines; both along the rows, then along the columns, because that takes the fewest texels.
Where no graphics card helps, the processor does the same without shaders; where that takes too long as well,
bilinear interpolation enlarges the picture.
"""

from __future__ import annotations

import logging
import time
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from visualizer.output.graphics import GL, Canvas, Program, Texture, cover, to_screen

if TYPE_CHECKING:
    # The window is there before torch has been loaded.
    import torch

    from visualizer.output.interop import CardUpload
    from visualizer.output.software import SoftwareUpscaler

log = logging.getLogger("visualizer")
STRENGTH = 0.5
Way = Literal["processor", "splines", "bilinear"]
"""How pictures are enlarged: by splines on the processor, by splines in shaders, or by bilinear filtering."""
# In the order in which `choose` tries them.
WAYS: tuple[Way, ...] = get_args(Way)
# How often it tries each; the quickest counts, because other threads are often in the way.
TRIES = 5
# A way that takes so many times as long as the best gets no further try.
HOPELESS = 2
# The most that upscaling may take of a frame's time before a cheaper way is tried.
AFFORDABLE_S = 0.008


class Upscaler:
    """Draws pictures over the whole window, cropped where the shapes differ, never distorted.

    way: how; to be set before a picture is uploaded. A graphics card's own is by splines; `choose` finds that
    of software OpenGL. chosen_for: for which window size it did.
    """

    def __init__(self, interop: bool = True) -> None:
        """interop: whether frames on a card may come to OpenGL without visiting the processor."""
        self.way: Way = "splines"
        self.chosen_for: tuple[int, int] | None = None
        self._picture = Texture(3)
        self._picture.upload(np.zeros((256, 256, 3), np.uint8))
        self._from_card: CardUpload | None = None
        self._on_card = interop
        self._rows, self._crisp, self._wide = Canvas(), Canvas(), Canvas()
        self._sharpen = Program("cover.vert", "crisp.frag")
        self._stretch = Program("cover.vert", "stretch.frag")
        self._plain = Program("cover.vert", "plain.frag")

    def upload(self, frame: torch.Tensor | np.ndarray) -> None:
        """The picture to draw from now on, [h, w, 3] uint8 sRGB, on the CPU or on the card."""
        if self._on_card and not isinstance(frame, np.ndarray) and frame.is_cuda and self.way != "processor":
            from visualizer.output.interop import CardUpload, NoInterop

            try:
                self._from_card = self._from_card or CardUpload(self._picture)
                return self._from_card(frame)
            except NoInterop as reason:
                log.info("frames go through memory: %s", reason)
                self._on_card = False
                self.release()
        pixels = frame if isinstance(frame, np.ndarray) else frame.numpy(force=True)
        (self._software if self.way == "processor" else self._picture).upload(pixels)

    @cached_property
    def _software(self) -> SoftwareUpscaler:
        from visualizer.output.software import SoftwareUpscaler

        return SoftwareUpscaler()

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
        if self.way == "processor":
            return self._software.draw(width, height)
        GL.glDisable(GL.GL_BLEND)
        w, h = self._picture.size
        self._sharpen_along((1.0, 0.0), self._picture, self._rows)
        self._sharpen_along((0.0, 1.0), self._rows.texture, self._crisp)
        # How much of the picture is seen, in texels; the rest is cropped on both sides.
        seen = (h * width / height, float(h)) if w * height > h * width else (float(w), w * height / width)
        if self.way == "splines":
            self._enlarge_sharply(width, height, seen)
        else:
            self._enlarge_cheaply(width, height, seen)

    def choose(self, frame: torch.Tensor | np.ndarray, width: int, height: int) -> None:
        """Settle on the first way that is affordable, or else on the fastest, by the clock.

        frame: what is to be drawn, as for `upload`; it is to be uploaded again. What is in the window is
        overdrawn.
        """
        took: dict[Way, float] = {}
        for way in WAYS:
            self.way = way
            for _ in range(TRIES):
                seconds = self._try(frame, width, height)
                took[way] = min(seconds, took.get(way, seconds))
                if seconds > HOPELESS * min(took.values()):
                    break
            if took[way] <= AFFORDABLE_S:
                break
        self.way = min(took, key=lambda way: took[way])
        self.chosen_for = (width, height)
        times = ", ".join(f"{way} {1000 * seconds:.1f} ms" for way, seconds in took.items())
        log.info("way to enlarge pictures to %dx%d: %s (%s)", width, height, self.way, times)

    def _try(self, frame: torch.Tensor | np.ndarray, width: int, height: int) -> float:
        """Seconds of drawing a frame."""
        GL.glFinish()
        begun = time.perf_counter()
        self.upload(frame)
        self.draw(width, height)
        GL.glFinish()
        return time.perf_counter() - begun

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
