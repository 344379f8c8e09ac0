"""No network is needed or asked for: no look-up, no connection, and nothing is left in the home directory."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from conftest import write_sound
from program import ENVIRONMENT, ran, started
from screen import wait_for, x_server

# Python tells of its own sockets; strace (Debian package: strace) also of those that libraries open.
LISTENER = """
import sys

def listen(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        told = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        told = arguments[1]
    else:
        return
    with open({log!r}, "a") as file:
        print(event, told, file=file)

sys.addaudithook(listen)
"""


class Guard:
    """Watches one program for what leaves the machine, and for what it leaves in its home."""

    def __init__(self, folder, home):
        """folder: where there is room for logs; home: the program's home directory."""
        site, self._python, self._strace = folder / "site", folder / "python.log", folder / "strace.log"
        site.mkdir()
        (site / "sitecustomize.py").write_text(LISTENER.format(log=str(self._python)))
        kept = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
        self.environment = {
            "HOME": str(home),
            **{f"XDG_{kind}_HOME": str(home / folder) for kind, folder in kept.items()},
            "PYTHONPATH": os.pathsep.join([str(site), ENVIRONMENT["PYTHONPATH"]]),
            "MESA_SHADER_CACHE_DISABLE": "true",  # what a graphics driver keeps is its own affair
        }
        # The tracer is a grandchild of the program, which itself gets signals and a window's focus.
        trace = ["strace", "-D", "-f", "--seccomp-bpf", "-e", "trace=%network", "-o", str(self._strace)]
        traces = shutil.which("strace") and subprocess.run([*trace, "true"]).returncode == 0
        self.under = trace if traces else []
        self._home, self._before = home, set(home.rglob("*"))

    def watched(self, *arguments, code=None):
        """All that a program did, from its start to its good end, that it should not do."""
        environment = {**ENVIRONMENT, **self.environment}
        with started(*arguments, code=code, environment=environment, under=self.under) as process:
            return self.found(process)

    def found(self, process):
        """As `watched`, of a program that is about to end."""
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found = self._python.read_text().splitlines() if self._python.exists() else []
        if self.under:
            wait_for(lambda: f"{process.pid:<5} +++ exited" in self._strace.read_text(), 20)
            found += [line for line in self._strace.read_text().splitlines() if "AF_INET" in line]
        return found + [str(path) for path in self._home.rglob("*") if path not in self._before]


@pytest.fixture
def guard(tmp_path):
    """A guard of a program with an empty home."""
    for name in ("home", "guard"):
        (tmp_path / name).mkdir()
    return Guard(tmp_path / "guard", tmp_path / "home")


def test_the_guard_is_awake(guard):
    """It sees a connection, of a kind that sends nothing, and a file."""
    found = guard.watched(
        code="import pathlib, socket\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n"
        "pathlib.Path.home().joinpath('number').write_text('1')\n"
    )
    assert "127.0.0.1" in found[0] and found[-1].endswith("number")
    assert any("socket(AF_INET" in line for line in found) == bool(guard.under)


def test_a_video(guard, song, tmp_path):
    assert not guard.watched("render", song, "-o", tmp_path / "clip.mp4", "--size", "64x64", "--fps", "2")


def test_a_show(pulse, tmp_path):
    """With a sound server and a display, which are files here."""
    guard = Guard(tmp_path, pulse.folder)
    with (
        x_server() as screen,
        screen.show("live", "--size", "256x256", under=guard.under, **guard.environment) as show,
    ):
        wait_for(lambda: show.picture().mean() > 8)  # faded in from black
        show.press("Escape")
        assert not guard.found(show.process)


def test_a_home_that_cannot_be_written_goes_unmentioned(tmp_path):
    """A fault that is found late, when everything is loaded: one sentence, once."""
    write_sound(tmp_path / "short.wav", np.zeros((20, 2)))
    environment = {**ENVIRONMENT, "HOME": "/dev/null"}
    result = ran("render", "short.wav", "-o", "clip.mp4", cwd=tmp_path, environment=environment)
    assert result.returncode == 2
    assert result.stderr.count("shorter than one frame") == 1 and "WARNING" not in result.stderr, (
        result.stderr
    )
