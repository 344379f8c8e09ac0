"""Cloning: the picture on other screens, each in a window of a process of its own.

Of its own, because each screen has a pace of its own, and may be pulled out, and its driver fail, without the
show's noticing. What hands do there comes back as if they did it in the show's own window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.live.clone import HEADER
from visualizer.output.helper import Helper
from visualizer.output.outlet import Receiver

if TYPE_CHECKING:
    from visualizer.live.ways import StageWishes
    from visualizer.output.window import Window

# How long a window may take to open, on a machine that is busy with the show, and to close.
BEGIN_S, END_S = 120.0, 3.0


def clones(wishes: StageWishes, window: Window) -> Iterator[Clone]:
    """One for each screen that the show's own window isn't on, if that was asked for."""
    if wishes.everywhere:
        for number in window.other_screens():
            yield Clone(number, wishes.rotation)


class Clone(Receiver):
    """The picture on another screen. When that goes, it waits for it to come back."""

    returns = True

    def __init__(self, number: int, rotation: int | None):
        """number: of the display; rotation: degrees clockwise, None is what was kept for the screen."""
        self.name = f"the picture on screen {number}"
        self._wishes = {"monitor": number, "rotation": rotation}
        self._window: Helper | None = None

    def open(self) -> None:
        self._window = Helper("visualizer.live.clone", self._wishes, _obey)
        if "ready" not in self._window.answer(BEGIN_S):
            raise self._why()

    def show(self, pixels: np.ndarray, when: float) -> None:
        assert self._window is not None
        height, width, _ = pixels.shape
        try:
            self._window.send(HEADER.pack(height, width), pixels)
        except OSError:
            raise self._why() from None

    def close(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.close(END_S)

    def _why(self) -> UserError:
        """Why the window is gone, or never came."""
        assert self._window is not None
        reason = self._window.farewell(1.0).get("failed", "its window is gone")
        return UserError(f"{self.name} has stopped ({reason}); it comes back when that can be had.")


def _obey(words: dict[str, Any]) -> None:
    """Have what was done in the other window done in the show's; on any thread."""
    import pygame

    if not pygame.display.get_init():  # the show is over
        return
    if "closed" in words:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    elif "key" in words:
        kind = pygame.KEYDOWN if words["down"] else pygame.KEYUP
        pygame.event.post(pygame.event.Event(kind, **words["key"]))
