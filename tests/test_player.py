"""Playing a song: every sample, at the right time, with or without a loudspeaker."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from conftest import SR, write_sound
from pulse import drain, until

from visualizer.audio import portaudio
from visualizer.audio.listener import Listener
from visualizer.audio.microphone import Microphone
from visualizer.audio.player import Player, chunks
from visualizer.audio.song import Recording, Song, mono
from visualizer.latent.ring import Ring

HOP_S = 512 / SR


pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("on_time")]


@pytest.fixture
def no_device(monkeypatch):
    monkeypatch.setattr(portaudio, "list_devices", lambda: [])


@pytest.mark.parametrize("seconds", [0.001, 0.5, 3.0])
def test_chunks_are_the_song_and_its_analysis(codebook, tune, seconds):
    sound = tune[8 * SR :][: round(seconds * SR)]
    pieces = list(chunks(Recording("tune", sound), codebook))
    played = np.concatenate([c.samples for c in pieces])
    np.testing.assert_array_equal(played[: len(sound)], sound)
    assert len(played) - len(sound) < 512 and not played[len(sound) :].any()
    assert [c.begin for c in pieces] == pytest.approx([i * HOP_S for i in range(len(pieces))])

    expected = [e for e in Listener(codebook).push(mono(sound)) if e.time < len(pieces) * HOP_S]
    assert [e for c in pieces for e in c.events] == expected
    for c in pieces[1:]:
        assert all(-1e-9 < e.time - c.begin < HOP_S for e in c.events)


def by_hand(codebook, sound, rate=SR, block=700, channels=2):
    """Drive the callback as PortAudio would: what it plays, and the events."""
    ring = Ring(1 << 14)
    player = Player(Recording("tune", sound), codebook, ring)
    for chunk in chunks(player.song, codebook):
        player._buffer.append(chunk)
    player._decoded = True
    player._prepare(rate)
    played, begin = [], 100.0
    while player._end is None:
        output = np.full((block, channels), np.nan, np.float32)
        player._play(output, begin, rate)
        played.append(output)
        begin += block / rate
    return np.concatenate(played), drain(ring), player


@pytest.mark.parametrize("block", [64, 512, 700, 4096])
def test_the_callback_plays_every_sample_and_times_every_event(codebook, tune, block):
    sound = tune[8 * SR : 10 * SR]
    played, events, player = by_hand(codebook, sound, block=block)
    np.testing.assert_array_equal(played[: len(sound)], sound)
    assert not played[len(sound) :].any()
    expected = [e for c in chunks(player.song, codebook) for e in c.events]
    assert [e.at(0) for e in events] == [e.at(0) for e in expected]
    np.testing.assert_allclose([e.time for e in events], [100 + e.time for e in expected], atol=1e-9)
    assert player.underruns == 0


def test_other_rates_and_channels_are_served(codebook, tune):
    sound = tune[8 * SR : 10 * SR]
    played, events, _ = by_hand(codebook, sound, rate=48000)
    assert len(played) == pytest.approx(2 * 48000, abs=1200)
    loudness = [np.sqrt(np.mean(x**2)) for x in (played[: 2 * 48000], sound)]
    assert loudness[0] == pytest.approx(loudness[1], rel=0.02)
    assert events[-1].time == pytest.approx(102, abs=0.05)
    one, _, _ = by_hand(codebook, sound, channels=1)
    np.testing.assert_allclose(one[: len(sound), 0], mono(sound), atol=1e-6)
    four, _, _ = by_hand(codebook, sound, channels=4)
    assert np.isfinite(four).all() and not four[:, 2:].any()


def test_a_fault_in_the_callback_is_silence_not_noise(codebook, tune):
    player = Player(Recording("tune", tune[:SR]), codebook, Ring())
    player._line._handle = lambda *block: 1 / 0
    output = np.full((512, 2), 0.7, np.float32)
    player._line.callback(output, 512, type("Times", (), {"outputBufferDacTime": 0, "currentTime": 0}), None)
    assert not output.any() and player.errors == 1


def test_without_a_loudspeaker_it_runs_on_the_clock(codebook, tune, no_device):
    sound = tune[8 * SR : 10 * SR]
    ring = Ring(1 << 14)
    early = []
    with Player(Recording("tune", sound), codebook, ring) as player:
        begun = time.perf_counter()
        until(lambda: player.position > 0.5, 5, "playing")
        assert not player.ok and "no loudspeaker found" in player.status and "tune" in player.status
        at, now = player.position, time.perf_counter()
        events = []
        while not player.finished:
            for event in drain(ring):
                early.append(event.time - time.perf_counter())
                events.append(event)
            time.sleep(0.005)
            assert time.perf_counter() - begun < 8
        assert time.perf_counter() - now == pytest.approx(2.0 - at, abs=0.25)
        assert player.status == "tune has ended"
        assert player.position == pytest.approx(2.0, abs=0.02) and player.duration == 2.0
    expected = [e for c in chunks(Recording("tune", sound), codebook) for e in c.events]
    assert [e.at(0) for e in events] == [e.at(0) for e in expected]
    np.testing.assert_allclose(np.diff([e.time for e in events]), HOP_S, atol=1e-6)
    assert np.median(early) > 0.03, "events should come before their time"


def test_closing_in_the_middle_is_quick(codebook, tune, no_device):
    with Player(Recording("tune", tune), codebook, Ring()):
        time.sleep(0.3)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 1.0
    assert not any(t.name.startswith(("song", "sound")) for t in threading.enumerate())


def test_a_song_that_can_not_be_decoded_says_so(codebook, tmp_path, no_device):
    path = write_sound(tmp_path / "broken.wav", np.zeros((SR, 2)))
    song = Song(path)
    path.write_bytes(b"no longer a song")
    with Player(song, codebook, Ring()) as player:
        until(lambda: player.finished, 5, "the end")
        assert not player.ok and "broken.wav" in player.status


def clicks(seconds, every=0.5):
    """A click every half a second, in a hint of noise."""
    rng = np.random.default_rng(0)
    sound = 1e-4 * rng.standard_normal((round(seconds * SR), 2)).astype(np.float32)
    for at in np.arange(every, seconds - 0.1, every):
        sound[round(at * SR) :][:400] += 0.8 * rng.standard_normal((400, 1)).astype(np.float32)
    return sound


def test_events_come_when_the_sound_does(pulse, codebook):
    """The virtual card's own microphone is the witness of when each click left the loudspeaker."""
    played, heard = Ring(1 << 14), Ring(1 << 14)
    with Microphone(codebook, heard) as microphone:
        until(lambda: microphone.ok, 5, "listening")
        with Player(Recording("clicks", clicks(7.0)), codebook, played) as player:
            early, events = [], []
            until(lambda: player.ok, 5, "playing")
            assert player.status == f"playing clicks on {player.device_name}"
            while not player.finished:
                for event in drain(played):
                    early.append(event.time - time.perf_counter())
                    events.append(event)
                time.sleep(0.002)
            share = player.callback_share()
            assert player.errors == 0
        witnessed = drain(heard)
    # Of both streams, the first seconds go by until the null sink has found its pace.
    steady = events[0].time + 3
    ours = np.array([e.time for e in events if e.onset > 0.3 and e.time > steady])
    theirs = np.array([e.time for e in witnessed if e.onset > 0.3 and e.time > steady])
    late = np.array([t - ours[np.abs(ours - t).argmin()] for t in theirs])
    print(
        f"\n{len(theirs)} onsets witnessed {np.median(late) * 1e3:+.1f} ms after their events, "
        f"within {np.percentile(np.abs(late - np.median(late)), 90) * 1e3:.1f} ms; events pushed "
        f"{np.median(early) * 1e3:.0f} ms ahead; callback {share[0]:.1%}, 99th percentile {share[1]:.1%}"
    )
    assert len(theirs) >= 8
    # A window's length: the two analyses cut the sound at different places.
    assert abs(np.median(late)) < 0.046
    assert np.median(early) > 0.0
    times = [e.time for e in events if e.time > steady]
    assert all(a < b for a, b in pairwise(times))


def test_a_card_pulled_out_while_playing(pulse, codebook, tune):
    with Player(Recording("tune", tune), codebook, Ring()) as player:
        until(lambda: player.ok and player.position > 0.5, 8, "playing")
        pulse.unplug()
        until(lambda: not player.ok, 4, "notice")
        before, now = player.position, time.perf_counter()
        time.sleep(1.0)
        assert "without sound" in player.status and "waiting for it to come back" in player.status
        gone = player.position - before
        assert gone == pytest.approx(time.perf_counter() - now, abs=0.4), "the song should go on"
        pulse.plug()
        back = until(lambda: player.ok, 6, "return")
        at = player.position
        time.sleep(0.5)
        assert player.position > at
    print(f"back after {back:.2f} s")
    assert back <= 3.0
