"""The display: pygame with a driver that shows something, or one sentence that says why there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import ModuleType

from visualizer.common.errors import UserError

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# Windows would otherwise stretch a small picture on a fine screen.
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
# The name by which window managers know it.
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "visualizer")
os.environ.setdefault("SDL_VIDEO_WAYLAND_WMCLASS", "visualizer")
# What desktops show of whoever keeps the screen on.
os.environ.setdefault("SDL_APP_NAME", "visualizer")
os.environ.setdefault("SDL_SCREENSAVER_INHIBIT_ACTIVITY_NAME", "Showing pictures to sound")

# Where the processor draws, it should leave a core to whatever paints.
os.environ.setdefault("LP_NUM_THREADS", str(max(1, min(4, (os.cpu_count() or 1) - 1))))

# SDL's drivers that show nothing to anybody.
BLIND_DRIVERS = ("offscreen", "dummy", "evdev")


class NoDisplay(UserError):
    """There is nothing to open a window on, or no OpenGL to draw in it."""


def load_pygame() -> ModuleType:
    """pygame, whole. Raises NoDisplay if it is missing."""
    try:
        import pygame
        import pygame._sdl2.video
    except ImportError as error:
        raise NoDisplay(
            f"pygame can't be loaded ({error}); install it with pip install pygame-ce, "
            f"or on Debian with apt install python3-pygame."
        ) from None
    return pygame


def start_video() -> ModuleType:
    """pygame with a video driver that somebody can see, or that was asked for by name. Raises NoDisplay.

    From then on SIGTERM closes the window: SDL takes it for the close button, unless somebody else has it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        return _open_video()
    except NoDisplay:
        signal.signal(signal.SIGTERM, handler)
        raise


def _open_video() -> ModuleType:
    pygame = load_pygame()
    _heed_wayland(pygame)
    # Without this, the Wayland library complains on the terminal, of what concerns nobody.
    unset = os.environ.setdefault("XDG_RUNTIME_DIR", "/") == "/"
    try:
        pygame.display.init()
    except pygame.error as error:
        raise NoDisplay(_no_display(str(error))) from None
    finally:
        if unset:
            del os.environ["XDG_RUNTIME_DIR"]
    driver = pygame.display.get_driver()
    if driver in BLIND_DRIVERS and driver != os.environ.get("SDL_VIDEODRIVER"):
        pygame.display.quit()
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise NoDisplay(_no_display(f"{display} can't be reached" if display else "DISPLAY is not set"))
    return pygame


def _heed_wayland(pygame: ModuleType) -> None:
    """Try where SDL might crash and take the program with it, as releases before 2.30 do on some Wayland
    displays."""
    driver = os.environ.get("SDL_VIDEODRIVER")
    alone = "WAYLAND_DISPLAY" in os.environ and "DISPLAY" not in os.environ
    if pygame.get_sdl_version() >= (2, 30) or not (driver == "wayland" or (alone and driver is None)):
        return
    start = "import pygame; pygame.display.init()"
    tried = subprocess.run([sys.executable, "-c", start], capture_output=True)
    if tried.returncode not in (0, 1):  # 1 is an error that comes again, and is told
        version = ".".join(map(str, pygame.get_sdl_version()))
        raise NoDisplay(
            f"SDL {version} crashes on this Wayland display; install a newer one with "
            f"pip uninstall pygame and pip install pygame-ce, or start Xwayland."
        )


def _no_display(reason: str) -> str:
    return (
        f"there is no display to open a window on ({reason}); start it from a graphical desktop, "
        f"or make a video with `visualizer render`."
    )
