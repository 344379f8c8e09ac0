"""A soak: the whole live engine on a real microphone and a real window, for as long as you like.

    python tests/soak.py --minutes 20
    python tests/soak.py --minutes 30 --machine     # which turns every control, over all ways at once
    python tests/soak.py --minutes 30 --machine --record     # and records all of it meanwhile

Plays music into a virtual sound card (PulseAudio), listens to it, and shows the pictures in a window on a
virtual screen (Xvfb). Prints a table: does its memory grow, does it lose events, are frames late, how long
does sound take to be seen. The first seconds, in which all presets are loaded, are left out.

Debian packages: as for tests/pulse.py and tests/screen.py.
"""

import argparse
import os
import socket
import sys
import tempfile
import threading
import time
import wave
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

# Before numpy and torch come: as `visualizer` itself has it.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from pulse import pulse_server
from screen import x_server

WARM_UP_S = 25.0
EVERY_S = 2.0


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def encoder() -> float:
    """Megabytes of the process that records this one."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"output.encoder" in (folder / "cmdline").read_bytes():
                total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return total


def processor() -> tuple[float, float, float]:
    """Seconds of processor time that this process has used, that all have, and the time."""
    times = os.times()
    busy = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    ticks = sum(int(busy[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
    return times.user + times.system, ticks, time.perf_counter()


class Later:
    """Enters a context after so many seconds."""

    def __init__(self, context, seconds):
        self._context, self._entered = context, False
        self._timer = threading.Timer(seconds, self._enter)

    def _enter(self):
        self._entered = True
        self._context.__enter__()

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        if self._entered:
            self._context.__exit__(None, None, None)


class Witness:
    """A thread that keeps the music playing and looks at the memory now and then."""

    def __init__(self, pulse, song, statistics, warm_up):
        self._pulse, self._song, self._statistics, self._warm_up = pulse, song, statistics, warm_up
        self._ended = threading.Event()
        self._since = float("nan")
        self.begun = time.perf_counter()
        # Seconds from the end of the warm-up to the end of all.
        self.measured = 0.0
        self.memory = []
        self.encoder = []
        self.worked = (0.0, 0.0)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        playing, warm = None, False
        while True:
            if playing is None or playing.poll() is not None:
                playing = self._pulse.play(self._song)
            if not warm and time.perf_counter() - self.begun > self._warm_up:
                self._statistics.forget()
                warm, before = True, processor()
                self._since = time.perf_counter()
            if warm:
                self.memory.append((time.perf_counter() - self.begun, resident()))
                self.encoder.append((time.perf_counter() - self.begun, encoder()))
                own, every, took = (b - a for a, b in zip(before, processor()))
                self.worked = (own / max(took, 1e-3), every / max(took, 1e-3))
            if self._ended.wait(EVERY_S):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.measured = time.perf_counter() - self._since
        self._ended.set()
        self._thread.join()

    def slope(self, memory):
        """Megabytes an hour: a line through the memory (least squares)."""
        when, much = np.array(memory).T
        return np.polyfit(when, much, 1)[0] * 3600 if len(when) > 2 else float("nan")


def write_tune(path):
    """The demo tune as a file. By wave, because torch must not be loaded before the engine sets it up."""
    from visualizer.audio.demo_tune import demo_tune

    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((demo_tune() * 32767).astype("<i2").tobytes())
    return path


def row(name, text):
    print(f"{name:<34}{text}")


def spread(record, more=0.0):
    found = record.spread()
    if found is None:
        return "none"
    median, p99, most = (1000 * (number + more) for number in found)
    return f"median {median:.1f}, 99 % within {p99:.1f}, longest {most:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, metavar="S")
    parser.add_argument("--song", type=Path, help="what to play; the demo tune if none is given")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--preset", default="garden")
    parser.add_argument("--allow-flashing", action="store_true")
    parser.add_argument("--machine", action="store_true", help="turn every control at random meanwhile")
    parser.add_argument("--record", action="store_true", help="record what is shown and heard meanwhile")
    wanted = parser.parse_args()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        song = wanted.song
        if song is None:
            song = write_tune(folder / "tune.wav")
        (folder / "pulse").mkdir()
        pulse = stack.enter_context(pulse_server(folder / "pulse"))
        screen = stack.enter_context(x_server())
        os.environ["DISPLAY"] = screen.display
        os.environ.pop("SDL_VIDEODRIVER", None)
        os.environ.pop("WAYLAND_DISPLAY", None)
        seconds = 60 * wanted.minutes + wanted.warm_up
        from visualizer.live.ways import StageWishes

        stage, machine = StageWishes(), nullcontext()
        if wanted.machine:
            os.environ["XDG_CONFIG_HOME"] = str(folder)
            os.chdir(folder)  # for the stills
            stage, machine = machine_at(stack, ("record",) if wanted.record else ())
        film = None
        if wanted.record:
            film = folder / "show.mp4"
            stage = replace(stage, record=film)
        run(wanted, pulse, song, seconds, stage, machine)
        if film is not None:
            recorded(film)


def recorded(film):
    """What there is of the recording: it is read from end to end."""
    import av

    with av.open(str(film)) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0)) / container.streams.audio[0].rate
    with av.open(str(film)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    size = film.stat().st_size / 1e6
    row("recorded", f"{len(times)} frames, {times[-1]:.1f} s, {sound:.1f} s of sound, {size:.0f} MB")


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine_at(stack, without):
    """(what to ask of the show, a machine that is at it, but for some controls); over MIDI, where JACK is."""
    import pygame
    from jack import Box, jack_server
    from machine import Machine

    from visualizer.common import assets
    from visualizer.common.addresses import Address
    from visualizer.live.ways import StageWishes

    osc, page = (Address("127.0.0.1", free_port(kind)) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    box = None
    with suppress(BaseException):  # pytest's skips are none of Exception's
        stack.enter_context(jack_server())
        box = Box("machine")

    def press(name):
        if not pygame.display.get_init():
            return
        key, text = pygame.key.key_code(name), name if len(name) == 1 else ""
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=key, unicode=text, scancode=0, mod=0))

    class Desk:
        options: ClassVar = {"preset": assets.preset_names(), "input": ["default"], "channels": ["all"]}

    stage = StageWishes(osc=osc, remote=page, remote_fixed=True, midi=box is not None)
    return stage, Machine(Desk, osc, f"http://{page}/", box, press, without=without)


def run(wanted, pulse, song, seconds, stage, machine):
    from visualizer.audio import portaudio
    from visualizer.live import run_live
    from visualizer.live.statistics import Statistics

    statistics = Statistics()
    size = tuple(int(part) for part in wanted.size.split("x"))
    with Witness(pulse, song, statistics, wanted.warm_up) as witness, Later(machine, wanted.warm_up):
        run_live(
            preset=wanted.preset,
            size=size,
            seconds=seconds,
            allow_flashing=wanted.allow_flashing,
            statistics=statistics,
            stage=stage,
        )
    for way, (spent, errors) in statistics.ways.items():
        row(way, f"{spent / seconds:.2%} of a core, {errors} errors")
    if wanted.machine:
        portaudio.skip_farewell()  # JACK ends before it
        row("the machine's failures", machine.failures or "none")
    row("measured", f"{witness.measured:.0f} s at {wanted.size}, preset {wanted.preset}")
    row("first picture", f"{statistics.first_picture:.2f} s")
    row("shut-down", f"{statistics.shut_down:.2f} s")
    memory = [much for _, much in witness.memory]
    row(
        "resident memory",
        f"{memory[0]:.0f} MB, then {memory[-1]:.0f} MB: {witness.slope(witness.memory):+.1f} MB/h",
    )
    if witness.encoder[-1][1]:
        row("of the encoder", f"{witness.encoder[-1][1]:.0f} MB: {witness.slope(witness.encoder):+.1f} MB/h")
    row(
        "processor",
        f"{witness.worked[0]:.2f} cores; all programs {witness.worked[1]:.2f} of {os.cpu_count()}",
    )
    row("events dropped", statistics.dropped)
    late = statistics.late / max(statistics.frames, 1)
    row("frames", f"{statistics.frames / witness.measured:.1f}/s, {statistics.late} late ({late:.2%})")
    row("frame interval", spread(statistics.intervals))
    row("painting a picture", spread(statistics.paintings))
    row("effects, limiter, drawing", spread(statistics.composing))
    if statistics.callback_share is not None:
        median, p99 = statistics.callback_share
        row("callback, share of its sound", f"median {median:.1%}, 99 % within {p99:.1%}")
    row("latency to the first effect", spread(statistics.latencies, -statistics.head_start))
    row("latency to the whole effect", spread(statistics.latencies))


if __name__ == "__main__":
    main()
