"""The offline engine: every part in lockstep on a virtual clock, from a song to a music video."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from visualizer import preset as presets
from visualizer.audio.codebook import Codebook
from visualizer.audio.listener import Event, Listener
from visualizer.audio.song import Recording, Song, mono
from visualizer.display.framing import frame
from visualizer.display.video import VideoWriter
from visualizer.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.latent.motion import Motion
from visualizer.neural.inference import Painter
from visualizer.progress import bar

BATCH_SIZE = 8


@dataclass
class Report:
    """What was rendered, and where the time went."""

    seconds: float = 0.0
    frames: int = 0
    interrupted: bool = False
    damage: list[str] = field(default_factory=list)
    clusters: list[int] = field(default_factory=list)
    took: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Count the time of a block under a stage's name."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.took[stage] += time.perf_counter() - begun

    def timings(self) -> str:
        """One line for each stage: seconds, and seconds per second of video."""
        lines = [
            f"{name:>24} {s:7.2f} s  {s / self.seconds:6.1%} of real time" for name, s in self.took.items()
        ]
        return "\n".join(lines)


class Clock:
    """Virtual time: turns events into the codes of equally spaced frames."""

    def __init__(self, motion: Motion, fps: Fraction):
        self._motion, self._fps = motion, fps
        self._frame = 0

    def hear(self, event: Event) -> Iterator[np.ndarray]:
        """Take the next event; yield the codes of the frames due before it."""
        yield from self.run_to(event.time)
        self._motion.hear(event)

    def run_to(self, end: float) -> Iterator[np.ndarray]:
        """Yield the codes of the frames due before a time in seconds."""
        while self._frame / self._fps < end:
            yield self._motion.code(float(self._frame / self._fps))
            self._frame += 1


def render(
    song: Song | Recording,
    output: Path,
    motion: Motion,
    codebook: Codebook,
    painter: Painter,
    fit: str,
    size: tuple[int, int],
    fps: Fraction,
    progress: bool = True,
) -> Report:
    """Make a music video; return what was done. Ctrl-C leaves a playable file of that.

    Raises UserError if the song can't be read or the video can't be written.
    """
    report = Report()
    listener, clock = Listener(codebook), Clock(motion, fps)
    waiting: list[np.ndarray] = []
    width, height = size

    with VideoWriter(output, width, height, fps, comment="made with visualizer") as video:

        def draw(least: int) -> None:
            while len(waiting) >= least:
                codes, waiting[:] = np.stack(waiting[:BATCH_SIZE]), waiting[BATCH_SIZE:]
                with report.timing("generator"):
                    pictures = painter(codes)
                with report.timing("waiting for the encoder"):
                    video.add_frames(frame(pictures, width / height, fit))
                report.frames += len(codes)
                progress_bar.update(len(codes))

        expected = song.expected_s
        total = None if expected is None else math.ceil(expected * fps)
        with bar(total, output.name, "frame", progress) as progress_bar:
            try:
                samples = 0
                blocks = iter(song)
                while True:
                    with report.timing("decode"):
                        block = next(blocks, None)
                    if block is None:
                        break
                    samples += len(block)
                    report.seconds = samples / codebook.settings.sr
                    video.add_sound(block)
                    with report.timing("analysis"):
                        for event in listener.push(mono(block)):
                            report.clusters.append(event.cluster)
                            waiting.extend(clock.hear(event))
                    draw(BATCH_SIZE)
                if report.seconds < 1 / fps:
                    raise UserError(
                        f"{song.name} is shorter than one frame of video ({report.seconds:.4f} s); "
                        f"give a longer sound."
                    )
                waiting.extend(clock.run_to(report.seconds))
                draw(1)
            except KeyboardInterrupt:
                report.interrupted = True
                if report.frames == 0:
                    raise
    report.damage = song.damage
    report.took["encoder"] = video.busy
    return report


def open_parts(
    preset_name: str, codebook_path: Path | None = None, seed: int | None = None
) -> tuple[presets.Preset, Codebook, Motion]:
    """The preset and the parts that it names. Raises UserError."""
    path = presets.find(preset_name)
    preset = presets.load(path)
    codebook = Codebook.load(codebook_path or presets.resolve(preset.codebook.file, path))
    bank = Bank.load(presets.resolve(preset.bank.file, path))
    return preset, codebook, preset.motion(bank, len(codebook), seed)
