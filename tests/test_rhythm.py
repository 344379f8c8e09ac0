"""What events carry of the rhythm."""

import pytest

from visualizer.audio.listener import Event
from visualizer.audio.rhythm import NO_BEAT, Beat, Section, Strikes


def test_a_beat_goes_on_by_itself():
    beat = Beat(tempo=120, phase=0.5, next_s=0.25, number=7, confidence=0.8, meter=4, position=3)
    assert beat.after(0) == beat
    soon = beat.after(0.1)
    assert soon.phase == pytest.approx(0.7) and soon.next_s == pytest.approx(0.15)
    assert (soon.number, soon.position) == (7, 3)
    later = beat.after(0.85)
    assert later.phase == pytest.approx(0.2) and later.next_s == pytest.approx(0.4)
    assert (later.number, later.position, later.confidence) == (9, 1, 0.8)
    at_once = beat.after(0.25)
    assert (at_once.phase, at_once.number, at_once.position) == (0, 8, 0)


def test_without_a_beat_there_is_none_later():
    assert NO_BEAT.after(3.0) == NO_BEAT


def test_by_another_clock_a_moment_is_the_same():
    heard = 3, -20.0, 0.4, Strikes(all=0.5), Beat(tempo=90), Section(0.7, True, 2)
    assert Event(1.5, *heard).at(7.25) == Event(7.25, *heard)
