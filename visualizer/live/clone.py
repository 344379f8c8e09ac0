"""A clone: a process of its own whose window fills another screen with what the show sends.

In: frames on the standard input, each a header, its height and its width, and [h, w, 3] uint8. Shown is
always the newest. Out: lines of JSON, {"ready": true} when the window is open, {"failed": a reason}, {"key":
of a pygame event, "down": whether it is pressed} for keys that are the show's, and {"closed": true}.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from visualizer.common.cores import give_way
from visualizer.common.errors import UserError

if TYPE_CHECKING:
    from pygame.event import Event

    from visualizer.live.pinning import Pinning
    from visualizer.output.window import Window

HEADER = struct.Struct("<II")
# Without a new frame, how long it waits to look at the screen and at keys.
LOOK_S = 0.05
# How often it looks whether its screen is still there.
SCREEN_S = 1.0
# A window that changes its size flashes, whatever it shows.
RESIZE_S = 0.5


class Newest:
    """Reads frames on a thread of its own; whoever shows them gets the newest. over: no more come."""

    def __init__(self, stream: BinaryIO):
        self.over = False
        self._stream = stream
        self._frame: np.ndarray | None = None
        self._come = threading.Condition()
        threading.Thread(target=self._read, name="frames", daemon=True).start()

    def take(self, seconds: float) -> np.ndarray | None:
        """[h, w, 3] uint8: a frame that was not taken yet, as soon as there is one; None after so long."""
        with self._come:
            self._come.wait_for(lambda: self._frame is not None or self.over, seconds)
            frame, self._frame = self._frame, None
        return frame

    def _read(self) -> None:
        while len(header := self._stream.read(HEADER.size)) == HEADER.size:
            height, width = HEADER.unpack(header)
            data = self._stream.read(height * width * 3)
            if len(data) < height * width * 3:
                break
            with self._come:
                self._frame = np.frombuffer(data, np.uint8).reshape(height, width, 3)
                self._come.notify()
        with self._come:
            self.over = True
            self._come.notify()


class Keys:
    """Of the window's keys, what concerns its screen is done here; the rest is the show's."""

    def __init__(self, window: Window):
        self._window = window
        self._pinning: Pinning | None = None
        self._resized = 0.0

    def take(self, event: Event) -> None:
        """Act on an event of pygame's."""
        import pygame

        if self._pinning is not None and self._pinning.takes(event):
            return
        if event.type not in (pygame.KEYDOWN, pygame.KEYUP):
            return
        from visualizer.control import keys
        from visualizer.output.window import key_of

        press = keys.press(*key_of(event))
        own = press is not None and press.control in ("fullscreen", "rotation", "corners")
        if press is None or not own:
            names = "key", "unicode", "scancode", "mod"
            say(key={name: getattr(event, name) for name in names}, down=event.type == pygame.KEYDOWN)
        elif event.type == pygame.KEYDOWN:
            self._do(press.control)
        self._window.show_pointer(self._pinning is not None and self._pinning.on)

    def _do(self, control: str) -> None:
        from visualizer.live.pinning import Pinning

        pinning = self._pinning = self._pinning or Pinning(self._window, lambda job: job())
        now = time.perf_counter()
        try:
            if control == "corners":
                pinning.turn(not pinning.on)
            elif now - self._resized >= RESIZE_S:
                self._resized = now
                if control == "fullscreen":
                    self._window.toggle_fullscreen()
                else:
                    pinning.rotate((self._window.warp.rotation + 90) % 360)
        except UserError:  # it can't be kept for the next show
            pass


def show(window: Window, frames: Newest) -> None:
    """Fill a window with frames until somebody closes it, or no more come.

    Raises UserError when its screen is gone.
    """
    from visualizer.output.upscale import Upscaler

    upscaler, keys = Upscaler(), Keys(window)
    upscaler.clear(*window.size)
    window.finish()
    window.swap()
    window.find_pace(lambda: upscaler.clear(*window.size))
    say(ready=True)
    give_way()  # from now on; somebody waits for it to open
    shown, screen, looked = None, "", time.perf_counter()
    while not window.closed and not frames.over:
        frame, events = frames.take(LOOK_S), window.events()
        for event in events:
            keys.take(event)
        if frame is not None:
            shown = frame
            if window.software and upscaler.chosen_for != window.size:
                upscaler.choose(frame, *window.size)
            upscaler.upload(frame)
        if shown is not None and (frame is not None or events):
            upscaler.draw(*window.size)
            window.finish()
            window.swap()
        if time.perf_counter() - looked >= SCREEN_S:
            looked = time.perf_counter()
            if screen and window.fullscreen and window.screen != screen:
                raise UserError("its screen is gone, or is another now")
            screen = window.screen if window.fullscreen else ""


def say(**words: object) -> None:
    """Tell the show."""
    print(json.dumps(words), flush=True)


def main() -> None:
    """Show what comes in; sys.argv[1] says where."""
    from visualizer.output.window import Window

    wishes = json.loads(sys.argv[1])
    frames = Newest(sys.stdin.buffer)
    try:
        name, number = "visualizer", wishes["monitor"]
        with Window(name, fullscreen=True, monitor=number, rotation=wishes["rotation"]) as window:
            show(window, frames)
            if window.closed:
                say(closed=True)
    except (UserError, IndexError) as error:
        say(failed=str(error).rstrip("."))


if __name__ == "__main__":
    main()
