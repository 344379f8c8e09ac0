"""A screen that nobody sees, and hands for it: Xvfb, and xdotool for real key presses.

Debian packages: xvfb xdotool libgl1 libgl1-mesa-dri.
"""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import ImageGrab
from program import ENVIRONMENT, started

SIZE = (1024, 768)


def wait_for(condition, seconds=120, every=0.05):
    """Poll until a condition holds, and return what it gave; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result or time.monotonic() > deadline:
            assert result, f"nothing came of it in {seconds} s"
            return result
        time.sleep(every)


class Screen:
    """An X server with one screen."""

    def __init__(self, display, process):
        """process: the server's; end: ends it."""
        self.display, self.process, self.end = display, process, process.kill
        self.environment = {**os.environ, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"], "DISPLAY": display}
        self.environment.pop("SDL_VIDEODRIVER", None)
        self.environment.pop("WAYLAND_DISPLAY", None)

    def do(self, *arguments):
        """Run xdotool; what it printed, or "" if it failed."""
        command = ["xdotool", *map(str, arguments)]
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def picture(self):
        """[h, w, 3] uint8: what the screen shows."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display))

    @contextmanager
    def show(self, *arguments, cwd=None, under=(), **environment):
        """Start the program; gives a `Show`. Afterwards it must be gone, or is killed."""
        environment = {**self.environment, **environment}
        with started(*arguments, cwd=cwd, environment=environment, under=under) as process:
            yield Show(self, process)


class Show:
    """The running program and its window."""

    def __init__(self, screen, process):
        self.screen, self.process = screen, process
        self._window = ""

    @property
    def window(self):
        """The window's number, as soon as there is one."""
        if not self._window:
            found = wait_for(lambda: self.screen.do("search", "--class", "^visualizer$") or self._dead())
            self._window = found.split()[-1]
        return self._window

    def _dead(self):
        if self.process.poll() is not None:
            pytest.fail(f"it ended early: {self.process.communicate()}")

    @property
    def title(self):
        self._dead()
        return self.screen.do("getwindowname", self.window)

    @property
    def place(self):
        """(left, top, width, height) of the window on the screen; () while nobody can tell."""
        text = self.screen.do("getwindowgeometry", "--shell", self.window)
        values = dict(line.split("=") for line in text.splitlines())
        return tuple(int(values[key]) for key in ("X", "Y", "WIDTH", "HEIGHT") if values)

    def until_title(self, title, seconds=120):
        wait_for(lambda: self.title == f"{title} - visualizer", seconds)

    def press(self, *keys):
        """Press keys as hands do: in turn, on the screen that has the window in focus."""
        self.screen.do("windowfocus", "--sync", self.window)
        for key in keys:
            self.screen.do("key", key)

    def picture(self):
        """[h, w, 3] uint8: what is seen of the window."""
        left, top, width, height = self.place
        return self.screen.picture()[top : top + height, left : left + width]

    def until_ended(self, seconds):
        """Wait for its end; returns (exit code, stderr)."""
        _, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, errors


# Of Xorg's driver without a card, the only one here that knows of several monitors.
NO_CARD = """
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 32000
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  DefaultDepth 24
  SubSection "Display"
    Virtual 1824 768
  EndSubSection
EndSection
"""


@contextmanager
def two_monitors(folder):
    """A `Screen` with a monitor of 1024x768 and on its right one of 800x600, and what plugs that in, or pulls
    it out. Skips the test where Xorg can't do that.
    """
    for tool in ("Xorg", "xrandr", "xdotool"):
        if shutil.which(tool) is None:
            packages = "xserver-xorg-core xserver-xorg-video-dummy x11-xserver-utils xdotool"
            pytest.skip(f"{tool} is not installed (Debian: apt install {packages})")
    (folder / "xorg.conf").write_text(NO_CARD)
    log = str(folder / "xorg.log")
    command = ["Xorg", "-config", str(folder / "xorg.conf"), "-logfile", log, "-noreset", "-nolisten", "tcp"]
    with _served(command) as screen:

        def randr(*arguments):
            done = subprocess.run(["xrandr", *arguments], env=screen.environment, capture_output=True)
            return done.returncode == 0

        def plug(there):
            where = ["--mode", "800x600", "--pos", "1024x0"] if there else ["--off"]
            assert randr("--output", "DUMMY1", *where) and randr()  # the second has it look what is there

        first = "--output", "DUMMY0", "--mode", "1024x768", "--pos", "0x0"
        if not randr("--addmode", "DUMMY1", "800x600") or not randr(*first):
            pytest.skip("this Xorg has one monitor only")
        plug(True)
        yield screen, plug


@contextmanager
def x_server():
    """A `Screen` on a display that was free. Skips the test where Xvfb or xdotool is missing."""
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt install xvfb xdotool)")
    with _served(["Xvfb", "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-noreset"]) as screen:
        yield screen


@contextmanager
def _served(command):
    """An X server by a command, on a display that was free."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [*command, "-displayfd", str(writing)],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        assert number, f"{command[0]} did not start"
        yield Screen(f":{number}", server)
    finally:
        server.terminate()
        server.wait(timeout=10)
