"""Without a window: what stands for the window, its words and its drawing where nothing is to be seen."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from visualizer.common.interrupt import Interrupt
from visualizer.output.warp import Warp
from visualizer.output.window import Window

if TYPE_CHECKING:
    import numpy as np
    import torch

    from visualizer.output.panels import Thumbnail

log = logging.getLogger("visualizer")


class NoWindow(Window):
    """A window that is none: it has a shape and keeps time. Ctrl-C and SIGTERM close it."""

    def __init__(self, size: tuple[int, int], period: float):
        """size: of a window in pixels, for its shape; period: seconds from frame to frame."""
        self.size, self.whole, self.period = size, size, period
        self._warp = Warp()
        self.minimised = self.closed = self.fullscreen = False
        self.renderer = "nothing"
        self._vsync = False
        self._swapped = time.perf_counter()
        self._interrupt = Interrupt("SIGINT", "SIGTERM", "SIGHUP")

    @property
    def screen(self) -> str:
        """There is none."""
        return "none"

    def other_screens(self) -> list[int]:
        """It wants none."""
        return []

    @property
    def warp(self) -> Warp:
        """There is nothing to lay the picture onto."""
        return self._warp

    @warp.setter
    def warp(self, warp: Warp) -> None:
        pass

    def hold(self, corner: int | None) -> None:
        """There are no corners."""

    def set_title(self, title: str) -> None:
        log.info("title: %s", title)

    def toggle_fullscreen(self) -> None:
        """There is nothing to fill."""

    def events(self, wait: float = 0.0) -> list:
        time.sleep(wait)
        self.closed |= self._interrupt.raised
        return []

    def show_pointer(self, show: bool) -> None:
        """There is none."""

    def finish(self) -> None:
        """Nothing is drawn."""

    def find_pace(self, draw: Callable[[], None]) -> None:
        """It has its own."""

    def swap(self) -> float:
        due = self._swapped + self.period
        time.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        self._swapped = now if now - due > self.period else due
        return now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupt.__exit__(kind, error, trace)


class Words:
    """A `Hud` that writes on the terminal what people should read, and draws nothing."""

    def __init__(self) -> None:
        self.info: Sequence[tuple[str, str]] = ()
        self.on_air = ""
        self.level = 0.0
        self.thumbnails: Sequence[Thumbnail] = ()
        self.current = 0
        self.code: tuple[Sequence[Sequence[int]], str] | None = None
        self.message = ""

    def say(
        self, text: str, warning: bool = False, seconds: float | None = None, meter: bool = False
    ) -> None:
        """Write a sentence, if it is another than the last."""
        if text != self.message:
            self.message = text
            print(text, file=sys.stderr, flush=True)

    def wait(self, words: str) -> None:
        """The terminal has it already."""

    def announce(self, title: str, description: str = "") -> None:
        """Presets come and go."""
        log.info("%s %s", title, description)

    def toggle(self, name: str) -> None:
        """Of what a window can show, only an address is of use."""
        if name == "code" and self.code is not None:
            self.say(self.code[1])

    def shows(self, name: str) -> bool:
        """Nothing."""
        return False

    def preset_at(self, x: float, y: float) -> int | None:
        """There is nothing to click on."""
        return None

    def draw(self, width: int, height: int, dt: float) -> None:
        """Nothing."""


class NoUpscaler:
    """An `Upscaler` that leaves pictures as they are."""

    way = "nothing drawn"
    chosen_for: tuple[int, int] | None = None

    def upload(self, frame: torch.Tensor | np.ndarray) -> None:
        """Frames go to outlets alone."""

    def draw(self, width: int, height: int) -> None:
        """Nothing."""

    def clear(self, width: int, height: int) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing is held."""
