"""Projection: what is drawn for a window goes onto a canvas first, and from there onto the window, warped."""

from __future__ import annotations

import numpy as np

from visualizer.output import graphics
from visualizer.output.graphics import GL, Canvas, Program
from visualizer.output.overlay import Overlays
from visualizer.output.warp import Warp

HANDLE = 9.0
WARM, PALE = (1.0, 0.745, 0.408), (0.95, 0.94, 0.92)


class Projection:
    """Warps while it is on; otherwise drawing goes to the window at once.

    held: the corner that is moved, 0 to 3, whose handles are shown; None for none.
    """

    def __init__(self) -> None:
        self._canvas, self._program = Canvas(), Program("warp.vert", "canvas.frag")
        self._overlays: Overlays | None = None
        self.held: int | None = None
        self.on = False

    def redirect(self, width: int, height: int, on: bool) -> None:
        """From now on, draw to the canvas, of a size in pixels, or to the window if no corner is moved."""
        self.on = on = on or self.held is not None
        if on:
            self._canvas.begin(width, height)
        graphics.draw_to(self._canvas.framebuffer if on else 0)

    def show(self, warp: Warp, width: int, height: int) -> None:
        """Lay what was drawn onto the window, of a size in pixels."""
        canvas = graphics.draw_to(0)
        graphics.to_screen(width, height)
        GL.glDisable(GL.GL_BLEND)
        self._canvas.texture.bind()
        GL.glClearColor(0, 0, 0, 1)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        across, down, depth = ((*map(float, row), 0.0) for row in np.linalg.inv(warp.matrix()))
        self._program.use(across=across, down=down, depth=depth)
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)
        if self.held is not None:
            self._show_handles(warp, width, height)
        graphics.draw_to(canvas)

    def _show_handles(self, warp: Warp, width: int, height: int) -> None:
        self._overlays = self._overlays or Overlays()
        self._overlays.begin(width, height)
        for number, (x, y) in enumerate(warp.corners):
            reach = HANDLE * (1.6 if number == self.held else 1.0)
            # All of it is to be seen, though the corner itself may not be.
            left = min(width - 2 * reach, max(0.0, x * width - reach))
            top = min(height - 2 * reach, max(0.0, y * height - reach))
            colour = WARM if number == self.held else PALE
            self._overlays.rectangle((left - 2, top - 2, 2 * reach + 4, 2 * reach + 4), (0, 0, 0), 0.7)
            self._overlays.rectangle((left, top, 2 * reach, 2 * reach), colour, 0.9)
