"""Spout: to other programs of the same Windows machine, through the graphics card; by the package SpoutGL."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.output.senders.sender import NAME, lacking
from visualizer.output.senders.sender import Sender as Base

PACKAGE = ("SpoutGL", "SpoutGL", "--send spout", "spout")
# OpenGL's number for four bytes a pixel, red first.
GL_RGBA = 0x1908


def lacks() -> str:
    """Why it can't be sent, a sentence, or ""."""
    return _elsewhere() or lacking(*PACKAGE)


def _elsewhere() -> str:
    here = sys.platform == "win32"
    return "" if here else "Spout is of Windows alone; elsewhere use --send ndi, or on macOS --send syphon."


class Sender(Base):
    """Sends to whoever has chosen it from Spout's senders."""

    name = "Spout"

    def __init__(self, size: tuple[int, int]):
        """size: width and height in pixels. Raises UserError elsewhere than on Windows, and without the
        package."""
        super().__init__(size)
        if elsewhere := _elsewhere():
            raise UserError(elsewhere)
        self._library = wanted(*PACKAGE)
        self._sender: Any = None

    def open(self) -> None:
        self._sender = self._library.SpoutSender()
        self._sender.setSenderName(NAME)

    def send(self, pixels: np.ndarray, when: float) -> None:
        if not self._sender.sendImage(pixels, *self.size, GL_RGBA, False, 0):
            raise UserError("Spout takes no frames; its graphics driver may lack DirectX sharing.")

    def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.releaseSender()
