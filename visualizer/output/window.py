"""The window: pygame and an OpenGL 3.3 core context, fullscreen and resizing, behind one small base."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from visualizer.common.errors import UserError
from visualizer.common.interrupt import Interrupt
from visualizer.output.display import NoDisplay, load_pygame, start_video
from visualizer.output.warp import Warp, remembered

if TYPE_CHECKING:
    import pygame

    from visualizer.output.projection import Projection

SMALLEST = (160, 120)
USUAL_S = 1 / 60
# No screen is faster, or slower: swaps that take less don't wait for it.
FASTEST_S, SLOWEST_S = 1 / 500, 1 / 23
# Swaps to learn a screen's pace from, after the first few, which only fill a queue.
PROBES, QUEUED = 20, 4


def key_of(event: pygame.event.Event) -> tuple[str, str, int, bool]:
    """A pressed key's name, what it types, its place on the keyboard, and whether Shift or AltGr is held."""
    pygame = load_pygame()
    shifts = pygame.KMOD_SHIFT | pygame.KMOD_MODE | pygame.KMOD_RALT
    return pygame.key.name(event.key), event.unicode, event.scancode, bool(event.mod & shifts)


def displays() -> list[tuple[int, int]]:
    """Width and height in pixels of every display; empty where there is none."""
    try:
        pygame = start_video()
    except NoDisplay:
        return []
    try:
        return pygame.display.get_desktop_sizes()
    finally:
        pygame.display.quit()


class Window:
    """A resizable window with an OpenGL 3.3 core context. A context manager; one at a time.

    size: width and height in pixels of what is drawn, before it is warped; whole: of the window. minimised:
    nobody can see it. closed: somebody wants it closed. period: seconds from refresh to refresh.
    renderer: the name of what draws, e.g. "llvmpipe".
    """

    def __init__(
        self,
        title: str,
        size: tuple[int, int] = (1280, 720),
        fullscreen: bool = False,
        monitor: int | None = None,
        vsync: bool = True,
        rotation: int | None = None,
    ):
        """monitor: the number of a display, from 0; None is the main one. size as a window. rotation: of the
        picture, degrees clockwise; None is what was kept for the screen.

        Raises NoDisplay if there is no display, no OpenGL 3.3 or no library for them, and UserError
        for a monitor that isn't there.
        """
        self._pygame = pygame = start_video()
        try:
            self._open(title, size, monitor, vsync)
            self._load_gl()
        except BaseException:
            pygame.display.quit()
            raise
        self.minimised = False
        self.closed = False
        self._interrupt = Interrupt("SIGINT", "SIGHUP")
        self._warp = Warp()
        self._projection: Projection | None = None
        self.fullscreen = False
        self.period = USUAL_S
        self._swapped = time.perf_counter()
        self._measure()
        if fullscreen:
            self.toggle_fullscreen()
        warp = remembered(self.screen)
        self.warp = warp if rotation is None else replace(warp, rotation=rotation)

    def _open(self, title: str, size: tuple[int, int], monitor: int | None, vsync: bool) -> None:
        pygame = self._pygame
        sizes = pygame.display.get_desktop_sizes()
        if monitor is not None and not 0 <= monitor < len(sizes):
            there = ", ".join(f"{i} ({w}x{h})" for i, (w, h) in enumerate(sizes))
            raise UserError(f"there is no monitor {monitor}; there are {there}.")
        for key, value in (
            (pygame.GL_CONTEXT_MAJOR_VERSION, 3),
            (pygame.GL_CONTEXT_MINOR_VERSION, 3),
            (pygame.GL_CONTEXT_PROFILE_MASK, pygame.GL_CONTEXT_PROFILE_CORE),
            (pygame.GL_CONTEXT_FLAGS, pygame.GL_CONTEXT_FORWARD_COMPATIBLE_FLAG),
        ):
            pygame.display.gl_set_attribute(key, value)
        pygame.display.set_icon(_icon(pygame))
        screen = sizes[monitor or 0]
        size = tuple(max(least, min(s, most)) for s, most, least in zip(size, screen, SMALLEST, strict=True))
        flags = pygame.OPENGL | pygame.DOUBLEBUF | pygame.RESIZABLE
        try:
            with warnings.catch_warnings(record=True) as complaints:
                warnings.simplefilter("always")
                pygame.display.set_mode(size, flags, display=monitor or 0, vsync=int(vsync))
        except pygame.error as error:
            raise NoDisplay(_no_gl(str(error))) from None
        self._vsync = vsync and not complaints
        pygame.display.set_caption(title)
        self._sdl = pygame._sdl2.video.Window.from_display_module()

    def _load_gl(self) -> None:
        try:
            from visualizer.output.graphics import GL, draw_to
        except ImportError as error:
            if "PyOpenGL" in str(error) or error.name == "OpenGL":
                raise NoDisplay(
                    "PyOpenGL is missing; install it with pip install PyOpenGL, "
                    "or on Debian with apt install python3-opengl."
                ) from None
            raise NoDisplay(_no_gl(str(error))) from None
        version = (GL.glGetString(GL.GL_VERSION) or b"none").decode()
        try:
            number = tuple(int(part) for part in version.split()[0].split(".")[:2])
        except ValueError:
            number = (0, 0)
        if number < (3, 3):
            raise NoDisplay(_no_gl(f"found version {version}"))
        self.renderer = (GL.glGetString(GL.GL_RENDERER) or b"unknown").decode().split(" (")[0]
        draw_to(0)  # whatever a window before it drew to
        # Core contexts draw nothing without one, even when there are no vertices to describe.
        GL.glBindVertexArray(GL.glGenVertexArrays(1))

    def _measure(self) -> None:
        width, height = self.whole = self._pygame.display.get_window_size()
        self.size = (height, width) if self._warp.on_its_side else (width, height)

    @property
    def screen(self) -> str:
        """What the monitor that it is on is known by from show to show: its number and its size."""
        number = self._sdl.display_index
        width, height = self._pygame.display.get_desktop_sizes()[number]
        return f"{number} {width}x{height}"

    def other_screens(self) -> list[int]:
        """The numbers of the displays that it isn't on."""
        here = self._sdl.display_index
        return [number for number in range(len(self._pygame.display.get_desktop_sizes())) if number != here]

    @property
    def warp(self) -> Warp:
        """How the picture lies in the window."""
        return self._warp

    @warp.setter
    def warp(self, warp: Warp) -> None:
        self._warp = warp
        self._measure()
        if self._projection is None and not warp.does_nothing:
            from visualizer.output.projection import Projection

            self._projection = Projection()
        if self._projection is not None:
            self._projection.redirect(*self.size, not warp.does_nothing)

    def hold(self, corner: int | None) -> None:
        """Show the corners, and which one is moved; None shows none."""
        if self._projection is None:
            from visualizer.output.projection import Projection

            self._projection = Projection()
        self._projection.held = corner
        self.warp = self._warp

    def place(self, position: tuple[int, int]) -> tuple[float, float]:
        """Pixels of the window, as of the mouse, to pixels of what is drawn."""
        x, y = self._warp.seen_at(position[0] / self.whole[0], position[1] / self.whole[1])
        return x * self.size[0], y * self.size[1]

    @property
    def aspect(self) -> float:
        """Width / height."""
        return self.size[0] / self.size[1]

    @property
    def software(self) -> bool:
        """Whether the processor draws, because there is no graphics card or no driver for it."""
        return any(name in self.renderer.lower() for name in ("llvmpipe", "softpipe", "swrast", "swr"))

    def set_title(self, title: str) -> None:
        """The words in the window's frame."""
        self._pygame.display.set_caption(title)

    def toggle_fullscreen(self) -> None:
        """To the whole of the monitor that it is on, and back. The context and its textures stay."""
        pygame, sdl = self._pygame, self._sdl
        # Without a window manager, as in some installations, X11 makes no window fullscreen that isn't as
        # large as the screen already.
        bare = pygame.display.get_driver() == "x11"
        self.fullscreen = not self.fullscreen
        if self.fullscreen:
            self._place = sdl.size, sdl.position
            if bare:
                number = sdl.display_index
                sdl.size = pygame.display.get_desktop_sizes()[number]
                sdl.position = (pygame._sdl2.video.WINDOWPOS_CENTERED | number,) * 2
            sdl.set_fullscreen(True)
        else:
            sdl.set_windowed()
            if bare:
                sdl.size, sdl.position = self._place
        self.show_pointer(False)
        self.warp = self._warp

    def events(self, wait: float = 0.0) -> list:
        """The pygame events since the last call; the window's own are already acted upon.

        wait: seconds to sleep for a first one if there is none. Raises KeyboardInterrupt after Ctrl-C.
        """
        self._interrupt.heed()
        pygame = self._pygame
        events = pygame.event.get()
        if not events and wait > 0:
            first = pygame.event.wait(round(wait * 1000))
            events = [] if first.type == pygame.NOEVENT else [first, *pygame.event.get()]
        for event in events:
            if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
                self.closed = True
            elif event.type in (pygame.WINDOWMINIMIZED, pygame.WINDOWHIDDEN):
                self.minimised = True
            elif event.type in (pygame.WINDOWRESTORED, pygame.WINDOWSHOWN, pygame.WINDOWMAXIMIZED):
                self.minimised = False
            elif event.type in (pygame.WINDOWRESIZED, pygame.WINDOWSIZECHANGED):
                self.warp = self._warp
        return events

    def show_pointer(self, show: bool) -> None:
        """Show the mouse pointer in fullscreen too, or only outside it."""
        self._pygame.mouse.set_visible(show or not self.fullscreen)

    def due(self) -> float:
        """When the next swap is to happen, in seconds of time.perf_counter."""
        return max(self._swapped + self.period, time.perf_counter())

    def finish(self) -> None:
        """Have all drawing done that the processor does, so that its time can be told from the swap's."""
        if self._projection is not None and self._projection.on:
            self._projection.show(self._warp, *self.whole)
        if self.software:
            from visualizer.output.graphics import GL

            GL.glFinish()

    def swap(self) -> float:
        """Show what was drawn, when it is due. Returns when it was, in seconds of time.perf_counter.

        Where the screen sets the pace, this waits for it; where nothing does, for the clock.
        """
        due = self._swapped + self.period
        now = time.perf_counter()
        vsync = self._vsync and not self.minimised  # a screen that doesn't show it may not keep time
        if not vsync and due > now:
            time.sleep(due - now)
        self._pygame.display.flip()
        now = time.perf_counter()
        # By the clock, frames stay on its beat, unless one was missed.
        late = vsync or now - due > self.period
        self._swapped = now if late else max(due, now - self.period)
        return now

    def find_pace(self, draw: Callable[[], None]) -> None:
        """Learn how fast the screen is, or that it sets no pace after all, by swapping as often as it can.

        draw: fills the window. Takes some 20 refreshes. A show's own frames are not asked later: where they
        are late, the screen looks slow, and to go by that would make them late for ever.
        """
        if not self._vsync:
            return
        intervals, last = [], time.perf_counter()
        for _ in range(QUEUED + PROBES):
            draw()
            self._pygame.display.flip()
            now = time.perf_counter()
            intervals.append(now - last)
            last = now
        intervals = sorted(intervals[QUEUED:])
        # Other work may delay any swap, but nothing hastens one that waits.
        if intervals[0] < FASTEST_S:
            self._vsync, self.period = False, USUAL_S
        else:
            self.period = min(intervals[len(intervals) // 2], SLOWEST_S)
        self._swapped = last

    def __enter__(self) -> Window:
        self._interrupt.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pygame.display.quit()
        self._interrupt.__exit__(kind, error, trace)
        if error is None:
            self._interrupt.heed()


def _icon(pygame: ModuleType) -> pygame.Surface:
    """A flower of three rings."""
    icon = pygame.Surface((64, 64), pygame.SRCALPHA)
    rings = {30: (24, 22, 34), 22: (120, 60, 110), 14: (255, 150, 90), 6: (255, 236, 190)}
    for radius, colour in rings.items():
        pygame.draw.circle(icon, colour, (32, 32), radius)
    return icon


def _no_gl(reason: str) -> str:
    return (
        f"OpenGL 3.3 can't be used here ({reason}); install a graphics driver, on Debian "
        f"apt install libgl1 libegl1 libgl1-mesa-dri, or make a video with `visualizer render`."
    )
