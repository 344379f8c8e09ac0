"""Two generators of one code: the better draws where it is fast enough, and gives way without a jump."""

import subprocess
import time
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from visualizer.common import assets
from visualizer.latent.bank import Bank
from visualizer.neural import generators, quality
from visualizer.neural.inference import choose_device, make_painter

PERIOD = 1 / 60


class Slowed:
    """A real painter that can be told to take longer."""

    def __init__(self, painter, clock, takes):
        self.painter, self.clock, self.takes = painter, clock, takes

    def __call__(self, shape, matter):
        self.clock.now += self.takes
        return self.painter(shape, matter)


class Clock:
    """Stands for time.perf_counter: painting takes what the test says."""

    now = 0.0


@pytest.fixture(scope="module")
def painters():
    cpu = choose_device("cpu")
    return {q: make_painter(generators.load(quality.file(q)), cpu, 1) for q in quality.FILES}


@pytest.fixture(scope="module")
def code():
    return Bank.load(assets.model("bank.safetensors")).codes[:1]


@pytest.fixture
def stage(painters, code, monkeypatch):
    """Makes a StagePainter of the shipped generators, which take so many milliseconds."""

    def make(asked, light, grand):
        clock = Clock()
        monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
        slow = {
            "light": Slowed(painters["light"], clock, light / 1000),
            "grand": Slowed(painters["grand"], clock, grand / 1000),
        }
        return quality.StagePainter(asked, slow.__getitem__, code, PERIOD), slow

    return make


@pytest.mark.parametrize(
    ("asked", "light", "grand", "chosen"),
    [
        ("auto", 3, 10, "grand"),
        ("auto", 3, 12, "light"),  # of 16.7 a third is to be left
        ("auto", 30, 90, "light"),
        ("light", 1, 2, "light"),
        ("grand", 30, 90, "grand"),
    ],
)
def test_the_better_one_that_leaves_a_third_of_the_time(stage, asked, light, grand, chosen):
    assert stage(asked, light, grand)[0].quality == chosen


def sized(pictures, size):
    """As another library makes them so many pixels small."""
    small = [Image.fromarray(p.astype(np.uint8)).resize((size, size), Image.Resampling.BOX) for p in pictures]
    return np.stack(small).astype(int)


def test_a_machine_that_slows_down_gets_the_light_one_without_a_jump(stage, painters, code):
    painter, _ = stage("auto", 3, 10)
    grand, light = (painters[q](code, code).astype(int) for q in ("grand", "light"))
    whole, grand = grand, sized(grand, light.shape[1])
    assert np.abs(grand - light).max() > 40, "a jump would show"
    assert not any(painter.watch(0.011) for _ in range(300))
    assert not any(painter.watch(0.05) for _ in range(quality.PATIENCE // 3)), "a moment proves nothing"
    shown = [painter(code, code).astype(int)]
    assert np.array_equal(shown[0], whole)
    shown[0] = grand
    assert sum(painter.watch(0.02) for _ in range(quality.PATIENCE)) == 1, "it is told once"
    shown += [np.asarray(painter(code, code)).astype(int) for _ in range(quality.CROSSFADE + 2)]
    assert painter.quality == "light" and np.array_equal(shown[-1], light)
    steps = [np.abs(b - a).max() for a, b in pairwise(shown)]
    assert max(steps) <= np.abs(grand - light).max() / quality.CROSSFADE + 2


def test_who_asks_for_grand_keeps_it(stage):
    painter, _ = stage("grand", 3, 90)
    assert not any(painter.watch(0.2) for _ in range(300)) and painter.quality == "grand"


def test_videos_take_grand_down_to_half_of_real_time(painters, code, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)

    def chosen(grand_ms, fps):
        made = {q: Slowed(painters[q], clock, grand_ms / 1000) for q in quality.FILES}
        return quality.for_video("auto", made.__getitem__, code, fps)[1]

    assert chosen(60, 30) == "grand" and chosen(70, 30) == "light" and chosen(30, 60) == "grand"


def frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(int)


def test_a_video_by_each_and_what_it_is_by(visualizer, tmp_path, song):
    made = {}
    for asked in ("light", "grand"):
        path = tmp_path / f"{asked}.mp4"
        run = visualizer("render", song, "-o", path, "--duration", 1, "--size", "256x256", "--quality", asked)
        assert run.returncode == 0 and f", {asked}." in run.stdout
        made[asked] = frames(path)
    path = tmp_path / "file.mp4"
    grand = assets.model("grand.safetensors")
    run = visualizer("render", song, "-o", path, "--duration", 1, "--size", "256x256", "--generator", grand)
    assert run.returncode == 0
    assert np.array_equal(frames(path), made["grand"])
    assert np.abs(made["grand"] - made["light"]).mean() > 4


def test_a_quality_of_ones_own_generator_is_an_error(visualizer, tmp_path, song):
    run = visualizer(
        "render", song, "-o", tmp_path / "a.mp4", "--quality", "grand",
        "--generator", assets.model("generator.safetensors"),
    )  # fmt: skip
    assert run.returncode == 2 and "leave it out" in run.stderr and not list(tmp_path.glob("*.mp4"))


def test_an_unknown_quality_is_an_error(visualizer, tmp_path, song):
    run = visualizer("render", song, "-o", tmp_path / "a.mp4", "--quality", "best")
    assert isinstance(run, subprocess.CompletedProcess) and run.returncode == 2 and "grand" in run.stderr
