"""Syphon: to other programs of the same Mac, through the graphics card; by the package syphon-python."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.output.senders.sender import NAME, lacking
from visualizer.output.senders.sender import Sender as Base

PACKAGE = ("syphon", "syphon-python", "--send syphon", "syphon")


def lacks() -> str:
    """Why it can't be sent, a sentence, or ""."""
    return _elsewhere() or lacking(*PACKAGE)


def _elsewhere() -> str:
    here = sys.platform == "darwin"
    return "" if here else "Syphon is of macOS alone; elsewhere use --send ndi, or on Windows --send spout."


class Sender(Base):
    """Sends to whoever has chosen it from Syphon's servers."""

    name = "Syphon"

    def __init__(self, size: tuple[int, int]):
        """size: width and height in pixels. Raises UserError elsewhere than on macOS, and without the
        package."""
        super().__init__(size)
        if elsewhere := _elsewhere():
            raise UserError(elsewhere)
        self._library = wanted(*PACKAGE)
        self._textures = wanted("syphon.utils.raw", *PACKAGE[1:])
        self._server: Any = None
        self._texture: Any = None

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
