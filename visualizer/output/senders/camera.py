"""A virtual camera, for every program that knows webcams: OBS's on Windows and macOS, v4l2loopback on Linux;
by the package pyvirtualcam."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.output.senders.sender import RATE
from visualizer.output.senders.sender import Sender as Base

WAY_OUT = {
    "linux": "load its driver with sudo modprobe v4l2loopback exclusive_caps=1 "
    "(Debian: apt install v4l2loopback-dkms)",
}
ELSEWHERE = "install OBS, start its virtual camera once, and stop it there"


def _none(reason: str) -> str:
    return f"there is no virtual camera ({reason}); {WAY_OUT.get(sys.platform, ELSEWHERE)}."


class Sender(Base):
    """Sends to the first virtual camera that is free."""

    name, returns = "the virtual camera", True
    kind, module, package = "camera", "pyvirtualcam", "pyvirtualcam"
    _camera: Any = None

    @classmethod
    def lacks(cls) -> str:
        if lack := super().lacks():
            return lack
        if sys.platform == "linux" and not list(Path("/sys/devices/virtual/video4linux").glob("video*")):
            return _none("no device of v4l2loopback")
        return ""

    def open(self) -> None:
        try:
            self._camera = self._library.Camera(*self.size, RATE, fmt=self._library.PixelFormat.RGB)
        except (RuntimeError, OSError) as error:
            raise UserError(_none(str(error).splitlines()[0].rstrip("."))) from None

    def send(self, pixels: np.ndarray, when: float) -> None:
        try:
            self._camera.send(np.ascontiguousarray(pixels[..., :3]))
        except (RuntimeError, OSError) as error:
            raise UserError(f"the virtual camera takes no more ({error}); it is tried again.") from None

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
