"""Overlays: things laid over the picture in the window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from visualizer.output.graphics import GL, Program, Texture, to_screen

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the window; down is positive."""


class Panel:
    """A drawn piece of overlay, on the card; drawn anew only when its content changes."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self._texture = Texture(4)
        self._content: object = None

    def show(self, content: object, draw: Callable[[], np.ndarray]) -> None:
        """Make it show something.

        content: compared with the last; draw: makes it, [h, w, 4] uint8 premultiplied by alpha.
        """
        if content != self._content:
            self._content = content
            pixels = draw()
            self.size = (pixels.shape[1], pixels.shape[0])
            self._texture.upload(pixels)

    def bind(self) -> None:
        self._texture.bind()


class Overlays:
    """Draws panels and plain rectangles over what is in the window, of a size in pixels."""

    def __init__(self) -> None:
        self._program = Program("quad.vert", "overlay.frag")
        self._white = Texture(4)
        self._white.upload(np.full((1, 1, 4), 255, np.uint8))
        self._window = (1, 1)

    def begin(self, width: int, height: int) -> None:
        """Before the first overlay of a frame."""
        self._window = (width, height)
        to_screen(width, height)
        GL.glEnable(GL.GL_BLEND)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)

    def panel(self, panel: Panel, left: float, top: float, alpha: float) -> None:
        """A panel at its own size."""
        if alpha > 0 and panel.size != (0, 0):
            panel.bind()
            self._draw((round(left), round(top), *panel.size), (alpha, alpha, alpha, alpha))

    def rectangle(self, box: Box, colour: tuple[float, float, float], alpha: float) -> None:
        """A plain rectangle; colour in 0..1."""
        if alpha > 0:
            self._white.bind()
            red, green, blue = colour
            self._draw(box, (alpha * red, alpha * green, alpha * blue, alpha))

    def _draw(self, box: Box, tint: tuple[float, float, float, float]) -> None:
        width, height = self._window
        place = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
        self._program.use(box=place, tint=tint)
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)
