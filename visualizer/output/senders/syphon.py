"""Syphon: to other programs of the same Mac, through the graphics card; by the package syphon-python."""

from __future__ import annotations

from typing import Any

import numpy as np

from visualizer.output.senders.sender import NAME
from visualizer.output.senders.sender import Sender as Base


class Sender(Base):
    """Sends to whoever has chosen it from Syphon's servers."""

    name, kind, module, package = "Syphon", "syphon", "syphon", "syphon-python"
    only = "darwin", "macOS", "on Windows --send spout"
    _server: Any = None
    _texture: Any = None

    def __init__(self, size: tuple[int, int]):
        super().__init__(size)
        self._textures = self.library("syphon.utils.raw")

    def open(self) -> None:
        self._server = self._library.SyphonMetalServer(NAME)
        self._texture = self._textures.create_mtl_texture(self._server.device, *self.size)

    def send(self, pixels: np.ndarray, when: float) -> None:
        self._textures.copy_bytes_to_mtl_texture(pixels.tobytes(), self._texture)
        # Metal's rows go down, Syphon's up.
        self._server.publish_frame_texture(self._texture, is_flipped=True)

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()
