"""Recordings and streams: read back by PyAV, in step, and what is left after a kill or on a full disk."""

import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import wave
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from program import ENVIRONMENT, ran, started
from pulse import pulse_server
from screen import wait_for, x_server

from visualizer.common.errors import UserError
from visualizer.offline.flash_check import check_video
from visualizer.output import outlet, targets
from visualizer.output.codecs import Codec, bits, hardware, live_codec, works
from visualizer.output.film import Film
from visualizer.output.filming import Recording, Stream
from visualizer.output.lockstep import Lockstep

pytestmark = pytest.mark.alone

SR = 44100
SIZE = 320, 180
FPS = Fraction(30)
BLACK, WHITE = (torch.full((90, 160, 3), value, dtype=torch.uint8) for value in (16, 255))


def is_on(when):
    """Whether the flash, and the click with it, is on: the first tenth of every second."""
    return when % 1 < 0.1


def click(times):
    return np.where(is_on(times), 0.5 * np.sin(2 * np.pi * 1000 * times), 0).astype(np.float32)[:, None]


def onsets(film):
    """Seconds at which a film's flashes, and its clicks, begin."""
    flashes, clicks, lit, heard = [], [], False, False
    with av.open(film) as container:
        for frame in container.decode(video=0):
            bright = frame.to_ndarray(format="gray")[::8, ::8].mean() > 128
            flashes += [float(frame.pts * frame.time_base)] if bright and not lit else []
            lit = bright
    with av.open(film) as container:
        parts = [
            (float(f.pts * f.time_base), f.to_ndarray()[0], f.sample_rate) for f in container.decode(audio=0)
        ]
    for begin, samples, sr in parts:
        places = np.arange(0, len(samples), 64)
        loud = np.maximum.reduceat(np.abs(samples), places) > 0.1
        clicks += list(begin + places[loud & ~np.append(heard, loud[:-1])] / sr)
        heard = loud[-1]
    return np.array(flashes), np.array(clicks)


def apart(flashes, clicks):
    """The most seconds from a flash to the click next to it."""
    return np.abs(clicks[:, None] - flashes[None]).min(0).max()


def length(film):
    """(seconds of pictures, frames) that can be decoded."""
    times = []
    with av.open(str(film)) as container, suppress(av.error.InvalidDataError):  # the last one may be cut
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base))
    return times[-1] - times[0] + 1 / 30, len(times)


# --- in step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate, drift", [(44100, 0.0), (48000, 0.0), (44100, 4e-4), (44100, -4e-4)])
def test_sound_and_pictures_stay_in_step(tmp_path, rate, drift):
    """For a minute, from a sound card that goes wrong and blocks that come late, at uneven frames."""
    rng = np.random.default_rng(0)
    container = av.open(str(tmp_path / "film.mkv"), "w")
    lockstep = Lockstep(Film(container, Codec(), (64, 36), FPS, SR))
    begin, block, heard = 1000.0, 512, 0
    small = [picture[:36, :64].numpy() for picture in (BLACK, WHITE)]
    for number in range(60 * 30):
        when = number / 30 + rng.uniform(0, 0.004)
        # The card says 44100 samples a second, and makes some more or fewer.
        while (end := (heard + block) / (rate * (1 + drift))) < when - 0.05:
            start = end - block / (rate * (1 + drift))
            samples = click(np.linspace(start, end, block, endpoint=False)).repeat(2, axis=1)
            lockstep.hear(samples, begin + start + rng.uniform(-5e-4, 5e-4), rate)
            heard += block
        if rng.random() < 0.9 or number % 30 < 6:  # else the show missed it
            lockstep.show(small[int(is_on(number / 30))], begin + when)
    lockstep.finish()
    flashes, clicks = onsets(str(tmp_path / "film.mkv"))
    assert len(flashes) == len(clicks) == 60
    apart = clicks - flashes
    assert np.abs(apart).max() < 0.035 and np.abs(apart[-10:].mean() - apart[:10].mean()) < 0.012, apart
    assert np.abs(np.diff(clicks) - 1).max() < 0.005  # stretched, never cut


@pytest.mark.parametrize("late", [0.0, 0.08, 0.3, 2.3])
def test_sound_that_begins_later_is_in_step_at_once(tmp_path, late):
    lockstep = Lockstep(Film(av.open(str(tmp_path / "film.mkv"), "w"), Codec(), (64, 36), FPS, SR))
    for number in range(5 * 30):
        when = number / 30
        lockstep.show((WHITE if is_on(when) else BLACK)[:36, :64].numpy(), when)
        if when >= late:
            lockstep.hear(click(when + np.arange(1470) / SR).repeat(2, axis=1), when, SR)
    lockstep.finish()
    flashes, clicks = onsets(str(tmp_path / "film.mkv"))
    clicks = clicks[clicks > late]  # the one before is heard only in part
    assert len(flashes) == 5 and len(clicks) == 4 - int(late)
    assert np.abs(clicks - flashes[-len(clicks) :]).max() < 0.01


def test_a_gap_in_the_sound_is_silence_and_the_show_goes_on(tmp_path):
    container = av.open(str(tmp_path / "film.mkv"), "w")
    lockstep = Lockstep(Film(container, Codec(), (64, 36), FPS, SR))
    lockstep.hear(click(np.arange(-SR // 2, 0) / SR).repeat(2, axis=1), -0.5, SR)  # before the first frame
    for number in range(5 * 30):
        when = number / 30
        lockstep.show((WHITE if is_on(when) else BLACK)[:36, :64].numpy(), when)
        if not 1.5 < when < 3.5:  # the device was away
            times = when + np.arange(1470) / SR
            lockstep.hear(np.where(times[:, None] < 0, np.nan, click(times)).repeat(2, axis=1), when, SR)
    lockstep.finish()
    flashes, clicks = onsets(str(tmp_path / "film.mkv"))
    assert np.allclose(flashes, range(5), atol=0.035) and np.allclose(clicks, [0, 1, 4], atol=0.035)


# --- recordings -----------------------------------------------------------------------------------


def shape(size=SIZE, fps=FPS, limited=True):
    return (lambda: size), fps, limited


def on(outlets, receiver):
    added = outlets.add(receiver)
    wait_for(lambda: added.state in ("on", "over"), 60, 0.005)
    return added


def show(outlets, added, seconds, begin=0.0, pace=0.0):
    """Show flashes and clicks, as fast as they are taken, or at a pace: seconds for each of the show's."""
    began = time.perf_counter()
    for number in range(round(seconds * 30)):
        when = begin + number / 30
        outlets.hear(click(when + np.arange(1470) / SR), when, SR)
        outlets.show(WHITE if is_on(when) else BLACK, when)
        wait_for(lambda: added._frames - added._frames_taken < 4 or added.state != "on", 30, 0.001)
        time.sleep(max(0.0, began + pace * number / 30 - time.perf_counter()))
    return seconds


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording(outlets, told, tmp_path, suffix):
    path = tmp_path / f"show{suffix}"
    added = on(outlets, Recording(path, *shape()))
    show(outlets, added, 4)
    outlets.end(added)
    assert added.join(60) and told == [] and added.left_out == 0
    flashes, clicks = onsets(str(path))
    assert np.allclose(flashes, range(4), atol=0.001) and np.abs(clicks - flashes).max() < 0.02
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec.name, audio.codec.name) == ("h264", "aac")
        assert (video.width, video.height, video.average_rate) == (*SIZE, FPS)
        assert (
            container.metadata.get("comment", container.metadata.get("COMMENT")) == "recorded with visualizer"
        )
        assert container.duration / 1e6 == pytest.approx(4, abs=0.05)
    if suffix == ".mp4":  # which no longer is in pieces: all players can seek in it
        boxes, data = [], path.read_bytes()
        while data:
            boxes.append(data[4:8])
            data = data[int.from_bytes(data[:4], "big") or len(data) :]
        assert b"moof" not in boxes and boxes.count(b"moov") == 1


def test_nothing_is_written_over(tmp_path):
    path = tmp_path / "show.mp4"
    assert targets.free_path(path) == path
    assert targets.free_path(path, numbered=True) == tmp_path / "show-0001.mp4"
    for name in ("show.mp4", "show-0001.mp4", "show-0002.mp4"):
        (tmp_path / name).touch()
    assert targets.free_path(path) == targets.free_path(path, numbered=True) == tmp_path / "show-0003.mp4"


def test_a_window_of_another_shape_is_recorded_undistorted(outlets, tmp_path):
    path = tmp_path / "show.mp4"
    added = on(outlets, Recording(path, *shape()))
    picture = torch.zeros(180, 180, 3, dtype=torch.uint8)
    picture[80:100, 80:100] = 255  # a square in the middle
    for number in range(10):
        outlets.show(picture, number / 30)
        wait_for(lambda n=number: added.shown > n, 30, 0.001)
    outlets.end(added)
    assert added.join(60)
    with av.open(str(path)) as container:
        bright = next(container.decode(video=0)).to_ndarray(format="gray") > 128
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    assert abs(len(rows) - len(columns)) <= 2 and len(columns) == pytest.approx(20 * 320 / 180, abs=3)
    assert columns.mean() == pytest.approx(159.5, abs=1.5) and rows.mean() == pytest.approx(89.5, abs=1.5)


@pytest.mark.parametrize("limited", [True, False])
def test_a_film_keeps_the_flash_rule(outlets, tmp_path, limited):
    """Frames just within the rule, which compression may carry beyond it; by our own analyser."""
    path = tmp_path / "show.mp4"
    added = on(outlets, Recording(path, *shape(limited=limited)))
    for number in range(120):
        outlets.show(BLACK if number // 3 % 2 else BLACK + 100, number / 30)
        wait_for(lambda n=number: added.shown > n, 30, 0.001)
    outlets.end(added)
    assert added.join(60)
    assert check_video(path).safe is limited
    with av.open(str(path)) as container:
        assert ("NOT limited" in container.metadata["comment"]) is not limited


SHOW = """
    import sys, time
    import torch
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from visualizer.output.filming import Recording
    from visualizer.output.outlet import Outlets

    outlets = Outlets(print)
    added = outlets.add(Recording(Path(sys.argv[1]), lambda: (320, 180), Fraction(30), True))
    while added.state != "on":
        time.sleep(0.01)
    begin = time.perf_counter()
    for number in range(10000):
        outlets.show(torch.full((90, 160, 3), number % 256, dtype=torch.uint8), number / 30)
        outlets.hear(np.zeros((1470, 1), np.float32), number / 30, 44100)
        print(number / 30, flush=True)
        time.sleep(max(0, begin + number / 30 - time.perf_counter()))
"""


@pytest.mark.parametrize("who, suffix", [("the show", ".mp4"), ("both", ".mp4"), ("both", ".mkv")])
def test_kill_9_loses_at_most_a_second(tmp_path, who, suffix):
    path = tmp_path / f"show{suffix}"
    command = [sys.executable, "-c", textwrap.dedent(SHOW), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    for line in process.stdout:
        if (shown := float(line)) > 3:
            break
    encoders = children(process.pid)
    victims = [process.pid, *encoders] if who == "both" else [process.pid]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    shown = max([shown, *(float(line) for line in process.stdout)])
    process.wait()
    if who == "the show":
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in encoders), 30)
    assert shown - length(path)[0] <= 1.0
    if who == "the show":  # whose encoder finishes what it has
        assert shown - length(path)[0] <= 0.5


def test_an_encoder_that_dies_is_told(outlets, told, tmp_path):
    path = tmp_path / "show.mp4"
    added = on(outlets, Recording(path, *shape()))
    show(outlets, added, 3)
    wait_for(lambda: added._frames == added._frames_taken, 30)
    os.kill(added.receiver._encoder.pid, signal.SIGKILL)
    show(outlets, added, 1, 3.0)
    assert added.join(60) and added.state == "over"
    assert told == [f"the recording has stopped (its encoder ended early); {path} holds what was recorded."]
    assert length(path)[0] >= 2


def test_a_full_disk_is_told_and_the_show_goes_on(outlets, told, tmp_path):
    path, (_, hard) = tmp_path / "show.mp4", resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (30, 90, 160, 3), np.uint8))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))  # the system says: no more
    try:
        added = on(outlets, Recording(path, *shape()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for number in range(600):
        outlets.show(noise[number % 30], number / 30)
        wait_for(lambda: added._frames - added._frames_taken < 4 or added.state != "on", 30, 0.001)
        if added.state == "over":
            break
    assert added.join(60)
    assert told == [f"the recording has stopped (the disk is full); {path} holds what was recorded."]
    assert path.stat().st_size <= 400_000 and length(path)[1] > 10


# --- streams --------------------------------------------------------------------------------------


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Listener:
    """Somebody who receives a stream: FFmpeg's program, which writes it to a file as it is."""

    def __init__(self, source, path, *options):
        if shutil.which("ffmpeg") is None:
            pytest.skip("ffmpeg is not installed")
        command = ["ffmpeg", "-y", "-loglevel", "error", "-fflags", "nobuffer", "-analyzeduration", "1000000"]
        self.path = path
        self.process = subprocess.Popen(
            [*command, *options, "-i", source, "-c", "copy", "-flush_packets", "1", "-f", "mpegts", path]
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(outlet, "PAUSE_S", 0.1)
    monkeypatch.setattr(outlet, "LONGEST_PAUSE_S", 0.2)


def test_rtmp_comes_back_when_its_receiver_does(outlets, told, tmp_path, impatient):
    address = f"rtmp://127.0.0.1:{free_port(socket.SOCK_STREAM)}/live/secret"
    stream = Stream(targets.stream(address), *shape())
    added = outlets.add(stream)
    wait_for(lambda: told, 60)  # nobody is there
    name = address.rpartition("/live")[0]
    assert told == [f"the stream to {name} has broken off (Connection refused); trying again."]
    outlets.show(BLACK, 0)  # which goes nowhere, and holds nothing up
    for time_, begin in (("first", 0.0), ("second", 100.0)):
        with Listener(address, tmp_path / time_, "-listen", "1"):
            wait_for(lambda: added.state == "on", 60)
            show(outlets, added, 4, begin, pace=0.5)
            if time_ == "second":
                outlets.end(added)
                assert added.join(60)
        assert length(tmp_path / time_)[0] > 1
        if time_ == "first":  # it is gone, and that is noticed
            show(outlets, added, 3, begin + 4, pace=0.5)
            wait_for(lambda: added.state != "on", 60)
    flashes, clicks = onsets(str(tmp_path / "second"))
    assert len(flashes) >= 2 and apart(flashes, clicks) < 0.05
    assert not any("secret" in sentence for sentence in told)
    assert sum("is back" in sentence for sentence in told) == 2


@pytest.mark.parametrize(
    "kind, options", [("udp", "?timeout=20000000"), ("srt", "?mode=listener"), ("tcp", "?listen=1")]
)
def test_transport_streams(outlets, told, tmp_path, impatient, kind, options):
    if kind == "srt" and shutil.which("ffmpeg"):
        protocols = subprocess.run(["ffmpeg", "-protocols"], capture_output=True, text=True).stdout
        if "srt\n" not in protocols:
            pytest.skip("this ffmpeg has no SRT")
    port = free_port(socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    address = f"{kind}://127.0.0.1:{port}"
    with Listener(address + options, tmp_path / "got"):
        time.sleep(0.5)
        added = outlets.add(Stream(targets.stream(address), *shape()))
        wait_for(lambda: added.state == "on", 60)
        show(outlets, added, 8, pace=0.4)
        outlets.end(added)
        assert added.join(60)
        time.sleep(0.5)
    flashes, clicks = onsets(str(tmp_path / "got"))
    assert len(flashes) >= 3
    assert apart(flashes, clicks) < 0.05, (flashes, clicks)


def test_hls_is_a_folder_of_pieces_that_does_not_grow(outlets, told, tmp_path):
    path = tmp_path / "show.m3u8"
    added = on(outlets, Stream(targets.stream(str(path)), *shape()))
    show(outlets, added, 40)
    assert path.is_file() and 8 <= len(list(tmp_path.glob("*.ts"))) <= 11
    outlets.end(added)
    assert added.join(60) and told == []
    flashes, clicks = onsets(str(path))
    assert len(flashes) >= 10 and np.abs(clicks[:10] - flashes[:10]).max() < 0.05


def test_a_receiver_that_takes_nothing_is_given_up(outlets, told, tmp_path, impatient, monkeypatch):
    """It accepts the connection, and reads no byte: neither the show nor the outlet's end waits for that."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/key"
        added = outlets.add(Stream(targets.stream(address), *shape()))
        connection, _ = server.accept()
        begun = time.perf_counter()
        for number in range(100):
            outlets.show(BLACK, number / 30)
        assert time.perf_counter() - begun < 0.5
        wait_for(lambda: told, 30)
        assert "broken off (its encoder ended early)" in told[0]
        outlets.end(added)
        connection.close()
    assert added.join(30)


# --- codecs and targets ---------------------------------------------------------------------------


def test_the_encoder_is_one_that_works():
    codec, fps = live_codec(SIZE, None, streams=True)
    assert works(codec, SIZE, fps) and fps in (30, 60)
    assert not works(Codec("h264_nvenc", {"preset": "none such"}, "nv12"), SIZE, FPS)
    assert not works(Codec("libx264", {}, "yuv420p", "vaapi"), SIZE, FPS)
    assert {codec.name for codec in hardware(SIZE, FPS)} <= set(av.codecs_available)
    assert live_codec(SIZE, Fraction(25), streams=False)[1] == 25
    assert bits((1280, 720), Fraction(30)) == pytest.approx(2.8e6, rel=0.1)


@pytest.mark.parametrize(
    "window, film",
    [
        ((1280, 720), (1280, 720)),
        ((641, 359), (640, 360)),
        ((3840, 2160), (1920, 1080)),
        ((1080, 1920), (1080, 1920)),
        ((2000, 500), (1920, 480)),
        ((160, 120), (160, 120)),
    ],
)
def test_sizes(window, film):
    assert targets.even_size(*window, (1920, 1080)) == film


@pytest.mark.parametrize(
    "address",
    [
        "",
        "show",
        "http://host/app",
        "rtmp://",
        "rtmp:///app",
        "udp://host",
        "srt://host:port",
        "file.m3u",
        "ftp://h:1",
    ],
)
def test_what_is_nothing_to_stream_to(address):
    with pytest.raises(UserError, match="nothing to stream to"):
        targets.stream(address)


def test_what_can_be_streamed_to(tmp_path):
    assert targets.stream("rtmps://me:pw@host/app/key").shown == "rtmps://host"
    assert targets.stream("udp://239.0.0.1:5000").address.endswith("?pkt_size=1316")
    assert targets.stream("srt://host:9?passphrase=long").shown == "srt://host:9"
    with pytest.raises(UserError, match="can't be written"):
        targets.stream(str(tmp_path / "none" / "show.m3u8"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--record", "show.avi"), "must end in .mp4, .mov or .mkv"),
        (("--record", "none/show.mp4"), "can't be written"),
        (("--stream", "rtmp"), "nothing to stream to"),
        (("--fps", "0"), "out of range"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(tmp_path, arguments, words):
    result = ran("live", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr


# --- the whole of it ------------------------------------------------------------------------------


def write_clicks(path, seconds):
    """A song with a click every second."""
    samples = click(np.arange(seconds * SR) / SR)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_a_show_without_a_window(tmp_path):
    """No display is there, and none is missed: it plays, streams and records, until it is told to end."""
    song = write_clicks(tmp_path / "clicks.wav", 60)
    (tmp_path / "show.mp4").write_text("mine")
    arguments = ["play", song, "--headless", "--record", "show.mp4", "--stream", "live/show.m3u8"]
    (tmp_path / "live").mkdir()
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    nowhere = {name: value for name, value in ENVIRONMENT.items() if name not in displays}
    more = ("--size", "320x180", "--fps", "20", "--compute", "cpu", "--verbose")
    with started(*arguments, *more, cwd=tmp_path, environment=nowhere) as process:
        film = tmp_path / "show-0002.mp4"
        wait_for(lambda: (film.is_file() and film.stat().st_size > 120_000) or process.poll() is not None)
        time.sleep(3.0)  # some clicks more, however much a picture takes
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert "recording" in out and "live/show.m3u8" in out
    assert (tmp_path / "show.mp4").read_text() == "mine"
    for made in (film, tmp_path / "live" / "show.m3u8"):
        with av.open(str(made)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].average_rate) == (320, 20)
            brightness = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
        assert max(brightness) > 8 and len(brightness) >= 20
        _, clicks = onsets(str(made))
        # The song's; while all is still loading, the device may miss a few hundredths of a second.
        apart = np.diff(clicks)
        assert len(apart) >= 2 and np.abs(apart[1:] - 1).max() < 0.01 and abs(apart[0] - 1) < 0.15


def test_a_machine_that_sleeps(tmp_path):
    """Show and encoder stand still for some seconds, as in a suspended machine, while the music plays on."""
    (tmp_path / "pulse").mkdir()
    film = tmp_path / "show.mp4"
    more = ("--size", "320x180", "--fps", "20", "--compute", "cpu")
    with pulse_server(tmp_path / "pulse") as pulse:
        environment = {**ENVIRONMENT, **pulse.environment}
        pulse.play(write_clicks(tmp_path / "clicks.wav", 120))
        arguments = ["live", "--headless", "--record", film, *more]
        with started(*arguments, cwd=tmp_path, environment=environment) as process:
            wait_for(lambda: film.is_file() and film.stat().st_size > 120_000)
            time.sleep(2.0)
            asleep = [process.pid, *children(process.pid)]
            assert len(asleep) > 1  # the encoder is a process of its own
            for number, seconds in ((signal.SIGSTOP, 8.0), (signal.SIGCONT, 6.0)):
                for pid in asleep:
                    os.kill(pid, number)
                time.sleep(seconds)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    _, clicks = onsets(str(film))
    slept = int(np.diff(clicks).argmax())
    woken = clicks[slept + 1]
    assert 7 < woken - clicks[slept] < 12
    # Of what the sound server has kept meanwhile, shreds are heard at first.
    later = clicks[clicks > woken + 1.5]
    assert len(later) >= 3
    # While all is still loading, the device may miss a few hundredths of a second before the second click.
    places = np.concatenate([clicks[1 : slept + 1], later]) - clicks[slept]
    assert slept and np.abs((places + 0.5) % 1 - 0.5).max() < 0.06
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    assert len(frames) / 20 > clicks[-1]
    assert all(np.abs(a - b).mean() > 0.02 for a, b in itertools.pairwise(frames[-60::10]))  # it moves


def test_a_show_that_outlives_its_terminal(tmp_path):
    """As nohup starts it: it is told of the terminal's end, and doesn't heed that."""
    arguments = ["play", write_clicks(tmp_path / "clicks.wav", 60), "--headless", "--record", "show.mp4"]
    more = ("--size", "320x180", "--fps", "20", "--compute", "cpu")

    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(*arguments, *more, cwd=tmp_path, environment=ENVIRONMENT, preexec_fn=nohup) as process:
        wait_for((tmp_path / "show.mp4").is_file)
        process.send_signal(signal.SIGHUP)
        time.sleep(2.0)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert len(onsets(str(tmp_path / "show.mp4"))[1]) >= 1


def children(pid):
    """Processes that a process has begun."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in lists for word in path.read_text().split()]


def test_keys_begin_and_end_recordings(tmp_path):
    size = "--size", "320x180"
    with x_server() as screen, screen.show("live", *size, "--compute", "cpu", cwd=tmp_path) as show:
        wait_for(lambda: " - " in show.title)
        for number in (1, 2):
            film = tmp_path / f"visualizer-000{number}.mp4"
            show.press("o")
            wait_for(lambda made=film: made.is_file() and made.stat().st_size > 4000)
            if number == 1:
                corner = show.picture()[:40, -110:].astype(int)
                assert (corner[..., 0] - corner[..., 1:].max(-1)).max() > 120  # a red dot
            show.press("o")
            wait_for(lambda made=film: playable(made))
        show.press("w")  # nowhere to: that is said, and no more
        show.press("o")
        wait_for((tmp_path / "visualizer-0003.mp4").is_file)
        show.press("Escape")  # quits, and ends the third
        code, errors = show.until_ended(60)
        assert code == 0 and "Traceback" not in errors, errors


def playable(film):
    with suppress(av.FFmpegError), av.open(str(film)) as container:
        return container.streams.video[0].frames > 5  # which an MP4 says when it is finished
    return False


@pytest.mark.parametrize("arguments", [("live", "--headless"), ("play", "song.wav", "--headless")])
def test_without_a_window_something_must_come_of_it(tmp_path, arguments):
    result = ran(*arguments, cwd=tmp_path)
    assert result.returncode == 2 and "nothing would come of it" in result.stderr
