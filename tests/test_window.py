"""The window and what is drawn in it, on Mesa's software OpenGL without any display."""

import os
import signal
import subprocess
import time
from subprocess import DEVNULL

import numpy as np
import pytest
import torch
from program import ENVIRONMENT, ran
from screen import wait_for

from visualizer.common.errors import UserError
from visualizer.output.window import Window

pytestmark = pytest.mark.alone

WAYS = ("processor", "splines", "bilinear")


def drawn(window, picture, way="splines"):
    """What a picture [h, w, 3] looks like in the window."""
    from visualizer.output.graphics import read_screen
    from visualizer.output.upscale import Upscaler

    upscaler = Upscaler()
    upscaler.way = way
    upscaler.upload(picture)
    upscaler.draw(*window.size)
    return read_screen(*window.size).astype(int)


def plain(colour, height=100, width=160):
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


def soft_noise(height, width, seed=0):
    """A picture without fine detail."""
    rough = np.random.default_rng(seed).random((height // 10, width // 10, 3))
    fine = np.kron(rough, np.ones((10, 10, 1)))
    for axis in (0, 1):
        fine = sum(np.roll(fine, shift, axis) for shift in range(-5, 6)) / 11
    return (40 + 170 * fine).astype(np.uint8)


def test_size_and_renderer(window):
    assert window.size == (320, 200) and window.aspect == 1.6
    assert window.renderer


@pytest.mark.parametrize("way", WAYS)
def test_colours_come_out_as_they_went_in(window, way):
    for colour in ((0, 0, 0), (255, 255, 255), (1, 2, 3), (200, 30, 90)):
        assert (drawn(window, plain(colour), way) == colour).all()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_mirrored_or_shifted(window, way):
    picture = plain((0, 0, 0))
    picture[:50, :80] = (255, 0, 0)
    picture[50:, 80:] = (0, 0, 255)
    shown = drawn(window, picture, way)
    assert (shown[:92, :150] == (255, 0, 0)).all() and (shown[108:, 170:] == (0, 0, 255)).all()
    assert (shown[:92, 170:] == 0).all() and (shown[108:, :150] == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_another_shape_is_cropped_and_not_distorted(window, way):
    y, x = np.mgrid[:120, :120] + 0.5
    disc = np.where(np.hypot(x - 60, y - 60) < 25, 255, 0).astype(np.uint8)
    shown = drawn(window, np.stack([disc] * 3, -1), way)[..., 0] > 127
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    wide, high = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert wide == pytest.approx(50 * 320 / 120, abs=4) and wide == pytest.approx(high, abs=2)
    assert rows.mean() == pytest.approx(99.5, abs=1) and columns.mean() == pytest.approx(159.5, abs=1)


@pytest.mark.parametrize("way", WAYS)
def test_the_mesh_of_a_generator_is_taken_out(window, way):
    picture = plain((128, 128, 128)).astype(int)
    picture[::2] += 12
    picture[:, ::2] -= 9
    shown = drawn(window, picture.astype(np.uint8), way)
    assert shown[20:-20, 20:-20].std() < 1.0


@pytest.mark.parametrize("way", WAYS)
def test_sharp_places_get_no_halo_and_soft_ones_more_contrast(window, way):
    edge = plain((60, 60, 60))
    edge[:, 80:] = 180
    shown = drawn(window, edge, way)[100, :, 0]
    # What Catmull-Rom splines themselves overshoot is a few per cent.
    assert shown.min() >= 60 - 12 and shown.max() <= 180 + 12
    picture = soft_noise(100, 160)
    assert drawn(window, picture, way).std() > 0.99 * picture.std()


def test_the_cheap_way_looks_much_the_same(window):
    picture = soft_noise(100, 160)
    assert np.abs(drawn(window, picture) - drawn(window, picture, "bilinear")).mean() < 3


def crisp(picture):
    """What crisp.frag says, in floating point: [h, w, 3] uint8."""
    for axis in (1, 0):
        places = np.arange(picture.shape[axis])
        a, b, c, d, e = (
            picture.take((places + i).clip(0, places[-1]), axis).astype(float) for i in range(-2, 3)
        )
        sharp = (10 * c + 4 * (b + d) - a - e) / 16 + 0.5 * (0.5 * c - 0.25 * (a + e))
        low, high = np.min([b, c, d], 0), np.max([b, c, d], 0)
        picture = (sharp.clip(low, high) + 0.5).astype(np.uint8)
    return picture


@pytest.mark.parametrize("height, width", [(100, 160), (101, 160), (97, 97), (120, 80), (5, 3)])
def test_the_processor_sharpens_as_the_shader_says(height, width):
    from visualizer.picture.sharpening import Sharpening

    sharpening = Sharpening()
    for seed in range(2):
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        assert (sharpening(noise) == crisp(noise)).all()


@pytest.mark.parametrize("way", ["processor", "splines"])
@pytest.mark.parametrize("height, width", [(100, 160), (101, 160), (97, 97), (120, 80)])
def test_splines_enlarge_as_pillow_does(window, way, height, width):
    from PIL import Image

    noise = np.random.default_rng(0).integers(-32, 32, (height, width, 3))
    picture = (soft_noise(height + 9, width + 9)[:height, :width] + noise).clip(0, 255).astype(np.uint8)
    wide, high = min(width, height * 1.6), min(height, width / 1.6)
    seen = (width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2
    truth = Image.fromarray(crisp(picture)).resize(window.size, Image.Resampling.BICUBIC, seen)
    wrong = np.abs(drawn(window, picture, way) - np.asarray(truth, int))
    # A picture of another shape may be larger by less than a pixel of the window; its middle is in place.
    assert wrong.mean() < 1 and wrong[80:120, 140:180].mean() < 0.2
    if (height, width) == (100, 160):
        assert wrong.max() <= 3


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_stays_until_the_next_is_uploaded(window, way):
    from visualizer.output.graphics import read_screen
    from visualizer.output.upscale import Upscaler

    upscaler = Upscaler()
    upscaler.way = way
    for colour in ((200, 30, 90), (1, 2, 3)):
        picture = plain(colour)
        upscaler.upload(picture)
        for width, height in ((320, 200), (320, 200), (160, 180)):
            upscaler.clear(320, 200)
            upscaler.draw(width, height)
            picture[:] = 77  # it is the caller's again
            shown = read_screen(320, 200)
            assert (shown[200 - height :, :width] == colour).all() and not shown[:, width:].any()


def test_the_way_is_chosen_by_the_clock(window, monkeypatch):
    from visualizer.output import upscale

    upscaler, frame = upscale.Upscaler(), torch.zeros(100, 160, 3, dtype=torch.uint8)
    took = {"processor": 0.003, "splines": 0.002, "bilinear": 0.001}
    monkeypatch.setattr(upscaler, "_try", lambda *_: took[upscaler.way])
    for affordable, way in (
        (0.004, "processor"),
        (0.0025, "splines"),
        (0.0015, "bilinear"),
        (0.0, "bilinear"),
    ):
        monkeypatch.setattr(upscale, "AFFORDABLE_S", affordable)
        upscaler.choose(frame, *window.size)
        assert upscaler.way == way and upscaler.chosen_for == window.size
    took["bilinear"] = 0.005
    upscaler.choose(frame, *window.size)
    assert upscaler.way == "splines"  # the fastest, where none is affordable


def test_software_leaves_enlarging_to_the_processor(window):
    from visualizer.output.upscale import Upscaler

    if not window.software:
        pytest.skip("there is a graphics card")
    upscaler, frame = Upscaler(), torch.zeros(248, 397, 3, dtype=torch.uint8)
    upscaler.choose(frame, *window.size)
    assert upscaler.way == "processor"


def test_the_clock_sets_the_pace_where_no_screen_does(window):
    window.find_pace(lambda: None)  # this screen says that it sets one, and doesn't
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(30):
        window.swap()
    assert time.perf_counter() - begun >= 0.9 * 30 * window.period
    assert time.process_time() - cpu < 0.4 * (time.perf_counter() - begun)  # it sleeps, and doesn't spin


@pytest.mark.parametrize("hertz", [60, 144])
def test_the_screens_pace_is_learnt_at_the_start_and_kept_while_frames_are_late(window, monkeypatch, hertz):
    def flip():  # as a screen that shows each frame at its next refresh
        time.sleep(1 / hertz - time.perf_counter() % (1 / hertz))

    monkeypatch.setattr(window._pygame.display, "flip", flip)
    monkeypatch.setattr(window, "_vsync", True)
    window.find_pace(lambda: None)
    assert window.period == pytest.approx(1 / hertz, rel=0.1)
    for _ in range(70):
        time.sleep(max(0.0, window.due() - time.perf_counter()) + 0.02)  # drawing takes too long
        window.swap()
    begun = time.perf_counter()
    for _ in range(30):
        time.sleep(max(0.0, window.due() - 0.003 - time.perf_counter()))
        window.swap()
    assert time.perf_counter() - begun < 1.3 * 30 / hertz


def test_events_of_the_window(window):
    import pygame

    pygame.event.post(pygame.event.Event(pygame.WINDOWMINIMIZED))
    window.events()
    assert window.minimised
    pygame.event.post(pygame.event.Event(pygame.WINDOWRESTORED))
    window.events()
    assert not window.minimised and not window.closed
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.events(wait=1)
    assert window.closed


def hud_frames(window, hud, picture, seconds):
    """Frames of a HUD over a picture, at 20 a second."""
    from visualizer.output.graphics import read_screen
    from visualizer.output.upscale import Upscaler

    upscaler = Upscaler()
    upscaler.upload(picture)
    frames = []
    for _ in range(round(20 * seconds)):
        upscaler.draw(*window.size)
        hud.draw(*window.size, 1 / 20)
        frames.append(read_screen(*window.size).astype(int))
    return frames


def test_overlays_fade_in_and_out_and_leave_nothing(window):
    from visualizer.output.hud import Hud
    from visualizer.output.panels import Thumbnail

    hud, picture = Hud(), plain((90, 120, 150))
    hud.info = [("frames", "60.0 a second"), ("cluster", "7")]
    hud.thumbnails = [Thumbnail("One", plain((255, 0, 0))), Thumbnail("Two", None)]
    (empty,) = hud_frames(window, hud, picture, 0.05)
    assert (empty == (90, 120, 150)).all()
    for name in ("info", "help", "strip"):
        hud.toggle(name)
        frames = hud_frames(window, hud, picture, 0.5)
        changes = [np.abs(after - before).mean() for before, after in zip([empty, *frames], frames)]
        assert np.abs(frames[-1] - empty).mean() > 1, name
        assert sum(change > 0 for change in changes[:8]) >= 4, name  # softly
        hud.toggle(name)
        assert (hud_frames(window, hud, picture, 0.5)[-1] == empty).all(), name
    hud.say("something happened", warning=True, seconds=0.3)
    hud.announce("A title", "and what it is")
    assert hud.message == "something happened"
    assert np.abs(hud_frames(window, hud, picture, 0.3)[-1] - empty).mean() > 1
    assert (hud_frames(window, hud, picture, 4)[-1] == empty).all() and hud.message == ""


def test_hammering_on_a_key_makes_no_flash(window):
    from visualizer.picture.fade import Fade

    fade, levels = Fade(), []
    for i in range(200):  # 10 presses a second
        if i % 10 == 0:
            fade.toggle()
        levels.append(fade.step(0.01))
    turns = np.count_nonzero(np.diff(np.sign(np.diff(levels))[np.diff(levels) != 0]))
    assert turns <= 2 * 4  # two seconds, two flashes in each


def test_a_click_finds_the_thumbnail(window):
    from visualizer.output.hud import Hud
    from visualizer.output.panels import Thumbnail

    hud = Hud()
    hud.thumbnails = [Thumbnail(name, None) for name in ("One", "Two", "Three")]
    assert hud.preset_at(160, 180) is None  # no strip is shown
    hud.toggle("strip")
    hud_frames(window, hud, plain((0, 0, 0)), 0.5)
    found = [hud.preset_at(x, 165) for x in range(0, 320, 4)]
    assert {0, 1, 2, None} == set(found)
    assert [place for place in dict.fromkeys(found) if place is not None] == [0, 1, 2]


def test_stills_are_numbered_and_never_overwritten(tmp_path):
    from PIL import Image

    from visualizer.output.stills import save_still

    (tmp_path / "visualizer-0002.png").write_text("mine")
    picture = soft_noise(40, 60)
    names = [save_still(picture, tmp_path).name for _ in range(2)]
    assert names == ["visualizer-0001.png", "visualizer-0003.png"]
    assert (np.asarray(Image.open(tmp_path / "visualizer-0001.png")) == picture).all()
    assert (tmp_path / "visualizer-0002.png").read_text() == "mine"
    with pytest.raises(UserError, match="can't be saved"):
        save_still(picture, tmp_path / "missing")


def sentence(environment, code=None):
    """Exit code and the lines on stderr of `visualizer live`, or of some code."""
    done = ran("live", code=code, environment=environment)
    return done.returncode, done.stderr.splitlines()


def without_display(**more):
    gone = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")
    return {**{key: value for key, value in ENVIRONMENT.items() if key not in gone}, **more}


def test_no_display_is_one_sentence():
    for environment in (without_display(), without_display(DISPLAY=":987")):
        code, lines = sentence(environment)
        assert code == 2 and len(lines) == 1, lines
        assert "no display" in lines[0] and "visualizer render" in lines[0]


def test_a_wayland_display_on_which_sdl_crashes_is_one_sentence(tmp_path):
    import pygame

    if pygame.get_sdl_version() >= (2, 30):
        pytest.skip("this SDL doesn't crash there")
    tmp_path.chmod(0o700)
    environment = without_display(XDG_RUNTIME_DIR=str(tmp_path), WAYLAND_DISPLAY="wayland-test")
    command = ["weston", "--backend=headless-backend.so", "--socket=wayland-test", "--idle-time=0"]
    with subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL) as weston:
        try:
            wait_for(lambda: (tmp_path / "wayland-test").exists())
            code, lines = sentence(environment)
        finally:
            weston.terminate()
    assert code == 2 and len(lines) == 1, lines
    assert "crashes" in lines[0] and "pip install pygame-ce" in lines[0]


def test_an_old_opengl_is_one_sentence():
    code, lines = sentence(without_display(SDL_VIDEODRIVER="offscreen", MESA_GL_VERSION_OVERRIDE="2.1"))
    assert code == 2 and len(lines) == 1, lines
    assert "OpenGL 3.3" in lines[0] and "apt install" in lines[0]


@pytest.mark.parametrize("package", ["pygame", "OpenGL"])
def test_a_missing_package_is_one_sentence(package):
    run = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['visualizer', 'live'];"
        "from visualizer.cli import main; main()"
    )
    code, lines = sentence(without_display(SDL_VIDEODRIVER="offscreen"), run)
    assert code == 2 and len(lines) == 1, lines
    assert "pip install" in lines[0] and "apt install" in lines[0]


def test_words_are_seen_before_torch_is_there():
    code = """
import sys
from visualizer.output.window import Window
from visualizer.output.hud import Hud
from visualizer.output.upscale import Upscaler
from visualizer.output.graphics import read_screen
with Window("visualizer", (320, 200)) as window:
    hud, upscaler = Hud(), Upscaler()
    hud.wait("loading")
    for _ in range(600):
        upscaler.clear(*window.size)
        hud.draw(*window.size, 1 / 60)
    assert read_screen(*window.size).max() > 200 and "torch" not in sys.modules
"""
    environment = {**ENVIRONMENT, "SDL_VIDEODRIVER": "offscreen"}
    done = ran(code=code, environment=environment)
    assert done.returncode == 0, done.stderr


def test_the_benchmark_does_without_opengl():
    run = (
        "import sys; sys.modules['OpenGL'] = None\n"
        "from visualizer.bench import parts; from visualizer.common.errors import UserError\n"
        "import torch\n"
        "try: list(parts.measure_window(0.1, torch.device('cpu')))\n"
        "except UserError as error: sys.exit(str(error))"
    )
    code, lines = sentence(without_display(), run)
    assert code == 1 and len(lines) == 1 and "no display" in lines[0], lines


def test_a_monitor_that_is_not_there(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    with pytest.raises(UserError, match="no monitor 7; there are 0 "):
        Window("test", monitor=7)
    assert os.environ["SDL_VIDEODRIVER"] == "offscreen"


def test_ctrl_c_waits_for_the_end_of_a_frame(window):
    """In the midst of a call into OpenGL it would come out as another error; who insists need not wait."""
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        window.events()
    window.events()


def test_an_unlimited_window_is_marked_for_as_long_as_it_is_open(window):
    from visualizer.output.graphics import read_screen
    from visualizer.output.hud import Hud
    from visualizer.output.upscale import Upscaler

    upscaler, corners = Upscaler(), []
    for hud in (Hud(), Hud(mark="flashes are NOT limited")):
        for dt in (0.0, 60.0):
            upscaler.clear(*window.size)
            hud.draw(*window.size, dt)
            corners.append(read_screen(*window.size)[:60, 160:].max())
    assert corners[:2] == [0, 0] and min(corners[2:]) > 100
