"""Screens: the picture turned and pinned onto them, by a homography, with real hands in a real window."""

import json
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from screen import two_monitors, wait_for, x_server

from visualizer.output import warp
from visualizer.output.warp import STRAIGHT, Warp

pytestmark = pytest.mark.alone

PINNED = ((0.1, 0.05), (0.95, 0.2), (0.8, 0.9), (0.05, 1.0))


def solved(corners, to=STRAIGHT):
    """[3, 3]: the homography from four places to four others, by eight linear equations."""
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, to, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def normal(matrix):
    return matrix / matrix[2, 2]


aside = st.floats(-0.35, 0.35)


@given(st.lists(aside, min_size=8, max_size=8))
def test_the_homography_is_what_linear_algebra_finds(moves):
    corners = tuple(map(tuple, np.add(STRAIGHT, np.reshape(moves, (4, 2)))))
    assume(warp.is_convex(corners))
    assert np.allclose(normal(warp.homography(corners)), solved(STRAIGHT, corners), atol=1e-6)


@pytest.mark.parametrize("rotation, shift", [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_turning_is_clockwise(rotation, shift):
    # The corner of the window that the picture's top left comes to.
    assert Warp(rotation).seen_at(*STRAIGHT[shift]) == pytest.approx((0, 0))
    assert Warp(rotation, PINNED).seen_at(*PINNED[shift]) == pytest.approx((0, 0), abs=1e-9)
    truth = solved(PINNED, STRAIGHT[-shift:] + STRAIGHT[:-shift] if shift else STRAIGHT)
    assert np.allclose(normal(Warp(rotation, PINNED).matrix()), truth)


def test_a_corner_never_folds_the_picture():
    pinned = Warp().moved(0, 0.3, 0.2)
    assert pinned.corners[0] == (0.3, 0.2)
    for place in ((0.9, 0.9), (1.2, 0.5), (0.5, 0.5)):
        assert pinned.moved(0, *place) is pinned
    assert Warp().moved(2, 9.0, 9.0).corners[2] == (1.5, 1.5)


def scene(width, height):
    """A soft picture that looks the same nowhere twice."""
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    return np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("way", ["processor", "splines", "bilinear"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("corners", [STRAIGHT, PINNED])
def test_what_is_seen_is_what_pillow_makes_of_it(window, way, rotation, corners):
    from visualizer.output import graphics
    from visualizer.output.upscale import Upscaler

    try:
        window.warp = Warp(rotation, corners)
        width, height = window.size
        assert (width, height) == ((200, 320) if rotation in (90, 270) else (320, 200))
        picture = scene(width, height)
        upscaler = Upscaler()
        upscaler.way = way
        upscaler.upload(picture)
        upscaler.draw(width, height)
        straight = graphics.read_screen(width, height)
        assert np.abs(straight.astype(int) - picture).mean() < 3
        window.finish()
        graphics.draw_to(0)
        graphics.to_screen(320, 200)
        seen = graphics.read_screen(320, 200).astype(int)
    finally:
        window.warp = Warp()
        graphics.draw_to(0)
    shift = rotation // 90
    target = [(x * 320, y * 200) for x, y in corners]
    source = [(x * width, y * height) for x, y in STRAIGHT]
    matrix = solved(target, source[-shift:] + source[:-shift] if shift else source)
    shown = Image.fromarray(straight).transform(
        (320, 200), Image.Transform.PERSPECTIVE, matrix.ravel()[:8], Image.Resampling.BILINEAR
    )
    wrong = np.abs(seen - np.asarray(shown, int)).max(-1)
    assert np.median(wrong) <= 1 and np.percentile(wrong, 97) <= 4  # edges differ by a pixel
    if corners is PINNED:
        assert seen[0].max() == 0 and seen[:, 319].max() == 0 and seen[100, 160].max() > 0


def test_a_warped_window_leaves_nothing_to_the_next(window):
    from visualizer.output.graphics import read_screen
    from visualizer.output.upscale import Upscaler
    from visualizer.output.window import Window

    window.warp = Warp(90, PINNED)
    window.__exit__(None, None, None)
    with Window("test", (320, 200)) as after:
        upscaler = Upscaler()
        upscaler.upload(np.full((100, 160, 3), 255, np.uint8))
        upscaler.draw(*after.size)
        assert read_screen(*after.size).min() == 255


def test_it_is_kept_for_each_screen(tmp_path, monkeypatch):
    monkeypatch.setattr("visualizer.common.settings.folder", lambda: tmp_path / "new")
    assert warp.remembered("0 640x480") == Warp()
    warp.remember("0 640x480", Warp(90, PINNED))
    warp.remember("1 640x480", Warp(180))
    assert warp.remembered("0 640x480") == Warp(90, PINNED)
    assert warp.remembered("1 640x480") == Warp(180)
    folded = {"rotation": 0, "corners": [[0, 0], [1, 1], [1, 0], [0, 1]]}
    for broken in (
        "[]",
        "{",
        json.dumps({"a": 1}),
        json.dumps({"a": folded}),
        json.dumps({"a": {"rotation": 5}}),
    ):
        (tmp_path / "new" / "screens.json").write_text(broken)
        assert warp.remembered("a") == Warp()


# --- with hands -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def screen():
    with x_server() as server:
        yield server


def shown_settings(folder):
    path = folder / "visualizer" / "screens.json"
    return next(iter(json.loads(path.read_text()).values())) if path.exists() else None


def test_corners_are_dragged_by_mouse_and_keys(screen, tmp_path):
    folder = str(tmp_path)
    with screen.show("live", "--preset", "garden", "--size", "640x400", XDG_CONFIG_HOME=folder) as show:
        show.until_title("Garden")
        wait_for(lambda: show.picture()[:40, :40].mean() > 8, 20)
        show.press("e")
        wait_for(
            lambda: np.ptp(show.picture()[2:14, 2:14].reshape(-1, 3), axis=0).max() < 20, 20
        )  # the handle
        left, top, width, height = show.place
        screen.do("mousemove", "--sync", left + 5, top + 5, "mousedown", 1)
        time.sleep(0.1)
        screen.do("mousemove", "--sync", left + 60, top + 40)
        screen.do("mousemove", "--sync", left + 160, top + 100, "mouseup", 1)
        wait_for(lambda: show.picture()[:60, :90].max() == 0, 20)
        show.press("Tab", "shift+Left", "Left", "shift+Down", "e")
        settings = wait_for(lambda: shown_settings(tmp_path), 20)
        (x0, y0), (x1, y1), *others = settings["corners"]
        assert x0 == pytest.approx(160 / width, abs=0.01) and y0 == pytest.approx(100 / height, abs=0.01)
        assert (x1, y1) == pytest.approx((1 - 11 / width, 10 / height)) and others == [[1, 1], [0, 1]]
        show.press("y")
        wait_for(lambda: shown_settings(tmp_path)["rotation"] == 90, 20)
        picture = show.picture()
        assert picture[:60, :90].max() == 0 and picture[150:, 200:].mean() > 8
        show.press("Escape")
        code, errors = show.until_ended(20)
        assert code == 0 and not errors
    # The next show on this screen begins so.
    with screen.show("live", "--size", "640x400", XDG_CONFIG_HOME=folder) as show:
        wait_for(lambda: show.picture()[200:, 300:].mean() > 8, 60)
        assert show.picture()[:60, :90].max() == 0
        show.press("e")
        time.sleep(0.5)  # what comes in the same moment is no key of the pinning yet
        show.press("BackSpace", "y", "y", "y", "e")
        wait_for(lambda: shown_settings(tmp_path)["corners"] == [[0, 0], [1, 0], [1, 1], [0, 1]], 20)


# --- on several monitors --------------------------------------------------------------------------


def test_the_picture_is_on_every_screen_and_the_show_outlives_one(tmp_path):
    folder, size = str(tmp_path), ("--size", "320x240")
    with (
        two_monitors(tmp_path) as (screen, plug),
        screen.show("live", "--preset", "garden", "--monitor", "all", *size, XDG_CONFIG_HOME=folder) as show,
    ):
        show.until_title("Garden")

        def seen():
            """What both monitors show, of a size."""
            whole = screen.picture()
            left, right = Image.fromarray(whole[:768, :1024]), Image.fromarray(whole[:600, 1024:])
            return np.asarray(left.resize((200, 150)), int), np.asarray(right.resize((200, 150)), int)

        def same():
            left, right = seen()
            return right.mean() > 8 and np.abs(left - right).mean() < 3

        wait_for(lambda: seen()[1].mean() > 8)
        own, other = sorted(screen.do("search", "--class", "^visualizer$").split(), key=int)
        assert own == show.window or other == show.window
        other = own if other == show.window else other
        show.press("l")  # a picture that stands still
        wait_for(same, 40)

        # Its own keys turn the other screen alone.
        screen.do("windowfocus", "--sync", other)
        screen.do("key", "y")
        kept = tmp_path / "visualizer" / "screens.json"
        wait_for(lambda: kept.exists() and "1 800x600" in json.loads(kept.read_text()), 40)
        assert list(json.loads(kept.read_text())) == ["1 800x600"]
        wait_for(lambda: not same(), 20)
        screen.do("key", "l")  # which is the show's, wherever it is pressed
        before = seen()[0]
        wait_for(lambda: np.abs(seen()[0] - before).mean() > 1, 40)

        plug(False)
        time.sleep(3)
        before = seen()[0]
        wait_for(lambda: np.abs(seen()[0] - before).mean() > 1, 40)  # the show goes on
        plug(True)
        wait_for(lambda: seen()[1].mean() > 8, 90)
        others = screen.do("search", "--class", "^visualizer$").split()
        screen.do("windowfocus", "--sync", next(window for window in others if window != show.window))
        screen.do("key", "--delay", "200", "Escape", "Escape")
        code, errors = show.until_ended(20)
        assert code == 0 and not errors


def test_a_picture_that_is_turned_from_the_start(screen, tmp_path):
    turned = "--rotate", "90", "--size", "640x400"
    with screen.show("live", "--preset", "garden", *turned, XDG_CONFIG_HOME=str(tmp_path)) as show:
        wait_for(lambda: show.picture()[40:, 40:].mean() > 8)
        show.press("y")
        assert wait_for(lambda: shown_settings(tmp_path), 20)["rotation"] == 180  # one further than it was
        show.press("Escape")
        assert show.until_ended(20) == (0, "")
