"""Spout: to other programs of the same Windows machine, through the graphics card; by the package SpoutGL."""

from __future__ import annotations

from typing import Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.output.senders.sender import NAME
from visualizer.output.senders.sender import Sender as Base

# OpenGL's number for four bytes a pixel, red first.
GL_RGBA = 0x1908


class Sender(Base):
    """Sends to whoever has chosen it from Spout's senders."""

    name, kind, module, package = "Spout", "spout", "SpoutGL", "SpoutGL"
    only = "win32", "Windows", "on macOS --send syphon"
    _sender: Any = None

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
