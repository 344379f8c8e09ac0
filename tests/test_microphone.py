"""Live capture: the callback driven by hand, and a real device that comes and goes."""

import os
import signal
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal
from conftest import SR, write_sound
from program import ran, started
from pulse import drain, until

from visualizer.audio import portaudio
from visualizer.audio.codebook import SILENCE
from visualizer.audio.default_device import DefaultDevice
from visualizer.audio.line import Line
from visualizer.audio.listener import Listener
from visualizer.audio.microphone import Microphone
from visualizer.audio.portaudio import find_device, list_devices
from visualizer.audio.song import mono
from visualizer.audio.timing import StreamClock
from visualizer.common.errors import UserError
from visualizer.latent.ring import Ring

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("on_time")]


class ByHand:
    """A microphone whose callback is called by the test, as PortAudio would."""

    def __init__(self, codebook, rate=SR, channels=()):
        self.ring = Ring(1 << 16)
        self.microphone = Microphone(codebook, self.ring, channels=channels)
        self.rate = rate
        self.line = self.microphone._line
        self.line._rate = rate
        self.line._clock = StreamClock(rate)
        self.microphone._prepare(rate)

    def feed(self, samples, block=512, latency=0.01, host_time=1000.0, status=None):
        """samples: [n] or [n, channels]."""
        samples = np.asarray(samples, np.float32)
        samples = samples.reshape(len(samples), -1)
        for start in range(0, len(samples), block):
            part = samples[start : start + block]
            times = SimpleNamespace(
                currentTime=host_time, inputBufferAdcTime=host_time and host_time - latency
            )
            self.line.callback(part.copy(), len(part), times, status)
        return drain(self.ring)


def clusters(events):
    return [e.cluster for e in events]


# The callback


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_callback_hears_what_the_offline_engine_hears(codebook, tune, channels):
    sound = tune[8 * SR : 12 * SR]
    expected = clusters(Listener(codebook).push(mono(sound)))
    live = ByHand(codebook)
    heard = live.feed(mono(sound) if channels == 1 else np.tile(sound, channels // 2))
    assert clusters(heard) == expected
    assert live.microphone.errors == live.microphone.lost == 0
    assert live.microphone._level > -40


def test_opposite_phase_is_heard_and_told(codebook, tune):
    left = tune[8 * SR : 11 * SR, 0]
    live = ByHand(codebook)
    live.line.ok = True
    heard = clusters(live.feed(np.stack([left, -left], 1)))
    assert np.mean(np.array(heard) >= 0) > 0.95
    assert "channel 1 alone" in live.microphone.status


def test_chosen_channels_of_a_large_interface(codebook, tune):
    sound = np.random.default_rng(0).standard_normal((3 * SR, 18)) * 0.1
    sound[:, 4:6] = tune[8 * SR : 11 * SR]
    live = ByHand(codebook, channels=(5, 6))
    assert clusters(live.feed(sound)) == clusters(Listener(codebook).push(mono(tune[8 * SR : 11 * SR])))
    assert live.line._least == 6  # channels are to be opened


@pytest.mark.parametrize("rate", [48000, 96000, 22050, 16000])
def test_another_sample_rate_is_resampled(codebook, tune, rate):
    sound = mono(tune[8 * SR : 14 * SR]).astype(float)
    ratio = np.gcd(rate, SR)
    device = scipy.signal.resample_poly(sound, rate // ratio, SR // ratio)
    expected = clusters(Listener(codebook).push(sound))
    live = ByHand(codebook, rate)
    heard = clusters(live.feed(device, block=round(512 * rate / SR)))
    assert abs(len(heard) - len(expected)) <= 2
    if rate > 44100:  # lower rates lack the treble
        same = max(np.mean([a == b for a, b in zip(heard[s:], expected[: -s or None])]) for s in range(3))
        assert same > 0.85


BAD = {
    "not a number": lambda x: np.where(np.arange(len(x)) % 7 == 0, np.nan, x),
    "infinite": lambda x: np.where(np.arange(len(x)) % 97 == 0, -np.inf, x),
    "astronomical": lambda x: x * 1e30,
    "clipped": lambda x: np.clip(40 * x, -1, 1),
    "offset": lambda x: x + 0.9,
    "a constant": lambda x: np.full_like(x, 0.7),
    "digital silence": lambda x: 0 * x,
}


@pytest.mark.parametrize("bad", BAD, ids=list(BAD))
def test_bad_sound_does_no_harm_and_is_forgotten(codebook, tune, bad):
    live = ByHand(codebook)
    good = mono(tune[6 * SR : 10 * SR])
    live.feed(good)
    events = live.feed(BAD[bad](good[:SR]))
    assert all(np.isfinite([e.time, e.loudness, e.onset]).all() for e in events)
    assert all(e.cluster == SILENCE or 0 <= e.cluster < 100 for e in events)
    if bad in ("a constant", "digital silence"):
        assert set(clusters(events[8:])) == {SILENCE}
    after = live.feed(good)
    heard = np.mean([e.cluster != SILENCE for e in after[20:]])
    assert heard > 0.95, "what followed was not heard any more"
    assert live.microphone.errors == 0


def test_an_offset_is_soon_not_heard(codebook, tune):
    """Its beginning is a click like any other; after that, it changes nothing."""
    good = mono(tune[6 * SR : 16 * SR])
    plain, offset = clusters(ByHand(codebook).feed(good)), clusters(ByHand(codebook).feed(good + 0.5))
    assert np.mean([a == b for a, b in zip(plain[-300:], offset[-300:])]) > 0.9


def test_no_exception_gets_out_of_the_callback(codebook):
    live = ByHand(codebook)
    live.microphone._listener.push = lambda samples: 1 / 0
    live.feed(np.zeros(5120))
    assert live.microphone.errors == 10


def test_lost_samples_are_counted_and_the_clock_holds(codebook, tune):
    live = ByHand(codebook)
    good = mono(tune[6 * SR : 7 * SR])
    live.feed(good)
    live.feed(good[:512], status=SimpleNamespace(input_overflow=True, output_underflow=False))
    assert live.microphone.lost == 1


def test_the_record_of_durations_does_not_grow(codebook):
    live = ByHand(codebook)
    record = live.line.durations._shares
    live.feed(np.zeros(512 * 5000))
    assert live.line.durations._shares is record and len(record.values()) == 4096
    median, p99 = live.microphone.callback_share()
    assert 0 < median <= p99


@pytest.mark.parametrize("host_time", [1000.0, 0.0, -5.0])
def test_events_carry_their_time_of_capture(codebook, tune, host_time):
    """A click's event lies where the click is, also with hosts that don't tell the time."""
    live = ByHand(codebook)
    live.line._stream_latency = 0.01
    sound = np.random.default_rng(0).standard_normal(40 * 512) * 1e-3
    click = 30 * 512 + 100
    sound[click : click + 60] += 0.9
    begun, events = time.perf_counter(), []
    for i in range(40):  # in real time
        time.sleep(max(0.0, begun + (i + 1) * 512 / SR + 0.003 - time.perf_counter()))
        now = time.perf_counter()
        latency = now - begun - i * 512 / SR
        events += live.feed(sound[i * 512 : (i + 1) * 512], latency=latency, host_time=host_time)
    strongest = max(events[10:], key=lambda e: e.onset)
    # The onset is found as the click enters the window, up to half a window before its centre passes.
    assert abs(strongest.time - (begun + click / SR)) < 0.04 + (0.03 if host_time <= 0 else 0.0)
    assert all(a.time < b.time for a, b in pairwise(events))


# Without a device


MISSING = """
import ctypes.util
ctypes.util.find_library = lambda name: None
from visualizer.common import assets
from visualizer.audio.codebook import Codebook
from visualizer.audio.microphone import Microphone
from visualizer.audio.portaudio import library
from visualizer.common.errors import UserError
from visualizer.latent.ring import Ring
import time
with Microphone(Codebook.load(assets.model("codebook.safetensors")), Ring()) as microphone:
    time.sleep(0.5)
    print(microphone.ok, microphone.status, microphone.level, microphone.callback_share())
try:
    library()
except UserError as error:
    print(error)
"""


def test_without_the_library_it_says_what_to_install():
    done = ran(code=MISSING)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 2, done.stderr
    assert lines[0].startswith("False") and "libportaudio2" in lines[0]
    assert "libportaudio2" in lines[1] and done.stderr == ""


def test_without_a_device_it_waits_without_spinning(codebook, monkeypatch):
    monkeypatch.setattr(portaudio, "list_devices", lambda: [])
    before = threading.active_count()
    with Microphone(codebook, Ring()) as microphone:
        until(lambda: "no microphone found" in microphone.status, 5, "a word of it")
        assert not microphone.ok
        worked, began = time.process_time(), time.perf_counter()
        time.sleep(2)
        assert time.process_time() - worked < 0.5 * (time.perf_counter() - began)
    assert threading.active_count() == before
    with pytest.raises(UserError, match="no microphone found"):
        find_device("input")


# A real device


@pytest.fixture(scope="module")
def wav(tmp_path_factory, tune):
    return write_sound(tmp_path_factory.mktemp("tune") / "tune.wav", tune, codec="pcm_s16le")


def test_devices_are_listed_and_found(pulse):
    devices = list_devices()
    assert any(d.default_input and d.inputs for d in devices)
    assert find_device("input").default_input
    assert find_device("input", "DEFAULT").name == "default"
    assert (
        find_device("output", devices[0].index) == devices[0] == find_device("output", str(devices[0].index))
    )
    for wrong in ("a theremin", 999):
        with pytest.raises(UserError, match=r"theremin.*default|999.*default"):
            find_device("input", wrong)


def find(needle, hay):
    """Where in hay the needle is, by normalised cross-correlation, and how well it fits, 0..1."""
    hits = scipy.signal.correlate(hay, needle, "valid", method="fft")
    energy = np.sqrt(scipy.signal.fftconvolve(hay**2, np.ones(len(needle)), "valid").clip(1e-9))
    fit = hits / energy / np.linalg.norm(needle)
    return int(fit.argmax()), float(fit.max())


def test_what_is_played_is_what_is_heard(pulse, codebook, wav, tune):
    """Clusters of the virtual microphone against those of the offline analysis of the same samples."""
    ring, heard = Ring(1 << 15), []
    with Microphone(codebook, ring) as microphone:
        push = microphone._listener.push
        microphone._listener.push = lambda samples: (heard.append(samples.copy()), push(samples))[1]
        until(lambda: microphone.ok, 5, "listening")
        pulse.play(wav)
        until(lambda: microphone.level > -40, 8, "sound")
        time.sleep(9.5)
        pulse.hush()
        assert microphone.status == f"listening to {microphone.device_name}"
        assert microphone.errors == 0
        share, overflows = microphone.callback_share(), microphone.lost
    events, heard = drain(ring), np.concatenate(heard)

    # The windows begin at any of 512 places of the tune: cut it where the microphone did.
    begin = int(np.argmax(np.abs(heard) > 1e-3)) // 512 * 512
    place, fit = find(heard[begin + SR : begin + 2 * SR], mono(tune))
    assert fit > 0.99, f"{overflows} overflows"
    lead = max(0, SR - place)
    expected = mono(tune)[place - SR + lead :][: len(heard) - begin - lead]
    offline = clusters(Listener(codebook).push(np.concatenate([np.zeros(lead, np.float32), expected])))
    live = clusters(events)[begin // 512 :]
    n = min(len(live), len(offline))
    same = np.mean(np.array(live[:n]) == np.array(offline[:n]))
    gap = np.diff([e.time for e in events])
    print(
        f"\n{same:.1%} of {n} windows alike; callback {share[0]:.1%} of a block, 99th percentile "
        f"{share[1]:.1%}; {overflows} overflows; events {np.median(gap) * 1e3:.1f} ms apart, "
        f"{gap.min() * 1e3:.1f} to {gap.max() * 1e3:.1f}"
    )
    assert n > 700
    assert same >= 0.9
    assert all(a.time < b.time for a, b in pairwise(events))


def test_a_card_pulled_out_and_put_back(pulse, codebook, wav):
    ring = Ring()
    with Microphone(codebook, ring) as microphone:
        pulse.play(wav)
        until(lambda: microphone.level > -60, 8, "sound")
        pulse.unplug()
        noticed = until(lambda: not microphone.ok, 3, "notice")
        assert microphone.status == f"{microphone.device_name} is gone, waiting for it to come back"
        time.sleep(1.0)
        assert microphone.level == -120 and not microphone.ok
        drain(ring)
        pulse.plug()
        pulse.play(wav)
        opened = until(lambda: microphone.ok, 3, "opening")
        back = opened + until(lambda: microphone.level > -60, 10, "return")
        heard = drain(ring)
        assert heard and microphone.status == f"listening to {microphone.device_name}"
        closing = time.perf_counter()
    closed = time.perf_counter() - closing
    pulse.hush()
    print(
        f"noticed after {noticed:.2f} s; open again after {opened:.2f} s, sound back after {back:.2f} s; "
        f"closed in {closed:.3f} s"
    )
    assert back <= 3.0
    assert closed < 1.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_sound_server_that_is_restarted(pulse, codebook, wav, how):
    """As after an update of it, or its crash: sound comes back by itself, and threads don't gather."""
    ring = Ring()
    with Microphone(codebook, ring) as microphone:
        pulse.play(wav)
        until(lambda: microphone.level > -60, 8, "sound")
        threads = threading.active_count()
        pulse.stop(how)
        until(lambda: not microphone.ok, 5, "notice")
        time.sleep(1.0)
        drain(ring)
        pulse.start()
        pulse.play(wav)
        back = until(lambda: microphone.level > -60, 15, "sound")
        until(lambda: microphone.ok and drain(ring), 5, "events")
        assert threading.active_count() <= threads
    pulse.hush()
    print(f"sound back {back:.2f} s after the server")


def test_a_card_whose_rate_changes(pulse, codebook, wav):
    with Microphone(codebook, Ring()) as microphone:
        pulse.play(wav)
        until(lambda: microphone.level > -60, 8, "sound")
        pulse.unplug()
        until(lambda: not microphone.ok, 3, "notice")
        pulse.plug(rate=48000)
        pulse.play(wav)
        back = until(lambda: microphone.level > -60, 10, "sound")
    pulse.hush()
    pulse.unplug()
    pulse.plug()
    print(f"back after {back:.2f} s")


def test_another_card_becomes_the_default(pulse, codebook, wav):
    """Followed and named, though the old card still plays."""
    with Microphone(codebook, Ring()) as microphone:
        pulse.play(wav)
        until(lambda: microphone.level > -60, 8, "sound")
        assert microphone.device_name == "Monitor of Null Output"
        with pulse.another_card("other"):
            named = until(lambda: microphone.device_name == "Monitor of other", 3, "the new name")
            assert microphone.status == "listening to Monitor of other"
            pulse.hush()
            until(lambda: microphone.level < -100, 3, "silence")
            pulse.play(wav, "other")
            back = until(lambda: microphone.level > -60, 3, "sound")
            pulse.hush()
        until(lambda: microphone.device_name == "Monitor of Null Output", 3, "the way back")
    print(f"named after {named:.2f} s, heard after {back:.2f} s")


def openings(microphone):
    """A list that grows by one whenever the microphone opens a device."""
    opened, open_ = [], microphone._line._open
    microphone._line._open = lambda: (opened.append(time.perf_counter()), open_())[1]
    return opened


def test_digital_silence_is_waited_out(pulse, codebook, wav):
    """A muted microphone is no reason to open it again and again, where the server tells its default."""
    with Microphone(codebook, Ring()) as microphone:
        until(lambda: microphone.ok, 5, "listening")
        opened = openings(microphone)
        until(lambda: "brings only silence" in microphone.status, 6, "a word of it")
        worked = time.process_time()
        time.sleep(3)
        assert time.process_time() - worked < 0.5 * 3
        assert not opened
        pulse.play(wav)
        until(lambda: microphone.level > -60, 3, "sound")
        until(lambda: microphone.status == f"listening to {microphone.device_name}", 1, "a word of it")
        pulse.hush()


def test_digital_silence_without_a_word_of_the_server(pulse, codebook, monkeypatch):
    """Then another device may be the default: it looks again, but ever more rarely."""
    monkeypatch.setattr(DefaultDevice, "name", lambda *_: None)
    monkeypatch.setattr(Line, "NOTHING_S", 0.3)
    microphone = Microphone(codebook, Ring())
    opened = openings(microphone)
    with microphone:
        until(lambda: len(opened) == 3, 8, "looking again")
        time.sleep(1.5)
    assert len(opened) == 3
    assert opened[1] - opened[0] > 0.3 and opened[2] - opened[1] > 4 * 0.3


def test_a_stalled_callback_is_left_behind(pulse, codebook, wav):
    """The sound comes back before the stall is over, and nothing is left of it after that."""
    with Microphone(codebook, Ring()) as microphone:
        pulse.play(wav)
        until(lambda: microphone.level > -60, 8, "sound")
        line, stall = microphone._line, threading.Event()
        handle, opened = line._handle, line._opened
        line._handle = lambda *block: stall.wait(5) if line._opened == opened else handle(*block)
        until(lambda: not microphone.ok, 3, "notice")
        back = until(lambda: microphone.level > -60, 4, "return")
        stall.set()
        until(lambda: len(portaudio.in_use) == 1, 2, "farewell")
    pulse.hush()
    print(f"back {back:.2f} s after it was noticed")


def test_closing_is_quick_in_any_state(pulse, codebook):
    for wait in (0.0, 0.01, 0.1, 0.5):
        with Microphone(codebook, Ring()):
            time.sleep(wait)
            begun = time.perf_counter()
        assert time.perf_counter() - begun < 1.0
    assert not any(t.name.startswith("sound") for t in threading.enumerate())
    # A stream that waits for its next block ends with it, a null sink's after two seconds.
    until(lambda: not portaudio.in_use, 4, "the last farewell")


def test_a_monitor_is_found_though_portaudio_knows_none(pulse, on_time, codebook, tmp_path, tune):
    """Of two loudspeakers the one that is the default; a microphone stays what it was for others."""
    write_sound(tmp_path / "tune.wav", tune[: 8 * SR])
    with pulse.another_card("other"):
        assert not [device for device in list_devices() if "monitor" in device.name.lower()]
        device = find_device("input", "monitor")
        assert device.name.startswith("Monitor of") and os.environ["PULSE_SOURCE"] == "vmic.monitor"
        with Microphone(codebook, Ring(), "monitor") as microphone:
            until(lambda: microphone.ok, 10, "opening")
            pulse.play(tmp_path / "tune.wav")
            until(lambda: microphone.level > -60, 10, "hearing")
            assert "Monitor of" in microphone.status
        pulse.hush()
        assert find_device("input", "other").name == "Monitor of other"
        find_device("input")
        assert "PULSE_SOURCE" not in os.environ
    with pytest.raises(UserError, match="no input device 'nothing'"):
        find_device("input", "nothing")


def test_what_is_left_of_a_sound_system_that_hangs_keeps_its_code():
    """Else its threads would run into nothing when Python ends, and the show's last word be a crash."""
    code = """
import atexit, gc, sys
from visualizer.audio import portaudio
sounddevice = portaudio.library()
if sys.argv[1] == "hangs":
    portaudio.skip_farewell()
atexit.unregister(sounddevice._exit_handler)
sounddevice._terminate()
del sounddevice._lib
gc.collect()
print("libportaudio" in open("/proc/self/maps").read())
"""
    found = {}
    for how in ("ends", "hangs"):
        with started(how, code=code) as process:
            found[how] = process.communicate(timeout=60)[0].splitlines()[-1]
    assert found["hangs"] == "True" and found["ends"] == "False"  # which is what would happen to it
