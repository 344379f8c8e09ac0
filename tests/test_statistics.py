"""What the live engine measures of itself, and what it tells newcomers."""

from dataclasses import dataclass

import pytest

from visualizer.audio.spectrum import SpectrumSettings
from visualizer.common.record import Record
from visualizer.live.guide import Guide
from visualizer.live.statistics import Statistics


def test_statistics_are_written_out():
    statistics = Statistics()
    for interval in (0.016, 0.017, 0.05):
        statistics.swapped(interval)
    assert statistics.frames == 3 and statistics.late == 1
    assert statistics.fps == pytest.approx(3 / 0.083)
    assert "50.0 ms" in str(statistics) and "latency   none" in str(statistics)


def test_every_moment_of_sound_has_its_latency():
    """Frames 20 ms apart, events 10 ms apart, 70 ms from each event to the first swap that can show it."""
    settings = SpectrumSettings(sr=51200, n_fft=2048, hop_length=512)  # hops of 10 ms, half windows of 20
    statistics = Statistics()
    for frame in range(100):
        statistics.showed(swap=1.0 + 0.02 * frame, heard=0.93 + 0.02 * frame, settings=settings)
        statistics.showed(swap=1.01 + 0.02 * frame, heard=0.93 + 0.02 * frame, settings=settings)  # again
    latencies = statistics.latencies.values()[1:]
    assert sorted({round(latency, 3) for latency in latencies.tolist()}) == [0.07, 0.08]
    assert len(latencies) == pytest.approx(200, abs=3)
    # The oldest sample of the newest hop entered the window 10 ms after the window's middle.
    assert statistics.head_start == pytest.approx(0.01)
    statistics.showed(swap=9.0, heard=8.9, settings=settings)  # a device was away: none of it was seen
    assert statistics.latencies.count == len(latencies) + 1


def test_a_record_keeps_the_latest_and_does_not_grow():
    record = Record(100)
    for number in range(250):
        record.add(number)
    assert record.count == 250 and record.last == 249
    assert sorted(record.values()) == list(range(150, 250))
    assert record.spread() == (pytest.approx(199.5), pytest.approx(248, abs=0.1), 249)
    record.clear()
    assert record.last is None and record.spread() is None


@dataclass
class Heard:
    """What the guide asks a microphone."""

    ok: bool = True
    level: float = -120.0
    device_name: str = "Built-in"
    status: str = "listening to Built-in"


@dataclass
class Listening:
    """What the guide asks of the hearing."""

    sound: Heard | None
    listens: bool = True

    def toggle_demo(self):
        self.listens, self.sound = False, Heard(status="playing the demo tune on Built-in")


def test_newcomers_are_told_what_is_heard():
    guide, hearing = Guide(), Listening(None)
    assert guide.word(hearing, 0.0) is None
    hearing.sound = Heard(ok=False)
    assert guide.word(hearing, 9.0) is None  # that it can't be opened is told elsewhere
    hearing.sound.ok = True
    assert guide.word(hearing, 10.0) is None
    words, warning = guide.word(hearing, 15.0)
    assert (
        "nothing is heard on Built-in" in words
        and "press A" in words
        and "D for the demo" in words
        and warning
    )
    assert guide.word(hearing, 30.0) is None
    hearing.sound.level = -30.0
    words, warning = guide.word(hearing, 31.0)
    assert words == "hearing Built-in; H lists the keys, Q is the page for phones" and not warning
    assert guide.word(hearing, 32.0) is None
    song = Heard(status="playing a song on Built-in")
    assert (
        Guide().word(Listening(song, listens=False), 0.0)[0].startswith("playing a song on Built-in; H lists")
    )


@pytest.mark.parametrize(
    "sound, why",
    [
        (Heard(), "nothing is heard on Built-in"),
        (Heard(ok=False, status="no microphone found"), "no microphone"),
    ],
)
def test_with_nothing_to_hear_the_tune_plays_and_within_five_seconds_that_is_told(sound, why):
    guide, hearing = Guide(tune=True), Listening(sound)
    told = {second: guide.word(hearing, 100.0 + second) for second in (0.0, 1.0, 4.0)}
    assert not hearing.listens
    (words, warning) = told.pop(4.0)
    assert not any(told.values()) and not warning
    assert words.startswith(why) and "D listens again" in words and "demo tune" in words
    assert "H lists the keys" in words and "Q is the page" in words
    assert guide.word(hearing, 120.0) is None


def test_with_something_to_hear_no_tune_plays():
    guide, hearing = Guide(tune=True), Listening(Heard(level=-30.0))
    assert guide.word(hearing, 0.0)[0].startswith("hearing Built-in")
    hearing.sound.level = -120.0
    assert guide.word(hearing, 60.0) is None and hearing.listens
