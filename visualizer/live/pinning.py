"""Pinning: the picture's corners are dragged, by mouse or arrow keys, to where a projector needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from visualizer.output.warp import STRAIGHT, remember

if TYPE_CHECKING:
    from pygame.event import Event

    from visualizer.output.window import Window

WORDS = "drag the corners, or Tab and the arrows; Backspace: straight; E: done"
ARROWS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
# With Shift, an arrow goes so many pixels at once.
FAR = 10


class Pinning:
    """Takes the window's events while it is on; for the render thread.

    What comes of it is kept for the screen that the window is on.
    """

    def __init__(self, window: Window, do: Callable[[Callable[[], None]], None]):
        """do: has something done that reads or writes a file."""
        self._window, self._do = window, do
        self._held = 0
        self._dragging = False
        self.on = False

    def turn(self, on: bool) -> None:
        """Begin, or end."""
        if on != self.on:
            self.on, self._dragging = on, False
            self._window.hold(self._held if on else None)
            if not on:
                self._keep()

    def rotate(self, degrees: int) -> None:
        """Turn the picture clockwise, from how the monitor has it."""
        self._window.warp = replace(self._window.warp, rotation=degrees)
        self._keep()

    def _keep(self) -> None:
        screen, warp = self._window.screen, self._window.warp
        self._do(lambda: remember(screen, warp))

    def takes(self, event: Event) -> bool:
        """Act on an event of pygame's; whether it was meant for it."""
        import pygame

        if not self.on:
            return False
        if event.type == pygame.KEYDOWN:
            return self._takes_key(pygame.key.name(event.key), bool(event.mod & pygame.KMOD_SHIFT))
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._dragging = True
            self._hold(self._nearest(event.pos))
        elif event.type == pygame.MOUSEMOTION and self._dragging:
            width, height = self._window.whole
            self._move_to(event.pos[0] / width, event.pos[1] / height)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._dragging = False
        else:
            return False
        return True

    def _takes_key(self, name: str, far: bool) -> bool:
        width, height = self._window.whole
        if name in ARROWS:
            (right, down), pixels = ARROWS[name], FAR if far else 1
            x, y = self._window.warp.corners[self._held]
            self._move_to(x + right * pixels / width, y + down * pixels / height)
        elif name == "tab":
            self._hold((self._held + (-1 if far else 1)) % 4)
        elif name == "backspace":
            self._window.warp = replace(self._window.warp, corners=STRAIGHT)
        elif name in ("escape", "return"):
            self.turn(False)
        else:
            return False
        return True

    def _hold(self, corner: int) -> None:
        self._held = corner
        self._window.hold(corner)

    def _nearest(self, position: tuple[int, int]) -> int:
        width, height = self._window.whole

        def distance(corner: int) -> float:
            x, y = self._window.warp.corners[corner]
            return (x * width - position[0]) ** 2 + (y * height - position[1]) ** 2

        return min(range(4), key=distance)

    def _move_to(self, x: float, y: float) -> None:
        self._window.warp = self._window.warp.moved(self._held, x, y)
