"""Measure beside projectM: both hear the same music in turn, and are judged by what is seen of them.

    python tests/measure_projectm.py SONG... [--presets NAME...] [--start 20] [--seconds 30] [--size 1280x720]

projectM plays presets of its own at random, each for ten seconds. Printed for each program: frames a second,
as Mesa counts them; the processor's time, in cores; and the figures of measure_dance.py, from captures of
the screen, 30 a second: r, that of onsets with changes of the picture, at the best lag within 0.4 s; how much
more it changes after the strongest onsets than elsewhere; mean change; whether what was captured keeps the
rule against flashes. Onsets are those of what the sound card's monitor records. Busy machines capture
fewer frames, which the last column tells: the figures count where it is near 30.

Debian packages: projectm-sdl, and those of screen.py and pulse.py.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import screen as screens
from measure_dance import FPS, figures, hear, watch
from PIL import Image, ImageGrab
from pulse import Pulse, pulse_server
from screen import Screen, wait_for, x_server

from visualizer.audio.codebook import Codebook
from visualizer.audio.listener import Listener
from visualizer.audio.song import Song, mono
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common import assets

PROJECTM = "projectMSDL"
CONFIG = """Mesh X = 48
Mesh Y = 36
Texture Size = 1024
FPS = 60
Fullscreen = false
Window Width = {width}
Window Height = {height}
Smooth Preset Duration = 3
Preset Duration = 10
Preset Path = /usr/share/projectM/presets
Easter Egg Parameter = 1
Aspect Correction = true
Shuffle Enabled = true
Hard Cut Sensitivity = 10
"""
# Loading, and what is told at the start.
SETTLING_S = 25.0
CAPTURED = 320, 180


class Run(NamedTuple):
    """frames: captured at times [n] seconds; sound: [n] mono, recorded from `begun` on; fps; cores."""

    frames: list[np.ndarray]
    times: np.ndarray
    sound: np.ndarray
    begun: float
    fps: float
    cores: float


def cpu_seconds(pid: int) -> float:
    """What a process has taken of the processor."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def recorded(pulse: Pulse) -> Iterator[list[tuple[float, bytes]]]:
    """What the card plays meanwhile, in pieces with the times at which they came."""
    command = ["parec", "-d", "vmic.monitor", "--format=float32le", "--channels=1", "--latency-msec=10"]
    pieces: list[tuple[float, bytes]] = []
    environment = {**os.environ, **pulse.environment}
    with subprocess.Popen(
        [*command, f"--rate={SAMPLE_RATE}"], env=environment, stdout=subprocess.PIPE
    ) as parec:

        def read() -> None:
            while piece := os.read(parec.stdout.fileno(), 1 << 16):
                pieces.append((time.perf_counter(), piece))

        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield pieces
        finally:
            parec.terminate()
            reading.join()


def run(command: list[str], name: str, pulse: Pulse, screen: Screen, song: Path, seconds: float) -> Run:
    """Start a program, play a song to it and watch."""
    with tempfile.TemporaryDirectory() as counted:
        environment = {
            **screen.environment,
            **pulse.environment,
            "SDL_AUDIODRIVER": "pulseaudio",
            # Mesa's own count of frames, written to a file and not into the picture.
            "GALLIUM_HUD": ".dfps",
            "GALLIUM_HUD_PERIOD": "0.5",
            "GALLIUM_HUD_VISIBLE": "false",
            "GALLIUM_HUD_DUMP_DIR": counted,
        }
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
            try:
                wait_for(lambda: screen.do("search", "--class", name) or process.poll() is not None)
                pulse.play(song)
                time.sleep(SETTLING_S)
                assert process.poll() is None, f"{name} ended"
                frames, times = [], []
                with recorded(pulse) as pieces:
                    begun, spent = time.perf_counter(), cpu_seconds(process.pid)
                    fps = Path(counted, "fps")
                    seen = len(fps.read_text().split()) if fps.exists() else 0
                    while (now := time.perf_counter()) < begun + seconds:
                        picture = ImageGrab.grab(xdisplay=screen.display)
                        frames.append(np.array(picture.resize(CAPTURED, Image.Resampling.BOX)))
                        times.append(now)
                        time.sleep(max(0.0, begun + len(frames) / FPS - time.perf_counter()))
                    spent = cpu_seconds(process.pid) - spent
                    took = time.perf_counter() - begun
                    counts = [float(n) for n in fps.read_text().split()[seen:]] if fps.exists() else [np.nan]
            finally:
                pulse.hush()
                process.kill()
    sound = np.frombuffer(b"".join(piece for _, piece in pieces), np.float32)
    first = pieces[-1][0] - len(sound) / SAMPLE_RATE
    return Run(frames, np.array(times), sound, first, float(np.mean(counts)), spent / took)


def row(name: str, song: Path, run: Run, codebook: Codebook) -> str:
    """A line of the table."""
    seconds = min(run.times[-1], run.begun + len(run.sound) / SAMPLE_RATE) - run.begun
    n = int(seconds * FPS)
    # Frames at equal distances: the newest at each time.
    newest = np.searchsorted(run.times, run.begun + np.arange(n) / FPS, "right") - 1
    shown, _ = watch((run.frames[max(i, 0)], 0.0) for i in newest)
    f = figures(hear(run.sound, list(Listener(codebook).push(run.sound)), n), shown)
    return (
        f"| {song.stem[:22]} | {name} | {run.fps:.1f} | {run.cores:.2f} | {f['r']:.2f} | {f['lag']:.0f} |"
        f" {f['after']:.2f} | {f['change']:.1f} | {'kept' if shown.safe else 'BROKEN'} |"
        f" {len(run.frames) / (run.times[-1] - run.times[0]):.1f} |"
    )


def part(song: Path, start: float, seconds: float, folder: Path) -> Path:
    """A part of a song as a file that paplay can play."""
    import wave

    sound = np.concatenate([mono(block) for block in Song(song, start, SETTLING_S + seconds + 5)])
    with wave.open(str(path := folder / "part.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", type=Path, nargs="+")
    parser.add_argument("--presets", nargs="+", default=["everything"], metavar="NAME")
    parser.add_argument("--start", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--size", default="1280x720")
    args = parser.parse_args()
    screens.SIZE = width, height = tuple(int(n) for n in args.size.split("x"))
    codebook = Codebook.load(assets.model("codebook.safetensors"))
    print(
        "| song | program | frames/s | cores | r | lag, ms | after / elsewhere | change | rule | captured/s |"
    )
    print("|-|-|-|-|-|-|-|-|-|-|")
    with tempfile.TemporaryDirectory() as name, x_server() as screen:
        folder = Path(name)
        (folder / ".projectM").mkdir()
        (folder / ".projectM" / "config.inp").write_text(CONFIG.format(width=width, height=height))
        live = [sys.executable, "-m", "visualizer", "live", "--size", args.size, "--preset"]
        with pulse_server(folder) as pulse:
            for song in args.songs:
                sound = part(song, args.start, args.seconds, folder)
                shows = [(PROJECTM, [PROJECTM], PROJECTM)]
                shows += [(f"visualizer, {preset}", [*live, preset], "visualizer") for preset in args.presets]
                for title, command, window in shows:
                    result = run(command, window, pulse, screen, sound, args.seconds)
                    print(row(title, song, result, codebook), flush=True)


if __name__ == "__main__":
    main()
