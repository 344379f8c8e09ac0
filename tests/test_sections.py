"""Sections against medleys: where the music changes as a whole, and where it only goes on."""

from itertools import pairwise

import numpy as np
import pytest
import scores

from visualizer.audio.listener import Listener

SR = 44100
BAR_S = 240 / 128
MEDLEY = scores.medley(
    "break", 128, (scores.house, 7), (scores.pads, 6), (scores.techno, 7), (scores.rock, 7)
)
CHANGES = 0.5 + BAR_S * np.array([7, 13, 20])


@pytest.fixture(scope="module")
def events(codebook, played):
    return list(Listener(codebook).push(played(MEDLEY)))


def starts(events):
    return np.array([e.time for e in events if e.section.starts])


def test_every_new_style_is_a_section_and_nothing_else_is(events):
    found = starts(events)
    print(f"\nchanges at {CHANGES.round(1)}, noticed at {found.round(1)}")
    assert len(found) == 3
    assert (found > CHANGES).all() and (found < CHANGES + 5.5).all()


def test_a_section_begins_with_a_beat(events):
    for before, event in pairwise(events):
        if event.section.starts and event.beat.confidence > 0.6:
            assert event.beat.number == before.beat.number + 1


def test_sections_are_numbered_and_novelty_has_a_range(events):
    number = 0
    for event in events:
        number += event.section.starts
        assert event.section.number == number
        assert 0 <= event.section.novelty <= 1
    assert max(e.section.novelty for e in events) > 0.3


def test_music_that_goes_on_has_one_section(codebook, played):
    for score in scores.steady_scores():
        if score.name in ("four on the floor", "rock"):
            assert not len(starts(Listener(codebook).push(np.tile(played(score)[: 12 * SR], 2))))


def test_after_a_pause_there_is_a_new_section_at_once(codebook, played):
    rock = played(next(s for s in scores.steady_scores() if s.name == "rock"))[SR : 7 * SR]
    pause = np.zeros(4 * SR, np.float32)
    found = starts(Listener(codebook).push(np.concatenate([pause, rock, pause, rock])))
    assert len(found) == 1 and found[0] == pytest.approx(14, abs=0.1)


def test_blocks_of_any_size_give_the_same_sections(codebook, played, events):
    samples = played(MEDLEY)[: 20 * SR]
    cut = Listener(codebook)
    blocks = np.split(samples, range(700, len(samples), 700))
    again = [event for block in blocks for event in cut.push(block)]
    assert again == events[: len(again)] and any(e.section.starts for e in again)
