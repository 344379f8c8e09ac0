"""MIDI: maps, take-over, clock and taps; and a controller on real ports, by JACK's dummy driver."""

import itertools
import threading
import time

import numpy as np
import pytest
from jack import Box, jack_server
from screen import wait_for

from visualizer.audio.conductor import Conductor, Led
from visualizer.audio.listener import Event
from visualizer.audio.rhythm import NO_BEAT, Beat
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk
from visualizer.control.midi import maps
from visualizer.control.midi.clock import Clock
from visualizer.control.midi.maps import Atlas, Touch
from visualizer.control.midi.takeover import Takeover

PRESETS = tuple(f"preset {i}" for i in range(12))

# --- the beat from outside ------------------------------------------------------------------------


def beats(conductor, begin, end, heard=NO_BEAT):
    """Every hop's beat, as the audio thread asks for it: [(time, beat)]."""
    return [(t, conductor.beat(t, heard)) for t in np.arange(begin, end, 0.0116)]


def starts(told):
    """When the number grows, and where in the bar."""
    return [(t, b.position) for (_, a), (t, b) in itertools.pairwise(told) if b.number != a.number]


@pytest.mark.parametrize("tempo", [70.0, 128.0, 174.0])
def test_a_jittery_clock_leads_the_beat(tempo):
    rng = np.random.default_rng(0)
    conductor = Conductor()
    clock, period = Clock(conductor), 60 / tempo
    clock.start()
    told, phases = [], []
    for tick in range(24 * 16):
        true = 100 + tick * period / 24
        clock.tick(true + 0.001 * rng.standard_normal())
        told += beats(conductor, true, true + period / 24)
        phases.append((told[-1][1].phase - (told[-1][0] - 100) / period + 0.5) % 1 - 0.5)
    late = told[len(told) // 4 :]
    assert all(abs(beat.tempo - tempo) < 0.02 * tempo and beat.confidence == 1 for _, beat in late)
    assert np.abs(phases[96:]).max() * period < 0.004
    falls = [(t, position) for t, position in starts(told) if t > 100 + 4 * period]
    assert [position for _, position in falls] == [
        i % 4 for i in range(falls[0][1], falls[0][1] + len(falls))
    ]
    assert np.abs([(t - 100) / period - round((t - 100) / period) for t, _ in falls]).max() * period < 0.03
    assert len(falls) in (11, 12)
    clock.look(told[-1][0] + 0.1)
    assert conductor.beat(told[-1][0] + 0.1, NO_BEAT).tempo > 0
    clock.look(told[-1][0] + 5)
    assert conductor.beat(told[-1][0] + 5, NO_BEAT).tempo == 0


def test_numbers_never_go_back_whoever_leads():
    conductor, other = Conductor(), object()
    numbers, heard, now = [], 0, 10.0
    for i in range(4000):
        now += 0.0116
        heard += i % 43 == 0
        if i % 700 == 100:
            conductor.lead(other, 120 + i / 100, now + 0.1 * np.sin(i), number=i % 3, meter=4)
        if i % 700 == 500:
            conductor.release(other)
        numbers.append(conductor.beat(now, Beat(120, 0.5, 0.25, heard, 0.9, 4, 0)).number)
    steps = np.diff(numbers)
    assert steps.min() >= 0 and steps.max() <= 1 and 60 < numbers[-1] < 140


def test_a_hand_taps_the_beat_and_it_holds_for_a_while():
    conductor, rng = Conductor(), np.random.default_rng(0)
    assert conductor.tap(7.0) == 0 and conductor.beat(7.1, NO_BEAT) == NO_BEAT
    for i in range(8):
        tempo = conductor.tap(50 + 0.5 * i + 0.01 * rng.standard_normal())
    assert tempo == pytest.approx(120, rel=0.02)
    for t, _ in starts(beats(conductor, 53.6, 60)):
        assert abs((t - 50) / 0.5 - round((t - 50) / 0.5)) * 0.5 < 0.06
    assert conductor.beat(90, NO_BEAT).tempo == 0
    heard = []
    sink = type("Sink", (), {"push": lambda self, event: heard.append(event)})()
    conductor.tap(100.0), conductor.tap(100.5)
    Led(sink, conductor).push(Event(100.75, 3, -20.0, 0.5))
    assert heard[0].beat.phase == pytest.approx(0.5) and heard[0].cluster == 3


# --- knobs and maps -------------------------------------------------------------------------------


def test_a_knob_takes_hold_only_where_the_control_is():
    knob = Takeover()
    assert not knob.move(0.9, 0.3) and not knob.move(0.5, 0.3)  # far, and still on the other side
    assert knob.move(0.29, 0.3)  # past it
    knob.sent(0.29)
    assert knob.move(0.8, 0.3)  # what it sent has not been done yet
    knob.sent(0.8)
    assert knob.move(0.7, 0.8)
    knob.sent(0.7)
    assert not knob.move(0.6, 0.1)  # somebody else moved the control
    assert knob.move(0.1, 0.1)


def test_shipped_maps_are_right_and_meet_no_number_twice(tmp_path):
    for path in maps.SHIPPED.glob("*.toml"):
        shipped = maps.load(path)
        numbers = [(bind.first[0], bind.first[1] + i) for bind in shipped.bind for i in range(bind.count)]
        assert len(numbers) == len(set(numbers)) > 10, path
    atlas = Atlas(None, tmp_path / "none.toml")
    assert atlas.find("Some Keys:1", Touch("note", 9, 38)).control == "preset"
    assert atlas.find("Some Keys:1", Touch("cc", 3, 1)).control == "reach"
    assert atlas.find("nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", Touch("cc", 0, 1)).control == "response"
    assert atlas.find("Some Keys:1", Touch("cc", 3, 119)) is None


def test_what_is_learned_comes_first_and_is_kept(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[bind]]\ncc = 21\ncontrol = "zoom"\n[[bind]]\ncc = 22\ncontrol = "hue"\nrelative = true\n'
    )
    memory = tmp_path / "deep" / "midi.toml"
    atlas = Atlas(own, memory)
    assert atlas.find("x", Touch("cc", 0, 21)).control == "zoom"
    atlas.learn(Touch("cc", 0, 21), "bounce")
    atlas.learn(Touch("note", 2, 60), "blackout")
    atlas.learn(Touch("cc", 0, 21), "trails")
    for each in (atlas, Atlas(own, memory)):
        assert each.find("x", Touch("cc", 0, 21)).control == "trails"
        assert each.find("x", Touch("cc", 1, 21)).control == "zoom"
        assert each.find("x", Touch("note", 2, 60)).control == "blackout"
        assert each.find("x", Touch("cc", 0, 22)).relative
    assert memory.read_text().count("[[bind]]") == 2


@pytest.mark.parametrize(
    "text, words",
    [
        ("bind = 3", "bind"),
        ('[[bind]]\ncontrol = "zoom"', "one of cc, note and program"),
        ('[[bind]]\ncc = 1\nnote = 2\ncontrol = "zoom"', "one of cc, note and program"),
        ('[[bind]]\ncc = 128\ncontrol = "zoom"', "bind.0.cc"),
        ('[[bind]]\ncc = 1\ncontrol = "zooom"', "no control 'zooom'"),
        ('[[bind]]\ncc = 1\ncontrol = "quit"', "no control 'quit'"),
        ('[[bind]]\ncc = 1\ncolour = 1\ncontrol = "zoom"', "'bind.0.colour'; allowed here are control"),
        ("[[bind", "not valid TOML"),
    ],
)
def test_wrong_maps_say_where(tmp_path, text, words):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"wrong\.toml") as error:
        maps.load(path)
    assert words in str(error.value)


# --- on real ports --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jack():
    with jack_server() as server:
        yield server


def test_a_controller_is_found_plays_learns_and_leaves(jack, tmp_path, monkeypatch):
    from visualizer.control.midi.service import Midi

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    desk, conductor, words = Desk(), Conductor(), []
    desk.options["preset"] = PRESETS
    desk.settled("preset", PRESETS[0])
    midi = Midi(desk, conductor)
    midi.start()

    def frame():
        while desk.words:
            words.append(desk.words.popleft())
        for turn in desk.take():
            desk.settled(turn.control.name, turn.value)

    def until(condition):
        wait_for(lambda: frame() or condition(), 20, 0.01)

    try:
        box = Box("nanoKONTROL2")  # plugged in while it runs
        until(lambda: "nanoKONTROL2 is there" in words)
        until(lambda: (0xB0, 32, 127) in box.lights and (0xB0, 0, 127) in box.lights)
        box.send(0xB0, 34, 127)  # S3
        until(lambda: desk.values["preset"] == PRESETS[2])
        until(lambda: (0xB0, 34, 127) in box.lights and (0xB0, 32, 0) in box.lights)
        box.send(0xB0, 34, 0)
        box.send(0xB0, 59, 127)  # track >
        until(lambda: desk.values["preset"] == PRESETS[3])
        box.send(0xB0, 48, 127)  # M1
        until(lambda: desk.values["blackout"] is True)
        box.send(0xB0, 0, 10)  # a fader far below: nothing jumps
        box.send(0xB0, 2, 40)
        time.sleep(0.3)
        frame()
        assert desk.values["brightness"] == 1 and desk.values["bounce"] < 0.2
        for place in (127, 100, 64):  # but it takes hold on its way
            box.send(0xB0, 0, place)
        until(lambda: desk.values["brightness"] == pytest.approx(64 / 127, abs=1e-3))

        desk.learning = "grain"
        box.send(0xB0, 90, 64)
        until(lambda: any("cc 90 is grain now" in word for word in words))
        assert desk.learning == "" and (tmp_path / "visualizer" / "midi.toml").is_file()
        for place in (64, 0, 127):
            box.send(0xB0, 90, place)
        until(lambda: desk.values["grain"] == 0.5)

        box.send(0xFA)
        begun = time.perf_counter()
        for tick in range(60):
            time.sleep(max(0.0, begun + tick / 48 - time.perf_counter()))
            box.send(0xF8)
        now = time.perf_counter()
        assert conductor.beat(now, NO_BEAT).tempo == pytest.approx(120, rel=0.1)
        until(lambda: conductor.beat(time.perf_counter(), NO_BEAT).tempo == 0)
        box.send(0xF0, 1, 2, 3, 0xF7)
        box.send(0xE0, 1, 2)
        box.unplug()
        until(lambda: "nanoKONTROL2 is gone" in words)
        assert not midi.controllers and midi.errors == 0

        box = Box("nanoKONTROL2")  # and back, and it ends while knobs are turned
        until(lambda: midi.controllers)
        ended = threading.Event()

        def turn():
            while not ended.wait(0.001):
                box.send(0xB0, 0, 64)

        hand = threading.Thread(target=turn)
        hand.start()
        time.sleep(0.2)
        midi.stop()
        wait_for(lambda: not midi._thread.is_alive(), 20)
        ended.set()
        hand.join()
        box.unplug()
    finally:
        midi.stop()
