"""The table of keys: what a press means, and that all who use the table agree with it."""

import os
from pathlib import Path

import pytest

from visualizer.control.keys import Leaving, Press, press
from visualizer.control.table import CONTROLS
from visualizer.output import panels


def test_no_key_does_two_things():
    everything = [name for control in CONTROLS for key in control.keys for name in key.names]
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize(
    "name, text, place, expected",
    [
        ("n", "n", 17, Press("preset", "step", 1)),
        ("n", "N", 17, Press("preset", "step", 1)),
        ("right", "", 79, Press("preset", "step", 1)),
        ("space", " ", 44, Press("lock", "step", 1)),
        ("tab", "\t", 43, Press("strip", "step", 1)),
        ("escape", "\x1b", 41, Press("quit")),
        ("f1", "", 58, Press("help", "step", 1)),
        ("3", "3", 32, Press("preset", "set", 3)),
        ("[3]", "3", 91, Press("preset", "set", 3)),  # the number pad
        ("'", '"', 32, Press("preset", "set", 3)),  # a French 3 without Shift
        ("=", "+", 46, Press("response", "step", -1)),
        ("6", "-", 35, Press("preset", "set", 6)),  # a French 6 without Shift
        ("1", "+", 30, Press("preset", "set", 1)),  # a Czech 1 without Shift
        (")", ")", 45, Press("response", "step", 1)),  # the French have no other -
        ("[-]", "-", 86, Press("response", "step", 1)),  # the number pad
        ("т", "т", 17, Press("preset", "step", 1)),  # a Russian N
        ("т", "Т", 17, Press("preset", "step", 1)),
        ("х", "х", 47, Press("bounce", "step", -1)),
        ("ν", "ν", 17, Press("preset", "step", 1)),  # a Greek one
        ("3", "٣", 32, Press("preset", "set", 3)),  # an Arabic 3
        (",", ",", 54, Press("sensitivity", "step", -1)),
        ("ю", "ю", 55, Press("sensitivity", "step", 1)),  # a Russian .
        ("m", ",", 16, Press("sensitivity", "step", -1)),  # the French have it where others have M
        ("w", "w", 54, Press("stream", "step", 1)),  # Dvorak's W
        ("т", "\x0e", 17, None),
        ("o", "o", 22, Press("record", "step", 1)),  # Dvorak's O, where others have S
        ("n", "\x0e", 17, None),  # Ctrl+N
        ("z", "z", 29, None),
        ("", "", 0, None),
        ("left shift", "", 225, None),
    ],
)
def test_presses(name, text, place, expected):
    assert press(name, text, place) == expected


def test_shifted_presses():
    assert press("8", "[", 37, shifted=True) == Press("bounce", "step", -1)  # a German [
    assert press("5", "[", 34, shifted=True) == Press("bounce", "step", -1)  # a French one
    assert press("1", "+", 30, shifted=True) == Press("response", "step", -1)  # a Swiss +
    assert press("6", "6", 35, shifted=True) == Press("preset", "set", 6)  # a French 6


@pytest.mark.parametrize("size", [(400, 300), (512, 512), (1280, 720), (1920, 1080), (1080, 1920)])
def test_the_help_fits_into_the_window(size):
    height, width, channels = panels.help_list(*size).shape
    assert channels == 4 and width <= size[0] and height <= size[1]
    assert height > 0.4 * size[1] or width > 0.4 * size[0]


def test_a_window_of_many_sizes_keeps_few_fonts():
    for height in range(300, 1300, 40):
        panels.help_list(2 * height, height)
    kept = [path for path in Path("/proc/self/fd").iterdir() if os.path.realpath(path).endswith(".ttf")]
    assert 0 < len(kept) < 20


def test_esc_in_a_window_quits_at_once():
    assert Leaving().press(10.0, fullscreen=False)


def test_esc_in_fullscreen_takes_two():
    leaving = Leaving()
    assert not leaving.press(10.0, fullscreen=True)
    assert not leaving.press(12.0, fullscreen=True)  # too late to be the second one
    assert leaving.press(13.0, fullscreen=True)


def test_esc_held_quits():
    leaving = Leaving()
    leaving.press(10.0, fullscreen=True)
    assert not leaving.held(10.5) and leaving.held(11.1)
    leaving.release()
    assert not leaving.held(20.0)
