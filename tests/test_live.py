"""The live engine: real keys in a real window under Xvfb, and its parts one by one."""

import itertools
import os
import signal
import threading
import time
import tomllib

import numpy as np
import pytest
import torch
from PIL import Image
from screen import SIZE, wait_for, x_server

from visualizer.audio.accents import Accents
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control.repertoire import Repertoire
from visualizer.live.backstage import Backstage
from visualizer.picture.framing import frame_shape
from visualizer.picture.stage import Stage

pytestmark = pytest.mark.alone

PRESETS = sorted(assets.folder("presets").glob("*.toml"))
TITLES = [tomllib.loads(path.read_text())["title"] for path in PRESETS]
BEGIN = next(i for i, path in enumerate(PRESETS) if path.stem == "garden")
WINDOW = ("--size", "384x384", "--compute", "cpu")

OWN = 'title = "{title}"\n[bank]\ngroups = ["{group}"]\n'


@pytest.fixture(scope="module")
def screen():
    with x_server() as opened:
        yield opened


def differ(a, b, least=2.0):
    """Whether two pictures are clearly not the same."""
    return a.shape != b.shape or np.abs(a.astype(int) - b).mean() > least


# --- the whole of it ------------------------------------------------------------------------------


def test_an_evening(screen, tmp_path):
    """One show from start to end: everything that keys do in a window."""
    with screen.show("live", "--preset", "garden", *WINDOW, "--verbose", cwd=tmp_path) as show:
        show.until_title("Garden")
        wait_for(lambda: show.picture().mean() > 8)  # faded in from black
        assert show.place[2:] == (384, 384)

        before = show.picture()
        wait_for(lambda: differ(show.picture(), before, 0.2))  # it moves, though nothing is heard

        place = BEGIN
        for key, step in (("n", 1), ("Right", 1), ("p", -1), ("Left", -1)):
            place = (place + step) % len(TITLES)
            show.press(key)
            show.until_title(TITLES[place])
        show.press("1")
        show.until_title(TITLES[0])
        show.press("r")
        wait_for(lambda: show.title not in ("", f"{TITLES[0]} - visualizer"))

        show.press("b")  # black, so that overlays show against it
        wait_for(lambda: show.picture()[:300].mean() < 1)
        for key in ("h", "i", "Tab"):
            wait_for(lambda: show.picture().mean() < 1)
            show.press(key)
            wait_for(lambda: show.picture().mean() > 3)
            show.press(key)
        wait_for(lambda: show.picture().mean() < 1)
        show.press("b")
        wait_for(lambda: show.picture().mean() > 8)

        (tmp_path / "visualizer-0001.png").write_text("mine")
        show.press("s")
        still = tmp_path / "visualizer-0002.png"
        wait_for(lambda: still.is_file() and still.stat().st_size > 1000)
        assert (tmp_path / "visualizer-0001.png").read_text() == "mine"

        show.press("plus", "minus", "bracketleft", "bracketright", "m", "l", "space")
        screen.do("windowsize", show.window, 500, 300)
        wait_for(lambda: show.place[2:] == (500, 300) and show.picture()[-20:].mean() > 4)
        show.press("f")
        wait_for(lambda: show.place == (0, 0, *SIZE))
        wait_for(lambda: show.picture()[-100:, -100:].mean() > 2)
        show.press("Escape")
        time.sleep(2.0)  # longer than two presses may be apart
        assert show.process.poll() is None
        show.press("f")
        wait_for(lambda: show.place[2:] == (500, 300))
        show.press("n")  # still at it
        begun = time.monotonic()
        show.press("Escape")
        code, errors = show.until_ended(20)
        assert code == 0 and "Traceback" not in errors, errors
        assert time.monotonic() - begun < 10
    with Image.open(still) as picture:
        assert picture.size == (384, 384) and np.asarray(picture).std() > 3


def test_fullscreen_from_the_start_and_esc_twice(screen):
    with screen.show("live", "--fullscreen", *WINDOW) as show:
        wait_for(lambda: " - " in show.title)
        assert show.place == (0, 0, *SIZE)
        show.press("Escape", "Escape")
        code, errors = show.until_ended(20)
        assert code == 0 and "Traceback" not in errors, errors


def test_a_preset_is_read_again_when_it_is_saved(screen, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN.format(title="First", group="plants"))
    with screen.show("live", "--preset", str(own), *WINDOW) as show:
        show.until_title("First")
        own.write_text(OWN.format(title="Second", group="birds"))
        show.until_title("Second")
        show.press("n")
        show.until_title(TITLES[0])
        show.press("1")  # a preset of one's own comes before the shipped ones
        show.until_title("Second")
        own.write_text('title = "Broken')
        time.sleep(1.5)  # the files are looked at twice a second
        assert show.title == "Second - visualizer"
        own.unlink()
        time.sleep(0.7)
        own.write_text(OWN.format(title="Third", group="plants"))
        show.until_title("Third")
        screen.do("windowclose", show.window)
        wait_for(lambda: show.process.poll() is not None, 20)


def test_quitting_while_it_loads(screen):
    with screen.show("live", *WINDOW) as show:
        assert show.window
        show.process.send_signal(signal.SIGTERM)
        code, errors = show.until_ended(20)
        assert code == 0 and "Traceback" not in errors, errors


def test_ctrl_c(screen):
    with screen.show("live", *WINDOW) as show:
        wait_for(lambda: " - " in show.title)
        show.process.send_signal(signal.SIGINT)
        code, errors = show.until_ended(20)
        assert code == 130 and "Traceback" not in errors and "stopped" in errors, errors


def test_a_display_whose_server_ends():
    """The program ends, too, and doesn't hang: a session can start it anew."""
    with x_server() as own, own.show("live", *WINDOW) as show:
        wait_for(lambda: " - " in show.title)
        own.end()
        show.until_ended(20)


def test_what_cannot_be_loaded_is_one_sentence(screen, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('title = "Bad"\nspeed = 3\n')
    for arguments, words in (
        (("--preset", "gardn"), ("gardn", "garden")),
        (("--preset", str(bad)), ("bad.toml", "speed")),
        (("--monitor", "5"), ("no monitor 5",)),
        (("--device", "no such microphone"), ("microphone",)),
    ):
        with screen.show("live", *arguments) as show:
            code, errors = show.until_ended(90)
            lines = [line for line in errors.splitlines() if line.startswith("visualizer")]
            assert code == 2 and len(lines) == 1 and "Traceback" not in errors, errors
            assert all(word in lines[0] for word in words)


def test_a_song_is_followed_to_its_end(screen, song):
    with screen.show("play", song, "--preset", "garden", *WINDOW, "--verbose") as show:
        out, errors = show.process.communicate(timeout=120)
        assert show.process.returncode == 0 and "Traceback" not in errors, errors
        assert "frames" in out and "latency" in out


def test_in_this_process(monkeypatch, tmp_path):
    """Without Xvfb: the errors of a broken preset and of a failed still are told in the window."""
    import pygame

    from visualizer.live.engine import Engine
    from visualizer.live.loading import Wishes
    from visualizer.output.display import NoDisplay
    from visualizer.output.window import Window

    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    own = tmp_path / "own.toml"
    own.write_text(OWN.format(title="Mine", group="plants"))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        window = Window("test", (320, 200))
    except NoDisplay as error:
        pytest.skip(str(error))
    messages = []

    def press(key, text=""):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text, scancode=0, mod=0))

    with window:
        live = Engine(window, Wishes(preset=str(own), compute="cpu", sensitivity=2.0), time.perf_counter())

        def user():
            def said(word):
                wait_for(lambda: word in live.hud.message)
                messages.append(live.hud.message)

            try:
                wait_for(lambda: live.statistics.frames > 3)
                for broken, word in (
                    ("title = 3\n", "a valid string"),
                    ("title = 'Mine'\nspeed = 1", "unknown key 'speed'"),
                    (OWN.format(title="?", group="?"), "group '?'"),
                ):
                    own.write_text(broken)
                    said(word)
                    assert live.programme.look.preset.title == "Mine"
                press(pygame.K_s, "s")
                said("still")
                press(pygame.K_PLUS, "+")
                said("response")
                press(pygame.K_PERIOD, ".")
                said("sensitivity")
                assert live.programme.look.preset.hearing.sensitivity == 2.5
            finally:
                press(pygame.K_ESCAPE, "\x1b")

        hands = threading.Thread(target=user)
        hands.start()
        statistics = live.run(seconds=180)
        hands.join()
    assert "can't be saved" in messages[3] and "176 ms" in messages[4], messages
    assert "2.50" in messages[5], messages
    assert statistics.frames > 10 and statistics.shut_down < 5
    assert 0 < statistics.first_picture < 120
    assert (live._upscaler.chosen_for == window.size) == window.software
    os.chdir(tmp_path)


# --- the parts ------------------------------------------------------------------------------------


def stage_for(name, aspect=16 / 9):
    class Passing:
        held = 0.0

        def __call__(self, frame, dt):
            return frame

    stage = Stage(aspect, Passing())
    preset = presets.load(presets.find(name))
    stage.play(preset, stage.effects(preset), 0)
    return stage


PICTURE = torch.randint(0, 255, (256, 256, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_every_preset_fills_the_same_frame():
    for path in PRESETS:
        frame = stage_for(path.stem)(PICTURE, Accents(-20.0, 0.5), 1 / 60)
        assert tuple(frame.shape) == (*frame_shape(256, 16 / 9, "mirror"), 3), path.stem
        assert frame.dtype == torch.uint8


def test_presets_cross_fade():
    stage = stage_for("everything")
    first = stage(PICTURE, Accents(-20.0), 1 / 60).float()
    other = presets.load(presets.find("creatures"))
    stage.play(other, stage.effects(other), 0.5)
    frames = [stage(PICTURE, Accents(-20.0), 1 / 60).float() for _ in range(40)]
    steps = [(b - a).abs().mean() for a, b in zip([first, *frames], frames)]
    way = (frames[-1] - first).abs().mean()
    assert way > 10 and max(steps) < 0.2 * way
    assert torch.equal(frames[-1], frames[-2])
    # A third one in the middle of a fade doesn't jump either.
    stage.play(other, stage.effects(other), 0.5)
    middle = [stage(PICTURE, Accents(-20.0), 1 / 60).float() for _ in range(15)][-1]
    stage.play(other, stage.effects(other), 0.5)
    assert (stage(PICTURE, Accents(-20.0), 1 / 60).float() - middle).abs().mean() < 3


def test_the_blackout_is_black_and_goes_away():
    stage = stage_for("everything")
    before = stage(PICTURE, Accents(-20.0), 1 / 60)
    stage.blackout.toggle()
    frames = [stage(PICTURE, Accents(-20.0), 1 / 30).float().mean() for _ in range(40)]
    assert frames[-1] == 0 and all(b <= a for a, b in itertools.pairwise(frames))
    stage.blackout.toggle()
    for _ in range(40):
        after = stage(PICTURE, Accents(-20.0), 1 / 30)
    assert torch.equal(after, before)


def test_backstage_tells_and_raises():
    heard, troubles, warnings = [], [], []
    with Backstage(troubles.append, warnings.append) as backstage:
        backstage.warn("mind the gap")
        backstage.do(lambda: backstage.tell(lambda: heard.append(threading.current_thread().name)))

        def fail():
            raise UserError("no")

        backstage.do(fail)
        wait_for(lambda: backstage.deliver() or (heard and troubles), 10)
        assert warnings == ["mind the gap"]
        assert heard == [threading.current_thread().name] and str(troubles[0]) == "no"
        steps = []

        def idle():
            while True:
                steps.append(0)
                yield 0.01

        backstage.while_idle(idle())
        wait_for(lambda: len(steps) > 3, 10)
        backstage.do(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            wait_for(backstage.deliver, 10)


def test_the_repertoire(tmp_path):
    shipped = Repertoire()
    assert [path.stem for path in shipped.paths] == [path.stem for path in PRESETS]
    assert Repertoire("reef").paths[Repertoire("reef").start].stem == "reef"
    own = tmp_path / "own.toml"
    own.write_text(OWN.format(title="Mine", group="plants"))
    repertoire = Repertoire(str(own))
    assert repertoire.start == 0 and repertoire.paths[1:] == shipped.paths
    look = repertoire.load(0)
    assert look.targets.shape == (len(look.codebook), 4096)
    assert repertoire.load(1).bank is look.bank  # loaded once
    assert repertoire.edited() == []
    own.write_text(OWN.format(title="Mine, longer", group="plants"))
    assert repertoire.edited() == [0] and repertoire.edited() == []
    own.unlink()
    assert repertoire.edited() == []
    with pytest.raises(UserError, match="no presets in"):
        Repertoire(folder=tmp_path)
