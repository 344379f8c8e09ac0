"""What is heard live, and going over from one sound to the next."""

import pytest

from visualizer.audio.codebook import Codebook
from visualizer.audio.ears import nowhere
from visualizer.common.errors import UserError
from visualizer.latent.ring import Ring
from visualizer.live.hearing import Hearing


class Ended:
    """A sound that has come to its end."""

    ok, finished, status, device_name, level = True, True, "has ended", "", -120.0

    def __init__(self, failure=""):
        self.failure = failure

    def __exit__(self, *_):
        pass


class Slow:
    """A backstage that doesn't get round to anything."""

    stopped = False

    def __init__(self):
        self.jobs = []

    def do(self, job):
        self.jobs.append(job)


def test_the_show_goes_on_after_the_demo_tune_however_long_it_takes_to_listen_again(codebook):
    backstage = Slow()
    hearing = Hearing("microphone", None, Ring(), backstage, nowhere)
    hearing.begin(codebook)
    hearing.toggle_demo()
    hearing.sound, hearing._opened = Ended(), 2  # as backstage would have it
    assert not any(hearing.follow() for _ in range(5))
    assert len(backstage.jobs) == 3 and hearing.listens


def test_a_preset_chosen_during_the_demo_tune_names_the_microphones_sounds_after_it(codebook):
    hearing = Hearing("microphone", None, Ring(), Slow(), nowhere)
    hearing.begin(codebook)
    hearing.toggle_demo()
    other = Codebook(codebook.centroids, codebook.settings)
    hearing.use(other)
    assert hearing.by is codebook
    hearing.toggle_demo()
    assert hearing.by is other


def test_a_song_that_can_not_be_played_says_so_at_its_end(codebook):
    hearing = Hearing("demo", None, Ring(), Slow(), nowhere)
    hearing.begin(codebook)
    hearing.sound, hearing._opened = Ended("x.mp3 holds no sound that can be decoded; try another copy"), 1
    with pytest.raises(UserError, match=r"try another copy\.$"):
        hearing.follow()
