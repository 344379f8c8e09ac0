"""Keyboards of other countries, with real keys in a real window; and what a desktop is told of it.

Debian packages: besides those of screen.py, x11-xkb-utils xkb-data, and dbus.
"""

import os
import shutil
import subprocess
import sys

import pytest
from screen import wait_for, x_server

# A window, and what its keys mean, a line each.
KEYS = """
from visualizer.control.keys import press
from visualizer.output.window import Window, key_of
import pygame  # which takes the name of the script for the window's, where there is none

with Window("visualizer", (320, 200)) as window:
    print("open", flush=True)
    while not window.closed:
        for event in window.events(1.0):
            if event.type == pygame.KEYDOWN:
                print(press(*key_of(event)), flush=True)
"""
# X's numbers for keys, by what an American keyboard has there.
CODES = {"n": 57, "b": 56, "[": 34, "-": 20, "6": 15, "1": 10}
EVERYWHERE = {"n": ("preset", 1), "b": ("blackout", 1), "[": ("bounce", -1)}


@pytest.fixture(scope="module")
def screen():
    with x_server() as screen:
        yield screen


@pytest.mark.parametrize(
    "layout, keys",
    [
        ("us", {**EVERYWHERE, "6": ("preset", 6), "-": ("response", 1)}),
        ("ru", {**EVERYWHERE, "6": ("preset", 6)}),
        ("gr", EVERYWHERE),
        ("fr", {"n": ("preset", 1), "b": ("blackout", 1), "6": ("preset", 6), "-": ("response", 1)}),
        ("cz", {"n": ("preset", 1), "1": ("preset", 1)}),
    ],
)
def test_layouts(screen, layout, keys):
    if shutil.which("setxkbmap") is None:
        pytest.skip("setxkbmap is not installed (Debian: apt install x11-xkb-utils)")
    subprocess.run(["setxkbmap", "-display", screen.display, layout], check=True)
    command = [sys.executable, "-c", KEYS]
    with subprocess.Popen(command, env=screen.environment, stdout=subprocess.PIPE, text=True) as window:
        try:
            wait_for(lambda: "open" in window.stdout.readline())
            number = wait_for(lambda: screen.do("search", "--class", "^visualizer$")).split()[-1]
            screen.do("windowfocus", "--sync", number)
            for name, (control, amount) in keys.items():
                screen.do("key", CODES[name])
                found = window.stdout.readline()
                assert f"control='{control}'" in found and f"amount={amount}" in found, (name, found)
        finally:
            window.kill()


def test_the_desktop_is_told_who_keeps_the_screen_on(screen, tmp_path):
    for tool in ("dbus-run-session", "dbus-monitor"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt install dbus)")
    said = tmp_path / "said"
    (tmp_path / "keys.py").write_text(KEYS)
    script = f"dbus-monitor --session > {said} & sleep 0.5; exec {sys.executable} {tmp_path}/keys.py"
    session = ["dbus-run-session", "--", "bash", "-c", script]
    environment = {**screen.environment, "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", str(tmp_path))}
    with subprocess.Popen(
        session, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as window:
        try:
            text = wait_for(lambda: said.exists() and "Inhibit" in said.read_text() and said.read_text(), 60)
        finally:
            os.killpg(window.pid, 9)
    told = text[text.index("member=Inhibit") :]
    assert '"visualizer"' in told and "Showing pictures to sound" in told and "SDL" not in told
