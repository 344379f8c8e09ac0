"""The physics thread: the path depends on the events' times, and what is shown never jumps."""

import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.audio.rhythm import NO_BEAT, NO_STRIKES, Beat, Strikes
from visualizer.control.preset import Preset
from visualizer.latent.choreography import Choreography
from visualizer.latent.motion import Motion
from visualizer.latent.particle import Gravity, Spring
from visualizer.latent.physics import NO_EVENTS_S, SILENCE_S, Physics
from visualizer.latent.ring import Ring
from visualizer.offline.engine import Clock

pytestmark = pytest.mark.alone

DIM = 64
HOP = 512 / 44100


def targets(seed=0, n=10):
    return 8 * np.random.default_rng(seed).standard_normal((n, DIM))


def motion(seed=0, law=None, hold=0.1):
    return Motion(targets(seed), Choreography(law or Spring(0.4, 0.1), hold))


def music(begin, seconds, seed=1, every=8):
    """Events a hop apart, whose cluster changes every so many hops."""
    rng = np.random.default_rng(seed)
    cluster = 0
    for i in range(round(seconds / HOP)):
        if i % every == 0:
            cluster = int(rng.integers(10))
        number, phase = divmod(i * HOP / 0.5, 1)
        beat = Beat(120, phase, (1 - phase) * 0.5, int(number), 0.8, 4, int(number) % 4)
        strike = 0.5 if i % every == 0 else 0.0
        yield Event(begin + i * HOP, cluster, -20.0, strike, Strikes(strike, strike), beat)


class Stage:
    """A physics without its thread, on a clock of the test's own."""

    def __init__(self, motion, rate=240.0):
        self.ring = Ring()
        self.physics = Physics(self.ring, motion, rate)
        self.begin = self.now = time.perf_counter()

    def run(self, seconds, events=(), latency=lambda i: 0.05, tick=lambda i: 1 / 240, fps=60.0):
        """Play events, each arriving `latency` after its time; return the codes of frames at `times`."""
        arrivals = sorted((e.time + latency(i), i, e) for i, e in enumerate(events))
        end, frame, ticks = self.now + seconds, self.now, 0
        times, codes, self.poses, matters = [], [], [], []
        while self.now < end:
            while arrivals and arrivals[0][0] <= self.now:
                self.ring.push(arrivals.pop(0)[2])
            self.physics._tick(self.now)
            while frame <= self.now:
                times.append(frame + 0.02)  # a frame is drawn ahead of its time on the display
                code = self.physics.pose.code(times[-1])
                codes.append(code.shape)
                matters.append(code.matter)
                self.poses.append(self.physics.pose)
                frame += 1 / fps
            self.now += tick(ticks)
            ticks += 1
        self.times, self.matters = np.array(times), np.array(matters)
        return np.array(codes)


def reference(events, times, delay, path=None, part=0):
    """The path by Motion alone, in order, as the offline engine walks it; part: 0 the shape, 1 the matter."""
    path, events = path or motion(), list(events)
    path.begin(events[0].time - 1)
    codes = []
    for t in times - delay:
        while events and events[0].time <= t:
            path.hear(events.pop(0))
        codes.append(path.code(t)[part])
    return np.array(codes)


CHOREOGRAPHIES = {
    "one particle": (Choreography(Spring(0.4, 0.1), 0.1),),
    "gravity": (Choreography(Gravity(0.4, 0.1), 0.1),),
    "shape and matter": (
        Choreography(Spring(0.2, 0.2), 0.2, "onset", "bass", 0.5, 0.2, 0.3),
        Choreography(Spring(0.6, 0.0), 0.5, "beat", "all", 0.7),
    ),
    "carried by the sound": (
        Choreography(Spring(0.1, 0.2), 0.2, "onset", reach=0.5, kick=0.1, carry=0.6),
        Choreography(Spring(0.3, 0.0), 0.5, "bar", reach=0.7, carry=0.05),
    ),
}


@pytest.mark.parametrize("dance", CHOREOGRAPHIES)
def test_the_path_is_the_offline_engines(dance):
    """For both particles, with strikes, beats and scenes."""
    made = lambda: Motion(targets(), *CHOREOGRAPHIES[dance], bars=1)  # noqa: E731
    stage = Stage(made())
    events = list(music(stage.begin, 3.0))
    codes = stage.run(3.0, events)
    delay = stage.physics.pose.delay
    assert 0.05 <= delay < 0.06
    for part, shown in enumerate((codes, stage.matters)):
        expected = reference(events, stage.times, delay, made(), part)
        # Events meet frames already drawn by at most 20 ms; the glide back is over in a tenth of a second.
        gap = np.linalg.norm(shown - expected, axis=1)[stage.times > stage.begin + 1]
        assert np.median(gap) < 0.02 * np.linalg.norm(targets()[0])
        assert np.linalg.norm(np.diff(shown, axis=0), axis=1).sum() > np.linalg.norm(targets()[0])


def soft(begin, seconds):
    """A piece of weak strikes, each with another sound, without a beat."""
    for event in music(begin, seconds, every=40):
        strike = 0.6 * event.strikes.all
        yield replace(event, onset=strike, strikes=Strikes(strike, strike), beat=NO_BEAT)


def shown(sensitivity, pieces=soft):
    """The stage after a piece, by the usual preset with a sensitivity, and how far the picture went."""
    look = Preset(title="x", hearing={"sensitivity": sensitivity})
    stage = Stage(look.motion(targets()))
    codes = stage.run(6.0, pieces(stage.begin, 6.0))
    return stage, np.linalg.norm(np.diff(codes, axis=0), axis=1).sum()


def test_the_sensitivity_decides_how_much_it_moves():
    """Of the picture and of what drives the effects; offline it is the same path."""
    (dull, still), (_, usual), (keen, lively) = (shown(sensitivity) for sensitivity in (0.2, 1.0, 3.0))
    assert still < 0.25 * lively and still < usual < lively, (still, usual, lively)
    strongest = [max(pose.sound.onset for pose in stage.poses) for stage in (dull, keen)]
    assert strongest == pytest.approx([0.2 * 0.3, 3 * 0.3])
    assert dull.physics.pose.sound.loudness == pytest.approx(-20 + 20 * np.log10(0.2))

    events = list(soft(0.0, 2.0))
    clock = Clock(Preset(title="x", hearing={"sensitivity": 3.0}).motion(targets()), Fraction(60))
    shots = [shot for event in events for shot in clock.hear(event)]
    assert max(shot.sound.onset for shot in shots) == pytest.approx(0.9)
    scaled = Preset(title="x").motion(targets())
    for shot, time_ in zip(shots, np.arange(len(shots)) / 60, strict=True):
        while events and events[0].time < time_:
            event = events.pop(0)
            strikes = Strikes(*(3 * strike for strike in event.strikes))
            scaled.hear(replace(event, strikes=strikes, loudness=event.loudness + 20 * np.log10(3)))
        np.testing.assert_allclose(shot.code.shape, scaled.code(time_).shape, atol=1e-6)


def test_a_moment_as_it_is_sensed():
    event = Event(1.0, 3, -20.0, 0.5, Strikes(0.5, 0.0, 0.2, 0.1))
    assert event.sensed(1.0) is event
    assert event.sensed(4.0).strikes == pytest.approx((1.0, 0.0, 0.8, 0.4))
    assert event.sensed(0.1).onset == pytest.approx(0.05)
    assert event.sensed(0.1).loudness == pytest.approx(-40.0)
    silence = Event(1.0, SILENCE, -60.0, 0.0)
    assert silence.sensed(4.0) == silence


def test_late_wake_ups_do_not_change_the_path():
    """The thread is put to sleep for 5 to 60 ms at random: once caught up, it is where it would be."""
    rng = np.random.default_rng(2)
    ends = []
    for tick in (lambda i: 1 / 240, lambda i: float(rng.uniform(0.005, 0.06))):
        stage = Stage(motion())
        origin = stage.begin
        stage.run(2.0, music(origin, 2.0), tick=tick)
        path = stage.physics.pose._path
        ends.append(path.settle(origin + 3.0).motion.code(origin + 3.0).shape)
    np.testing.assert_allclose(*ends, atol=1e-4)


@pytest.mark.parametrize("law", [Spring(0.12, 0.3), Spring(0.4, 0.1)])
def test_nothing_jumps_however_events_arrive(law):
    """Latencies that scatter by 60 ms make no frame-to-frame step much larger than steady ones."""
    steps = []
    rng = np.random.default_rng(3)
    for latency in (lambda i: 0.0, lambda i: 0.03 + 0.06 * float(rng.random())):
        stage = Stage(motion(law=law))
        codes = stage.run(4.0, music(stage.begin, 4.0, every=30), latency)
        steps.append(np.linalg.norm(np.diff(codes, axis=0), axis=1)[60:].max())
    assert steps[1] < 2.0 * steps[0], steps


def test_events_ahead_of_their_sound_take_effect_on_time():
    """A player's events come early; then the picture runs with the sound, undelayed."""
    stage = Stage(motion())
    events = list(music(stage.begin, 3.0))
    codes = stage.run(2.9, events, latency=lambda i: -0.08)
    assert stage.physics.pose.delay == 0.0
    np.testing.assert_allclose(codes[10:], reference(events, stage.times, 0.0)[10:], atol=1e-3)
    # One event and a tick at the most after its own time.
    assert all(p.latency < 0.02 for p in stage.poses[10:])


def test_a_pose_foresees_its_own_path():
    stage = Stage(motion())
    stage.run(1.0, music(stage.begin, 1.0))
    pose = stage.physics.pose
    ahead = [pose.code(stage.now + t).shape for t in (0.0, 0.05, 0.3)]
    again = [pose.code(stage.now + t).shape for t in (0.0, 0.05, 0.3)]
    np.testing.assert_array_equal(ahead, again)
    assert ahead[0].shape == (DIM,) and ahead[0].dtype == np.float32
    stage.run(0.3)  # no more events: what was foreseen happens
    np.testing.assert_allclose(
        stage.physics.pose.code(stage.now).shape, pose.code(stage.now).shape, atol=1e-3
    )


def test_it_wanders_when_nothing_comes_and_returns_at_once():
    stage = Stage(motion())
    stage.run(2.0, music(stage.begin, 2.0))
    still = stage.physics.pose
    codes = stage.run(20.0)
    pose = stage.physics.pose
    assert not still.wandering and pose.wandering and pose.cluster == SILENCE and pose.sound.loudness == -120
    way = np.linalg.norm(codes - codes[0], axis=1).max()
    assert way > 0.5 * np.linalg.norm(codes[0]), "it stood still"
    steps = np.linalg.norm(np.diff(codes, axis=0), axis=1)[30:]
    assert steps.max() < 0.02 * np.linalg.norm(codes[0]), "it is not gentle"
    assert np.linalg.norm(codes[round(NO_EVENTS_S * 60) - 60] - codes[60]) < 2.0, "it was too early"

    loud = Event(stage.now, 3, -10.0, 1.0)
    codes = stage.run(1.0, [loud])
    assert not stage.physics.pose.wandering and stage.physics.pose.cluster == 3
    # 0.4 s of response and the delay later it is nearly there.
    assert np.linalg.norm(codes[-1] - targets()[3]) < 0.1 * np.linalg.norm(targets()[3])


def test_silence_wanders_later_than_a_missing_device():
    stage = Stage(motion())
    silence = [Event(stage.begin + i * HOP, SILENCE, -120.0, 0.0) for i in range(600)]
    stage.run(SILENCE_S - 0.2, silence)
    assert not stage.physics.pose.wandering
    stage.run(0.5)
    assert stage.physics.pose.wandering


def test_the_same_wandering_every_time():
    ends = []
    for _ in range(2):
        stage = Stage(motion())
        codes = stage.run(15.0, fps=10)
        ends.append(codes[-1])
    # The clocks of both are perf_counter's, apart by less than a tick.
    np.testing.assert_allclose(*ends, atol=0.5)


def test_freeze_locks_the_target():
    stage = Stage(motion())
    stage.run(1.0, music(stage.begin, 1.0))
    stage.physics.freeze(True)
    assert stage.physics.frozen
    codes = stage.run(3.0, music(stage.now, 3.0, seed=5))
    assert np.linalg.norm(codes[-1] - codes[-60]) < 1e-3, "it should have come to rest"
    assert stage.physics.pose.sound.loudness == -20, "it should still hear"
    stage.physics.freeze(False)
    codes = stage.run(1.0, music(stage.now, 1.0, seed=6))
    assert np.linalg.norm(codes[-1] - codes[0]) > 5


@pytest.mark.parametrize("fade", [0.0, 0.5, 1.5])
def test_changing_presets_does_not_jump_and_arrives(fade):
    stage = Stage(motion())
    stage.run(2.0, music(stage.begin, 2.0, every=1000))
    stage.physics.use(motion(seed=9), fade)
    codes = stage.run(2.0, music(stage.now, 2.0, every=1000))
    steps = np.linalg.norm(np.diff(codes, axis=0), axis=1)
    way = np.linalg.norm(codes[-1] - codes[0])
    # 1.5 for easing in and out, the rest for the way round the shell.
    assert steps.max() < 3 * way / max(fade, 0.1) / 60
    norms = np.linalg.norm(codes, axis=1)
    # Half-way between vectors at right angles the mean has lost three tenths, of which a third is left.
    assert norms.min() > 0.88 * norms[[0, -1]].min() and norms.max() < 1.01 * norms[[0, -1]].max()
    np.testing.assert_allclose(codes[-1], targets(9)[stage.physics.pose.cluster], atol=0.01)


@pytest.mark.parametrize("delay", [0.05, 0.4])
def test_from_pictures_to_a_dancer_and_back(delay):
    """Codes of another space, other numbers in them, while paths glide: it goes over, and then arrives."""
    narrow = targets(9)[:, :12]
    stage = Stage(motion())
    stage.run(1.0, music(stage.begin, 1.0))
    for _ in range(2):
        stage.physics.use(Motion(narrow, Choreography(Spring(0.1, 0.1), 0.1)), 0.5)
        stage.physics._tick(stage.now)
        stage.physics.use(motion(seed=3), 0.5)
        stage.physics._tick(stage.now)
        stage.now += 0.2
    stage.physics.use(Motion(narrow, Choreography(Spring(0.1, 0.1), 0.1)), 0.5)
    for i, event in enumerate(music(stage.now, 3.0, every=1000)):
        stage.ring.push(event)
        stage.now = max(stage.now, event.time + delay * (i % 2))
        stage.physics._tick(stage.now)
    shown = stage.physics.pose.code(stage.now + 0.02).shape
    assert shown.shape == (12,) and np.isfinite(shown).all() and stage.physics.errors == 0
    np.testing.assert_allclose(shown, narrow[stage.physics.pose.cluster], atol=0.01)


def test_both_presets_hear_while_they_change():
    stage = Stage(motion(hold=0.0))
    events = list(music(stage.begin, 3.0))
    stage.run(1.0, [e for e in events if e.time < stage.begin + 1.0])
    stage.physics.use(motion(seed=9, hold=0.0), 2.0)
    stage.run(1.0, [e for e in events if e.time >= stage.begin + 1.0])
    pose = stage.physics.pose
    assert pose._fade.leaving.motion.cluster == pose._path.motion.cluster == pose.cluster
    stage.run(1.2)
    assert stage.physics.pose._fade is None


def test_changing_presets_in_a_hurry_does_not_jump():
    stage = Stage(motion())
    stage.run(1.0, music(stage.begin, 1.0))
    shown = []
    for seed in range(10, 18):
        stage.physics.use(motion(seed), 1.0)
        shown.append(stage.run(0.2))
    shown.append(stage.run(2.0))
    codes = np.concatenate(shown)
    assert np.linalg.norm(np.diff(codes, axis=0), axis=1).max() < 0.15 * np.linalg.norm(codes[0])
    assert stage.physics.pose._fade is None and stage.physics.pose._glide is None


def test_turning_the_law_does_not_jump_however_often_and_counts_from_then_on():
    events = list(music(time.perf_counter() - 0.5, 4))
    untouched = Stage(motion())
    steps = np.linalg.norm(np.diff(untouched.run(3, events), axis=0), axis=1)
    stage, codes = Stage(motion()), []
    for i in range(150):  # a knob that never rests
        stage.physics.tune(motion(law=Spring(0.4 + 0.2 * np.sin(i), 0.1)))
        codes.append(stage.run(0.02, events if i == 0 else ()))
    codes = np.concatenate(codes)
    assert np.linalg.norm(np.diff(codes, axis=0), axis=1).max() < 2.5 * steps.max()
    assert np.ptp(codes, axis=0).max() > 4  # and it still moves

    there, cluster = targets(), 3
    event = Event(stage.now, cluster, -20.0, 0.0)
    for law, near in ((Spring(0.2, 0.0), True), (Spring(20.0, 0.0), False)):
        stage = Stage(motion())
        stage.physics.tune(motion(law=law))
        stage.run(1.0, [event.at(stage.now)])
        left = np.linalg.norm(stage.physics.pose.code(stage.now).shape - there[cluster])
        assert (left < 0.1 * np.linalg.norm(there[cluster] - there[0])) == near


def test_a_strike_lasts_long_enough_to_be_seen():
    stage = Stage(motion())
    strikes = [Strikes(0.9, 0.9) if i == 100 else NO_STRIKES for i in range(200)]
    events = [Event(stage.begin + i * HOP, 1, -20.0, 0.0, s) for i, s in enumerate(strikes)]
    stage.run(2.0, events, fps=30)
    assert sum(p.sound.onset == p.sound.bass == 0.9 for p in stage.poses) in (1, 2)


def test_clocks_gone_mad_do_no_harm():
    stage = Stage(motion())
    rng = np.random.default_rng(4)
    events = [
        Event(stage.begin + float(rng.normal(0, 1e5)), int(rng.integers(10)), -20.0, 0.0) for _ in range(300)
    ]
    codes = stage.run(2.0, events, latency=lambda i: 0.0)
    for event in events:
        stage.ring.push(event)
    codes = stage.run(2.0)
    assert np.isfinite(codes).all()
    assert stage.physics.pose.delay <= 0.25


def test_impossible_events_do_not_stop_the_show():
    ring = Ring()
    with Physics(ring, motion()) as physics:
        ring.push("no event")
        ring.push(Event(time.perf_counter(), 12345, -20.0, 0.0))
        time.sleep(0.1)
        physics.pose.code(time.perf_counter())
        ring.push(Event(time.perf_counter(), 4, -20.0, 0.0))
        time.sleep(0.2)
        assert physics.pose.cluster == 4
        assert physics.errors > 0


def test_the_thread_keeps_time_and_stops_at_once():
    ring = Ring()
    ticks = []
    physics = Physics(ring, motion())
    tick = physics._tick
    physics._tick = lambda now: (ticks.append(now), tick(now))
    with physics:
        begin = time.perf_counter()
        for event in music(begin, 1.0):
            time.sleep(max(0.0, event.time - time.perf_counter()))
            ring.push(event)
            physics.pose.code(time.perf_counter() + 0.01)
        asked = time.perf_counter()
        poses = {id(physics.pose)}
        stop = time.perf_counter()
    assert time.perf_counter() - stop < 0.5
    assert not any(t.name == "physics" for t in threading.enumerate())
    assert physics.pose.time > begin + 0.5 and poses
    # Deadlines are absolute: the phase of the ticks does not drift.
    phase = (np.array(ticks) - ticks[0]) * 240 % 1
    print(
        f"{len(ticks) / (asked - ticks[0]):.0f} ticks a second, late by {np.median(phase) / 240 * 1e3:.2f} ms"
    )
    assert len(ticks) < 1.02 * 240 * (stop - ticks[0]) + 2
