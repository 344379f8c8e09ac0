"""The command line as a person meets it: help, and what happens with bad input."""

import fcntl
import os
import pty
import re
import shutil
import signal
import termios
import time
import wave
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import SR, write_sound
from program import ENVIRONMENT, ran, started
from screen import wait_for

from visualizer.audio.codebook import Codebook

SMALL = ("--size", "128x72", "--fps", "10")


def assert_one_sentence(result, *words):
    """Exit code 2, one line on stderr that is no traceback, naming the thing and the way out."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("visualizer")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[0]


def playable(path):
    """(video frames, seconds of sound) that a player finds."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        samples = sum(f.samples for f in container.decode(audio=0))
    return frames, samples / SR


def nothing_left(folder, *expected):
    return sorted(p.name for p in folder.iterdir()) == sorted(expected)


@pytest.mark.parametrize("command", [(), ("render",), ("demo",), ("fit",), ("train",), ("dream",)])
def test_help_reads_like_a_manual(visualizer, command):
    result = visualizer(*command, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout and "visualizer" in result.stdout
    if command:
        assert "Example" in result.stdout


def test_render(visualizer, tmp_path, song):
    result = visualizer("render", song, "-o", "clip.mp4", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "clip.mp4" in result.stdout
    frames, seconds = playable(tmp_path / "clip.mp4")
    assert frames == 20 and seconds == pytest.approx(2, abs=0.1)
    assert nothing_left(tmp_path, "clip.mp4")


def bad_songs(folder, melody):
    """(file, what the message names) of everything that is no song."""
    (folder / "text.mp3").write_text("this is not music\n" * 50)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "folder.wav").mkdir()
    write_sound(folder / "one_sample.wav", melody[:1])
    with wave.open(str(folder / "no_samples.wav"), "wb") as empty:
        empty.setparams((1, 2, SR, 0, "NONE", None))
    with av.open(str(folder / "mute.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "rgb24")))
        container.mux(stream.encode(None))
    whole = write_sound(folder / "whole.m4a", melody).read_bytes()
    (folder / "truncated.m4a").write_bytes(whole[: len(whole) // 2])
    return {
        "missing.mp3": "no such file",
        "text.mp3": "not a sound file",
        "empty.wav": "not a sound file",
        "folder.wav": "folder",
        "one_sample.wav": "shorter than one frame",
        "no_samples.wav": "no sound",
        "mute.mp4": "no sound",
        "truncated.m4a": "not a sound file",
    }


def test_bad_songs(visualizer, tmp_path, melody):
    songs = tmp_path / "songs"
    songs.mkdir()
    for name, words in bad_songs(songs, melody).items():
        result = visualizer("render", songs / name, "-o", "clip.mp4", *SMALL, cwd=tmp_path)
        assert_one_sentence(result, name, words)
        assert nothing_left(tmp_path, "songs"), name


@pytest.mark.parametrize("fault", ["nan", "cut"])
def test_damaged_songs_give_what_they_hold(visualizer, tmp_path, song, melody, fault):
    bad = tmp_path / "bad.wav"
    if fault == "nan":
        broken = melody.copy()
        broken[SR : SR + 100] = np.nan
        write_sound(bad, broken)
    else:
        bad.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    result = visualizer("render", bad, "-o", "clip.mp4", *SMALL, cwd=tmp_path)
    assert_one_sentence(result, "bad.wav", "clip.mp4", {"nan": "NaN", "cut": "cut short"}[fault])
    assert playable(tmp_path / "clip.mp4")[0] == {"nan": 20, "cut": 10}[fault]


@pytest.mark.parametrize("sr, layout, channels", [(8000, "mono", 1), (192000, "7.1", 8)])
def test_odd_but_good_songs(visualizer, tmp_path, sr, layout, channels):
    samples = 0.1 * np.random.default_rng(0).standard_normal((sr, channels))
    write_sound(tmp_path / "odd.wav", samples, sr, layout=layout)
    result = visualizer("render", "odd.wav", "-o", "clip.mp4", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert playable(tmp_path / "clip.mp4")[0] == 10


@pytest.mark.parametrize(
    "options, words",
    [
        (("--size", "0x0"), ("0x0", "16x16")),
        (("--size", "1281x720"), ("1281x720", "1282x720")),
        (("--size", "20000x20000"), ("20000x20000", "7680x4320")),
        (("--size", "big"), ("big", "1280x720")),
        (("--fps", "0"), ("0", "1 to 240")),
        (("--fps", "many"), ("many", "30")),
        (("--preset", "gardn"), ("gardn", "garden")),
        (("--preset", "missing.toml"), ("missing.toml", "no such preset")),
        (("--start", "-1"), ("-1",)),
        (("--start", "99"), ("2.0 s long", "--start 99")),
        (("--duration", "0"), ("0",)),
        (("--seed", "x"), ("x",)),
        (("--sensitivity", "9"), ("9", "0.1", "4")),
        (("--sensitivity", "nan"), ("nan", "0.1 to 4")),
        (("--codebook", "none.safetensors"), ("none.safetensors", "no such codebook")),
        (("-o", "clip.avi"), ("clip.avi", ".mp4")),
        (("-o", "missing/clip.mp4"), ("missing/clip.mp4", "choose another path")),
        (("--frobnicate",), ("--frobnicate",)),
    ],
)
def test_bad_options(visualizer, tmp_path, song, options, words):
    defaults = [*SMALL, "-o", "clip.mp4"]
    result = visualizer("render", song, *defaults, *options, cwd=tmp_path)
    assert_one_sentence(result, *words)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_presets(shell):
    for words, expected in (("visualizer ren", "render"), ("visualizer render --preset ma", "machines")):
        typed = words.split()
        environment = {
            **ENVIRONMENT,
            "_VISUALIZER_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": typed[-1] if shell == "fish" else str(len(typed) - 1),
        }
        code = "from visualizer.cli import main; main(prog_name='visualizer')"
        result = ran(code=code, environment=environment)
        assert expected in re.split(r"[\s,]", result.stdout), result


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("play",), ("SONG", "visualizer play --help")),
        (("frobnicate",), ("frobnicate", "visualizer --help")),
        (("completion",), ("bash, zsh, fish", "visualizer completion --help")),
        (("render", "x" * 300, "-o", "clip.mp4"), ("xxx", "too long")),
        (("sheet", ".", "-o", "sheet.png"), ("is a folder",)),
        (("bench", "--json", "missing/today.json"), ("missing/today.json", "choose another path")),
        (("bench", "--compare", "none.json"), ("none.json", "check the path")),
    ],
)
def test_bad_arguments(visualizer, tmp_path, arguments, words):
    assert_one_sentence(visualizer(*arguments, cwd=tmp_path), *words)
    assert nothing_left(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "locked/song.wav", "-o", "clip.mp4"),
        ("render", "locked.wav", "-o", "clip.mp4"),
        ("render", "song.wav", "-o", "locked/clip.mp4"),
        ("render", "song.wav", "-o", "clip.mp4", "--preset", "locked/preset.toml"),
        ("check", "locked/clip.mp4"),
        ("sheet", "locked/bank.safetensors", "-o", "sheet.png"),
    ],
)
def test_what_may_not_be_read_or_written(visualizer, tmp_path, song, arguments):
    shutil.copy(song, tmp_path / "song.wav")
    shutil.copy(song, tmp_path / "locked.wav")
    (tmp_path / "locked").mkdir()
    for name in ("locked", "locked.wav"):
        (tmp_path / name).chmod(0)
    result = visualizer(*arguments, cwd=tmp_path)
    assert_one_sentence(result, "locked")
    assert nothing_left(tmp_path, "locked", "locked.wav", "song.wav")


def test_a_codebook_that_is_none(visualizer, tmp_path, song):
    (tmp_path / "notes.safetensors").write_text("hello")
    result = visualizer(
        "render", song, "-o", "clip.mp4", "--codebook", "notes.safetensors", *SMALL, cwd=tmp_path
    )
    assert_one_sentence(result, "notes.safetensors", "can't be read as a codebook")


@pytest.mark.parametrize("option", ["--compute", "--device"])
def test_no_cuda(visualizer, tmp_path, song, option):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    result = visualizer("render", song, "-o", "clip.mp4", option, "cuda", *SMALL, cwd=tmp_path)
    assert_one_sentence(result, "CUDA", "--compute cpu")


def test_the_song_is_never_overwritten(visualizer, tmp_path, song):
    mp4 = tmp_path / "song.mp4"
    mp4.write_bytes(song.read_bytes())
    result = visualizer("render", mp4, "-o", mp4)
    assert_one_sentence(result, "is the song itself")
    assert mp4.read_bytes() == song.read_bytes()


def test_a_full_disk(tmp_path, song):
    """A limit on file size stands in for the end of the disk."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        f"sys.argv = ['visualizer', 'render', {str(song)!r}, '-o', 'clip.mp4', '--size', '256x256'];"
        "from visualizer.cli import main; main()"
    )
    assert_one_sentence(ran(code=code, cwd=tmp_path), "clip.mp4", "disk is full")
    assert nothing_left(tmp_path)


def test_ctrl_c_leaves_a_playable_file(tmp_path, melody):
    long = write_sound(tmp_path / "long.wav", np.tile(melody, (60, 1)))
    part = tmp_path / ".clip.mp4.part"
    with started("render", long, "-o", "clip.mp4", "--size", "640x360", cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size > 50_000):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors and "stopped early" in errors
    frames, seconds = playable(tmp_path / "clip.mp4")
    assert 8 <= frames < 60 * 2 * 30
    assert seconds == pytest.approx(frames / 30, abs=0.05)
    assert nothing_left(tmp_path, "clip.mp4", "long.wav")


@pytest.fixture
def long_song(tmp_path, melody):
    return write_sound(tmp_path / "long.wav", np.tile(melody, (60, 1)))


@contextmanager
def half_done(folder, song, **streams):
    """A render that has written a while."""
    part = folder / ".clip.mp4.part"
    with started("render", song, "-o", "clip.mp4", "--size", "256x144", cwd=folder, **streams) as process:
        wait_for(lambda: process.poll() is not None or (part.exists() and part.stat().st_size > 100_000))
        assert process.poll() is None
        yield process


def test_to_be_terminated_is_heeded_as_ctrl_c(tmp_path, long_song):
    with half_done(tmp_path, long_song) as process:
        process.terminate()
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (
        process.returncode == 128 + signal.SIGTERM and "Traceback" not in errors and "stopped early" in errors
    )
    frames, seconds = playable(tmp_path / "clip.mp4")
    assert frames >= 8 and seconds == pytest.approx(frames / 30, abs=0.05)
    assert nothing_left(tmp_path, "clip.mp4", "long.wav")


def test_a_terminal_that_is_closed(tmp_path, long_song):
    """With it goes whatever could be said."""
    ours, theirs = pty.openpty()
    terminal = {name: theirs for name in ("stdin", "stdout", "stderr")}

    def own_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with half_done(tmp_path, long_song, preexec_fn=own_terminal, **terminal) as process:
        os.close(theirs)
        os.close(ours)
        assert process.wait(timeout=60) == 128 + signal.SIGHUP
    assert playable(tmp_path / "clip.mp4")[0] >= 8
    assert nothing_left(tmp_path, "clip.mp4", "long.wav")


def test_what_a_killed_render_leaves_can_be_played(tmp_path, long_song):
    with half_done(tmp_path, long_song) as process:
        process.kill()
        process.wait()
    frames, seconds = playable(tmp_path / ".clip.mp4.part")
    assert frames >= 8 and seconds == pytest.approx(frames / 30, abs=0.6)
    assert not (tmp_path / "clip.mp4").exists()


def run_module(folder, text):
    """Run text as `python -m` does."""
    (folder / "module.py").write_text(text)
    return ran(module="module", cwd=folder)


def test_ctrl_c_within_the_text_of_an_exec(tmp_path):
    result = run_module(
        tmp_path,
        "import time\n"
        "from signal import SIGINT, raise_signal\n"
        "from visualizer.cli import main\n"
        "main.command('wait')(lambda: exec('raise_signal(SIGINT); time.sleep(5)'))\n"
        "main(['wait'])\n",
    )
    assert (result.returncode, result.stderr.strip()) == (130, "visualizer: stopped.")


def test_ctrl_c_when_all_is_done(tmp_path):
    """Python ends for up to a second, and what lives in a module does so late."""
    result = run_module(
        tmp_path,
        "from signal import SIGINT, raise_signal\n"
        "from visualizer.cli import main\n"
        "class Late:\n"
        "    def __del__(self, end=raise_signal, by=SIGINT):\n"
        "        end(by)\n"
        "late = Late()\n"
        "main(['--version'])\n",
    )
    assert result.returncode == 0 and not result.stderr


def test_fit_and_use_a_codebook(visualizer, tmp_path):
    from visualizer.audio.demo_tune import demo_tune

    write_sound(tmp_path / "tune.wav", demo_tune()[: 16 * SR])
    result = visualizer("fit", "tune.wav", "-o", "my.safetensors", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    result = visualizer(
        "render",
        "tune.wav",
        "-o",
        "clip.mp4",
        "--codebook",
        "my.safetensors",
        "--duration",
        "1",
        *SMALL,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr


def test_names_that_are_not_utf_8(visualizer, tmp_path, song):
    """All the way, to what is written down after the work is done."""
    name = os.fsdecode(b"M\xe4dchen")
    # Steady noise would be taken for a pause: it comes and goes.
    noise = 0.1 * np.random.default_rng(0).standard_normal((16 * SR, 2))
    bursts = np.exp(-6 * (np.arange(16 * SR) / SR % 0.4))[:, None]
    write_sound(tmp_path / f"{name}.wav", bursts * noise)
    result = visualizer("fit", f"{name}.wav", "-o", f"{name}.safetensors", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert Codebook.load(tmp_path / f"{name}.safetensors").songs == ("M�dchen.wav",)
    options = ("--codebook", f"{name}.safetensors", "--duration", "1", *SMALL)
    result = visualizer("render", f"{name}.wav", "-o", f"{name}.mp4", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert visualizer("check", f"{name}.mp4", cwd=tmp_path).returncode == 0


def test_fit_needs_enough_sound(visualizer, tmp_path, song):
    result = visualizer("fit", song, "-o", "my.safetensors", cwd=tmp_path)
    assert_one_sentence(result, "add more songs")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    "written, meant",
    [
        ("23.976", "24000/1001"),
        ("23.98", "24000/1001"),
        ("29.97", "30000/1001"),
        ("59.94", "60000/1001"),
        ("119.88", "120000/1001"),
        ("30000/1001", "30000/1001"),
        ("12.5", "25/2"),
        ("24", "24"),
    ],
)
def test_frame_rates_of_television(written, meant):
    from visualizer.cli.options import FrameRate

    assert FrameRate().convert(written, None, None) == Fraction(meant)


def test_a_song_through_a_pipe(tmp_path, song):
    """And what is none."""
    with open(song, "rb") as file:
        result = ran("render", "-", "-o", "clip.mp4", *SMALL, cwd=tmp_path, stdin=file)
    assert result.returncode == 0, result.stderr
    assert playable(tmp_path / "clip.mp4")[0] == 20
    read, write = os.pipe()
    os.write(write, b"no music")
    os.close(write)
    assert_one_sentence(
        ran("render", "-", "-o", "no.mp4", *SMALL, cwd=tmp_path, stdin=read),
        "the standard input is not a sound file",
        "index at the end",
    )
    os.close(read)
    assert nothing_left(tmp_path, "clip.mp4")


def test_an_address_is_shown_as_it_was_given(visualizer, tmp_path):
    result = visualizer("render", "http://127.0.0.1:9/song.mp3", "-o", "clip.mp4", *SMALL, cwd=tmp_path)
    assert_one_sentence(result, "http://127.0.0.1:9/song.mp3", "check the address")


def test_demo(visualizer, tmp_path):
    result = visualizer("demo", *SMALL, "-o", "demo.mp4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "demo.mp4" in result.stdout
    frames, seconds = playable(tmp_path / "demo.mp4")
    assert seconds >= 20 and frames == pytest.approx(seconds * 10, abs=2)


# Somebody quits while something large is being compiled, backstage.
BUSY = """
import threading, time
from visualizer.bench.stylegan import plan2, with_random_weights
from visualizer.cli import main
from visualizer.neural.openvino_painter import OpenVinoPainter

network = with_random_weights(plan2(64))
codes = network.random_codes(9, 0)[0].numpy()

def work():
    while True:
        painter = OpenVinoPainter(network)
        for n in range(1, 9):
            painter(codes[:n])

threading.Thread(target=work, name="backstage", daemon=True).start()
time.sleep(1.5)
main(["--version"])
"""


def test_quitting_in_the_midst_of_loading_is_no_crash():
    pytest.importorskip("openvino", reason="there is none for this processor")
    for _ in range(2):
        run = ran(code=BUSY)
        assert run.returncode == 0 and "visualizer" in run.stdout and not run.stderr
