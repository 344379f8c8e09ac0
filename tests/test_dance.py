"""The choreography: when the particles move, how far, and what a strike does to them."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scores

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event, Listener
from visualizer.audio.rhythm import NO_BEAT, NO_SECTION, Beat, Section, Strikes
from visualizer.latent.choreography import Choreography
from visualizer.latent.motion import Motion
from visualizer.latent.particle import Spring
from visualizer.offline.engine import Clock, open_parts

HOP = 512 / 44100
N, DIM = 12, 256
RNG = np.random.default_rng(0)
TARGETS = RNG.standard_normal((N, DIM)) * 4
RADIUS = np.linalg.norm(TARGETS[0])
# 120 beats a minute, the first of them 0.1 s after the beginning.
PERIOD, FIRST = 0.5, 0.1
QUICK = Spring(0.1, 0.0)


def rhythm(seconds, strikes=None, trusted=True, meter=4, clusters=None, sections=(), beats=True):
    """Events with a beat at 120 a minute; strikes: {time: Strikes}, or None for one at every beat."""
    n_beats = int((seconds - FIRST) / PERIOD) + 1
    if strikes is None:
        strikes = {FIRST + k * PERIOD: Strikes(1.0, 1.0, 1.0, 1.0) for k in range(n_beats)}
    strikes, sections = sorted(strikes.items()), sorted(sections)
    rng = np.random.default_rng(1)
    events = []
    for i in range(round(seconds / HOP)):
        t = i * HOP
        number = int(np.floor((t - FIRST) / PERIOD)) + 1
        next_s = FIRST + number * PERIOD - t
        beat = Beat(
            120, 1 - next_s / PERIOD, next_s, number, 0.9 if trusted else 0.2, meter, (number - 1) % 4
        )
        strike = strikes.pop(0)[1] if strikes and strikes[0][0] <= t else Strikes()
        section = Section(1.0, True, 1) if sections and sections[0] <= t else NO_SECTION
        sections = sections[1:] if section.starts else sections
        cluster = int(rng.integers(N)) if clusters is None else clusters(t)
        events.append(Event(t, cluster, -20.0, 0.0, strike, beat if beats else NO_BEAT, section))
    return events


def walk(motion, events, fps=200):
    """(times, shape [n, d], matter [n, d]) along the path."""
    times, shapes, matters = [], [], []
    for event, after in pairwise(events):
        motion.hear(event)
        for t in np.arange(event.time, after.time, 1 / fps):
            code = motion.code(t)
            times.append(t)
            shapes.append(code.shape)
            matters.append(code.matter)
    return np.array(times), np.array(shapes), np.array(matters)


def one(**choreography):
    """A quick particle on a leash, alone."""
    settings = {"law": QUICK, "reach": 1.0, **choreography}
    return Motion(TARGETS, Choreography(**settings), bars=0)


def starts(times, path):
    """When it sets out from rest."""
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / np.diff(times)
    moving = speed > 0.02 * speed.max()
    return times[1:][moving & ~np.roll(moving, 1)]


def test_onsets_move_it_and_nothing_else_does():
    struck = [1.0, 1.7, 3.1]
    events = rhythm(4.0, {t: Strikes(0.8) for t in struck}, beats=False)
    times, path, _ = walk(one(move_on="onset"), events)
    set_out = starts(times, path)
    np.testing.assert_allclose(set_out[set_out > 0.5], struck, atol=0.02)


def test_it_follows_the_range_that_it_is_told_to():
    bass, treble = Strikes(0.9, bass=0.9), Strikes(0.9, treble=0.9)
    events = rhythm(2.4, {0.6: treble, 1.0: bass, 1.5: treble, 2.0: bass}, beats=False)
    for follow, expected in (("bass", [1.0, 2.0]), ("treble", [0.6, 1.5]), ("middle", [])):
        times, path, _ = walk(one(move_on="onset", follow=follow), events)
        set_out = starts(times, path)
        np.testing.assert_allclose(set_out[set_out > 0.5], expected, atol=0.02)


@pytest.mark.parametrize("law", [Spring(0.1, 0.0), Spring(0.25, 0.0), Spring(0.3, 0.3)])
def test_with_a_beat_to_trust_it_arrives_with_the_beat(law):
    """Nine tenths of the way are done then, and with bounce all of it; and it was at rest long before."""
    motion = one(law=law, move_on="beat")
    events = rhythm(6.0)
    times, path, _ = walk(motion, events)
    shares = []
    for beat in np.arange(6, 11) * PERIOD + FIRST:
        at = path[np.searchsorted(times, beat)]
        here, there = (path[np.searchsorted(times, beat + dt)] for dt in (-law.arrival - 0.015, 0.18))
        way = there - here
        if np.linalg.norm(way) > 0.3 * RADIUS and law.bounce == 0:
            shares.append((at - here) @ way / (way @ way))
        elif law.bounce:
            # With bounce it is on its way through: fast, and near where it will stay.
            shares.append(1 - np.linalg.norm(at - there) / max(np.linalg.norm(way), 1e-9))
    assert shares and np.median(shares) > (0.85 if law.bounce == 0 else 0.5), shares


def test_bars_move_it_once_a_bar():
    times, path, _ = walk(one(move_on="bar"), rhythm(9.0))
    set_out = starts(times, path)
    downbeats = FIRST + np.arange(0, 18, 4) * PERIOD
    assert 3 <= len(set_out[set_out > 1]) <= 5
    for start in set_out[set_out > 1]:
        assert np.min(np.abs(start + QUICK.arrival - downbeats)) < 0.03


@pytest.mark.parametrize("move_on", ["beat", "bar"])
def test_without_a_beat_to_trust_onsets_stand_in(move_on):
    struck = np.arange(1.0, 8.0, 0.25)
    events = rhythm(8.0, {t: Strikes(0.9, 0.9, 0.9, 0.9) for t in struck}, trusted=False)
    times, path, _ = walk(one(move_on=move_on), events)
    set_out = starts(times, path)
    set_out = set_out[set_out > 0.9]
    assert len(set_out) >= 3
    assert all(np.min(np.abs(struck - t)) < 0.02 for t in set_out)
    assert np.diff(set_out).min() > (1.5 if move_on == "bar" else 0.28)


@pytest.mark.parametrize("move_on, least", [("onset", 0.95), ("beat", 0.95), ("bar", 2.9)])
def test_calm_music_stays_calm(move_on, least):
    """Sounds that change all the time but never strike: it moves, and rarely."""
    times, path, _ = walk(one(move_on=move_on), rhythm(14.0, {}, beats=False))
    set_out = starts(times, path)
    assert len(set_out) >= 4
    assert np.diff(set_out[set_out > 3]).min() > least


def test_silence_rests():
    events = rhythm(3.0) + [Event(3.0 + i * HOP, SILENCE, -120.0, 0.0) for i in range(200)]
    _, path, matter = walk(Motion(TARGETS, Choreography(QUICK, move_on="beat", kick=0.3), None), events)
    assert np.linalg.norm(path[-1] - path[-300]) < 1e-3 and np.array_equal(path, matter)


@pytest.mark.parametrize("reach", [0.25, 0.5, 1.0])
def test_a_leash_is_as_long_as_it_says(reach):
    motion = Motion(TARGETS, Choreography(QUICK, move_on="onset", reach=reach), bars=0)
    events = rhythm(6.0, {1.0: Strikes(1.0)}, clusters=lambda t: 2 if t < 0.9 else 7, beats=False)
    _, path, _ = walk(motion, events)
    way = TARGETS[7] - TARGETS[2]
    end = TARGETS[2] + reach * way
    cosine = path[-1] @ end / np.linalg.norm(path[-1]) / np.linalg.norm(end)
    assert cosine > 0.9999


def test_scenes_change_with_sections_and_after_so_many_bars_on_the_downbeat():
    """At reach 0 the path is the scene's vector alone."""
    motion = Motion(TARGETS, Choreography(QUICK, move_on="onset", reach=0.0), bars=4)
    times, path, _ = walk(motion, rhythm(13.0, sections=[8.2, 10.6]), fps=90)
    set_out = starts(times, path)
    # The fourth bar begins at 6.1 s; the section at 8.2 comes too soon after that.
    np.testing.assert_allclose(set_out[set_out > 1], [6.1, 10.6], atol=0.04)


def test_without_bars_only_sections_change_the_scene():
    motion = Motion(TARGETS, Choreography(QUICK, move_on="onset", reach=0.0), bars=0)
    times, path, _ = walk(motion, rhythm(14.0, sections=[6.3]))
    set_out = starts(times, path)
    np.testing.assert_allclose(set_out[set_out > 1], [6.3], atol=0.03)


def test_a_strike_pushes_as_strong_as_it_is_and_the_push_comes_back():
    """On the spot: the scene's vector is the target, and the push goes towards the sound's."""
    strikes = {0.6: Strikes(1.0), 1.3: Strikes(0.5)}  # too soon for a bar's stand-in
    events = rhythm(1.95, strikes, clusters=lambda t: 7 if abs(t % 0.7 - 0.6) < 0.02 else 2, beats=False)
    motion = Motion(TARGETS, Choreography(QUICK, move_on="bar", reach=0.0, kick=0.2), bars=0)
    times, path, _ = walk(motion, events)
    away = np.linalg.norm(path - TARGETS[2], axis=1)
    for time, strength in ((0.6, 1.0), (1.3, 0.5)):
        after = (times > time) & (times < time + 0.5)
        farthest = path[after][away[after].argmax()]
        # By the square of its strength, and then shown near the shell.
        expected = TARGETS[2] + 0.2 * strength**2 * (TARGETS[7] - TARGETS[2])
        radius, norm = (np.linalg.norm(vector) for vector in (TARGETS[2], expected))
        expected *= min(1, np.cbrt(norm / radius)) * radius / norm
        assert np.linalg.norm(farthest - expected) < 0.1 * np.linalg.norm(expected - TARGETS[2])
        assert 0.04 < times[after][away[after].argmax()] - time < 0.09
        assert away[(times > time + 0.55) & (times < time + 0.65)].max() < 0.2


def test_loud_music_reaches_further():
    reached = []
    for loudness in (-32.0, -20.0, -8.0):
        motion = Motion(TARGETS, Choreography(QUICK, move_on="onset", reach=0.4, swell=0.5), bars=0)
        events = rhythm(3.0, {0.5: Strikes(1.0)}, clusters=lambda t: 2 if t < 0.4 else 7, beats=False)
        events = [Event(e.time, e.cluster, loudness if e.time > 2.5 else -20.0, 0, e.strikes) for e in events]
        _, path, _ = walk(motion, events)
        reached.append(np.linalg.norm(path[-1] - TARGETS[2]))
    assert reached[0] < 0.85 * reached[1] and reached[2] > 1.15 * reached[1]


def rising(seconds, rises):
    """Events of two sounds, the second from 0.5 s on; rises: {time: onset}."""
    rises, events = sorted(rises.items()), []
    for event in rhythm(seconds, {}, clusters=lambda t: 2 if t < 0.5 else 7, beats=False):
        rise = rises.pop(0)[1] if rises and rises[0][0] <= event.time else 0.0
        events.append(replace(event, onset=rise, strikes=Strikes(float(rise > 0))))
    return events


def test_the_sound_carries_it_as_far_as_it_rises():
    """So much of what is left of the way at each rise, hardly anything at weak ones, and little between."""
    events = rising(3.0, {0.6: 0.8, 1.2: 0.8, 1.8: 0.4, 2.4: 0.8})
    times, path, _ = walk(one(move_on="onset", carry=0.4), events)
    left = np.linalg.norm(path - TARGETS[7], axis=1)
    went = []
    for time in (0.6, 1.2, 1.8, 2.4):
        before, after = (left[np.searchsorted(times, time + dt)] for dt in (-0.02, 0.25))
        went.append(1 - after / before)
    assert 0.3 < went[0] < 0.5 and 0.3 < went[1] < 0.5 and went[2] < 0.12 and 0.3 < went[3] < 0.5, went
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert speed[(times[1:] > 0.95) & (times[1:] < 1.15)].max() < 0.1 * speed.max()


def test_what_carries_is_beside_the_strongest_of_late_and_calm_music_carries_little():
    ends = []
    for rises in (
        {0.6: 0.3},  # the strongest
        {0.1: 0.8, 0.6: 0.3},  # a weak one after a strong one
        {t: 0.05 for t in np.arange(0.52, 1.5, HOP)},  # rustling all the time
    ):
        motion = one(move_on="onset", carry=0.4)
        motion.begin(0.0, 2)
        ends.append(np.linalg.norm(walk(motion, rising(1.5, rises))[1][-1] - TARGETS[2]))
    assert ends[0] > 2.5 * ends[1] > 0 and ends[0] > 2.5 * ends[2] > 0, ends


LIVELY = ["creatures", "everything", "feast", "machines", "mandala", "noir"]


@pytest.mark.parametrize("name", LIVELY)
def test_lively_presets_dance_to_drums(name, played):
    """How much a picture's code changes in a frame follows how much a drummer strikes."""
    score = next(scores.drum_scores())
    _, codebook, motion = open_parts(name)
    clock, fps = Clock(motion, Fraction(30)), 30
    shots = [shot for event in Listener(codebook).push(played(score)) for shot in clock.hear(event)]
    codes = np.stack([np.concatenate(shot.code) for shot in shots])
    change = np.linalg.norm(np.diff(codes, axis=0), axis=1)
    struck = np.zeros(len(change))
    for begin, *_, loud in score.notes:
        if 0.5 < begin < len(change) / fps:
            struck[int(begin * fps)] += (loud / 127) ** 2
    struck, change = struck[fps // 2 :], change[fps // 2 :]
    r = [np.corrcoef(struck[: len(struck) - lag], change[lag:])[0, 1] for lag in range(12)]
    assert max(r) > 0.35 and np.argmax(r) <= 2, np.round(r, 2)


def test_shape_and_matter_go_their_own_ways_or_one():
    quick, slow = Choreography(QUICK, move_on="onset"), Choreography(Spring(3.0, 0.0), 2.0, "bar")
    _, shape, matter = walk(Motion(TARGETS, quick, slow), rhythm(6.0))
    speeds = [np.linalg.norm(np.diff(path, axis=0), axis=1).mean() for path in (shape, matter)]
    assert speeds[0] > 3 * speeds[1] > 0
    _, shape, matter = walk(Motion(TARGETS, quick), rhythm(3.0))
    assert np.array_equal(shape, matter)
