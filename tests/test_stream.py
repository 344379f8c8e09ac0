"""The picture stream: pictures painted for the moments at which they are seen."""

import itertools
import time
from dataclasses import dataclass

import numpy as np
import pytest

from visualizer.latent.code import Code
from visualizer.neural.stream import PictureStream

pytestmark = pytest.mark.alone


@dataclass
class Still:
    """A pose whose code tells the time that it was asked for."""

    asked: list

    def code(self, moment):
        self.asked.append(moment)
        place = np.full(4096, moment, np.float32)
        return Code(place, place)


def paint_in(seconds, step=8):
    """A painter that takes its time; its picture is a grey that counts the pictures, round and round."""
    count = [0]

    def paint(codes, matter):
        time.sleep(seconds)
        count[0] += step
        return np.full((len(codes), 256, 256, 3), count[0] % 256, np.uint8)

    return paint


def play(stream, frames, period=0.02, lead=0.002):
    """What a render thread gets at each swap."""
    shown, due = [], time.perf_counter()
    for _ in range(frames):
        due = max(due + period, time.perf_counter())
        stream.tick(due, period, lead)
        stream.wait(due - lead)
        picture = stream.at(due)
        shown.append(None if picture is None else int(picture[0, 0, 0]))
        time.sleep(max(0, due - time.perf_counter()))
    return shown


def test_a_fast_painter_paints_every_frame_for_its_own_time():
    asked = []
    with PictureStream(paint_in(0.001), lambda: Still(asked)) as stream:
        shown = [grey for grey in play(stream, 40) if grey is not None]
    assert len(shown) >= 35
    assert len(asked) >= 30
    assert len(set(shown)) >= 0.5 * len(shown) - 2  # the greys repeat after 32, and machines are busy
    assert all(later > earlier for earlier, later in itertools.pairwise(asked))


@pytest.mark.parametrize("seconds", [0.013, 0.0155, 0.017, 0.019, 0.021, 0.024])
def test_a_painter_that_just_makes_it_or_just_does_not_is_never_idle(seconds):
    """Pictures that take about as long as a frame, on a machine that wakes threads up late."""
    asked, late = [], np.random.default_rng(0)

    def pose():
        time.sleep(late.uniform(0, 0.004))
        return Still(asked)

    with PictureStream(paint_in(seconds), pose) as stream:
        play(stream, 30)
    assert len(asked) >= 10


def test_a_picture_is_begun_as_late_as_it_can_be():
    """So that it knows of the newest sound: painting, waiting and composing leave little of it."""
    with PictureStream(paint_in(0.005), lambda: Still([])) as stream:
        play(stream, 20, period=0.05)
        ages = []
        for _ in range(30):
            play(stream, 1, period=0.05)
            ages.append(stream.newest.time - stream.newest.begun)
    assert np.median(ages) < 0.025  # of the 0.048 that there are


def test_a_slow_painter_still_gives_a_new_picture_every_frame():
    # So small a step that even on a busy machine it does not come round.
    with PictureStream(paint_in(0.07, step=4), lambda: Still([])) as stream:
        play(stream, 10)
        shown = play(stream, 40)
    changes = sum(a != b for a, b in itertools.pairwise(shown))
    painted = (shown[-1] - shown[0]) / 4
    assert changes >= min(25, 2 * painted)  # and not as few as were painted
    assert all(b >= a for a, b in itertools.pairwise(shown))  # always towards the newest


def test_a_painter_of_two_pictures_a_second_never_jumps():
    """As a large StyleGAN is on a processor: pictures are painted ahead and gone over to in many steps."""
    step = 40
    with PictureStream(paint_in(0.5, step), lambda: Still([])) as stream:
        play(stream, 80)  # it has to learn how long it takes
        shown = play(stream, 100)
    changes = np.abs(np.diff(shown))
    assert changes.max() < step / 2 and (changes > 0).sum() >= 20


def test_an_error_in_painting_comes_out():
    def broken(shape, matter):
        raise ValueError("no paint")

    with PictureStream(broken, lambda: Still([])) as stream, pytest.raises(ValueError, match="no paint"):
        play(stream, 100)
