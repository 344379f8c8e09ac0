"""The offline engine: every part in lockstep on a virtual clock, from a song to a music video."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from visualizer.audio.accents import Accents
from visualizer.audio.codebook import Codebook
from visualizer.audio.listener import Event, Listener
from visualizer.audio.mixing import Mixer
from visualizer.audio.song import Recording, Song
from visualizer.common.ahead import ahead
from visualizer.common.cores import handing_over
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control.banks import Banks
from visualizer.latent.code import Code, stack
from visualizer.latent.motion import Motion
from visualizer.latent.poses import Poses
from visualizer.neural.generator import PICTURE_SIZE
from visualizer.neural.inference import Painter
from visualizer.output.video import VideoWriter
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter
from visualizer.picture.stage import Stage
from visualizer.picture.titles.blocks import complaint, read_logo

BATCH_SIZE = 8
# Batches that the generator may be in front of the effects.
AHEAD = 3
# A painter on a card waited ten times as long for Python's lock as for its pictures, when that was longer.
SWITCH_INTERVAL_S = 0.0005
T = TypeVar("T")


@dataclass
class Report:
    """What was rendered, and where the time went.

    seconds: of sound. held: frames that the flash limiter held back. interrupted: by Ctrl-C. damage: what was
    wrong with the song, a clause for each kind. remark: which channel was listened to, if not all,
    and what no font had.
    clusters: of every hop. took: seconds by stage; stages run at the same time, so that they add up to more
    than it took.
    """

    seconds: float = 0.0
    frames: int = 0
    held: int = 0
    interrupted: bool = False
    damage: list[str] = field(default_factory=list)
    remark: str = ""
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

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Iterate, counting the time that each next item takes."""
        iterator = iter(items)
        while True:
            with self.timing(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def timings(self) -> str:
        """One line for each stage: seconds, and seconds per second of video."""
        lines = [
            f"{name:>24} {s:7.2f} s  {s / self.seconds:6.1%} of real time" for name, s in self.took.items()
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Shot:
    """What one frame is made of: a code and the sound since the last one."""

    code: Code
    sound: Accents


class Clock:
    """Virtual time: turns events into the shots of equally spaced frames."""

    def __init__(self, motion: Motion, fps: Fraction):
        self._motion, self._fps = motion, fps
        self._frame, self._due = 0, 0.0
        self._sound = Accents()

    def hear(self, event: Event) -> Iterator[Shot]:
        """Take the next event; yield the shots due before it."""
        yield from self.run_to(event.time)
        self._motion.hear(event)
        self._sound = self._sound.then(Accents.of(self._motion.sense(event)))

    def run_to(self, end: float) -> Iterator[Shot]:
        """Yield the shots due before a time in seconds."""
        while self._due < end:
            yield Shot(self._motion.code(self._due), self._sound)
            self._sound = self._sound.at_rest()
            self._frame += 1
            self._due = float(self._frame / self._fps)


@dataclass(frozen=True, slots=True)
class Take:
    """A batch of shots, and the sound [m, 2] that came in since the take before.

    Where a block of sound brings several takes, the first has all of it.
    """

    sound: np.ndarray
    shots: list[Shot]


def listen(song: Song | Recording, listener: Listener, clock: Clock, report: Report) -> Iterator[Take]:
    """The song from beginning to end, a batch of shots at a time."""
    blocks: list[np.ndarray] = []
    waiting: list[Shot] = []
    mixer = Mixer(listener.codebook.settings.sr)
    samples = 0

    def take(least: int) -> Iterator[Take]:
        while len(waiting) >= least:
            sound = np.concatenate([*blocks, np.empty((0, 2), np.float32)])
            shots, waiting[:] = waiting[:BATCH_SIZE], waiting[BATCH_SIZE:]
            blocks.clear()
            yield Take(sound, shots)

    for block in report.timed("decode", song):
        samples += len(block)
        blocks.append(block)
        with report.timing("analysis"):
            for event in listener.push(mixer.push(block)):
                report.clusters.append(event.cluster)
                waiting.extend(clock.hear(event))
        yield from take(BATCH_SIZE)
    report.remark = mixer.remark
    waiting.extend(clock.run_to(samples / listener.codebook.settings.sr))
    yield from take(1)
    # What came after the last whole batch.
    if blocks:
        yield Take(np.concatenate(blocks), [])


Paint = Callable[[Iterable[Take], Report], Iterator[tuple[Take, np.ndarray]]]
"""Gives every take its pictures [n, h, w, 3] uint8, in order."""


def batched(take: Take) -> tuple[np.ndarray, np.ndarray]:
    """A take's codes, ([n, d], [n, e]); always as many, for which painters are ready."""
    codes = [shot.code for shot in take.shots]
    return stack([*codes, *codes[-1:] * (BATCH_SIZE - len(codes))])


def no_pictures() -> np.ndarray:
    """Of a take that is sound alone."""
    return np.empty((0, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)


def painted_by(painter: Painter) -> Paint:
    """By one painter, here and one after the other."""

    def paint(takes: Iterable[Take], report: Report) -> Iterator[tuple[Take, np.ndarray]]:
        for take in takes:
            with report.timing("generator"):
                yield take, painter(*batched(take))[: len(take.shots)] if take.shots else no_pictures()

    return paint


@contextmanager
def sharing_the_cores() -> Iterator[None]:
    """Generator, effects and encoder work at once, each on a thread of its own; torch on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with handing_over(SWITCH_INTERVAL_S):
            yield
    finally:
        torch.set_num_threads(threads)


class Screen:
    """Finishes pictures for all videos of one shape: their effects and their flash limiter."""

    def __init__(self, preset: presets.Preset, aspect: float, limit_flashes: bool, song: str):
        """song: its title and artist, a line each."""
        self._stage = Stage(aspect, FlashLimiter(limit_flashes, FILE_MARGIN))
        self._stage.play(preset, self._stage.effects(preset), fade=0)
        self._stage.titles.sing(song)
        self.videos: list[VideoWriter] = []

    def show(self, pictures: np.ndarray, shots: list[Shot], dt: float, report: Report) -> int:
        """Add pictures [n, h, w, 3] to the videos; return how many of them the limiter held back."""
        frames, held = [], 0
        with report.timing("effects and limiter"):
            for picture, shot in zip(torch.from_numpy(pictures), shots):
                frames.append(self._stage(picture, shot.sound, dt).numpy())
                held += self._stage.limiter.held > 0
        with report.timing("waiting for the encoder"):
            for video in self.videos if frames else ():
                video.add_frames(np.stack(frames))
        return held


def expected_frames(song: Song | Recording, fps: Fraction) -> int | None:
    """Of a video of it, if that is known."""
    return None if song.expected_s is None else math.ceil(song.expected_s * fps)


def render(
    song: Song | Recording,
    videos: Mapping[Path, tuple[int, int]],
    preset: presets.Preset,
    motion: Motion,
    codebook: Codebook,
    paint: Paint,
    fps: Fraction,
    limit_flashes: bool = True,
    tell: Callable[[int], object] = lambda frames: None,
    keep_cut: bool = True,
    remark: str = "",
) -> Report:
    """Make music videos of a song, which is heard and painted once; return what was done.

    videos: the files, and their width and height in pixels. motion: of the preset, by the codebook. fps:
    frames a second. limit_flashes: keep to WCAG 2.2 SC 2.3.1; without, the files' comments say so. tell: is
    called with numbers of frames done. keep_cut: Ctrl-C leaves playable files of what was done, and not
    nothing. remark: is added to the files' comments.

    Raises UserError if the song can't be read or a video can't be written.
    """
    report = Report()
    motion.begin(0.0)
    clock = Clock(motion, fps)
    comment = "made with visualizer" + ("" if limit_flashes else "; flashes are NOT limited") + remark
    screens: dict[float, Screen] = {}

    with sharing_the_cores(), ExitStack() as opened:
        writers = []
        for path, (width, height) in videos.items():
            writers.append(opened.enter_context(VideoWriter(path, width, height, fps, comment)))
            aspect = width / height
            if aspect not in screens:
                screens[aspect] = Screen(preset, aspect, limit_flashes, song.heading)
            screens[aspect].videos.append(writers[-1])
        heard = listen(song, Listener(codebook), clock, report)
        scenes = opened.enter_context(ahead(paint(heard, report), AHEAD))
        try:
            for take, pictures in report.timed("waiting for the generator", scenes):
                for writer in writers:
                    writer.add_sound(take.sound)
                report.seconds += len(take.sound) / codebook.settings.sr
                held = [s.show(pictures, take.shots, float(1 / fps), report) for s in screens.values()]
                report.held += max(held)
                report.frames += len(pictures)
                tell(len(pictures))
            if report.seconds < 1 / fps:
                raise UserError(
                    f"{song.name} is shorter than one frame of video ({report.seconds:.4f} s); "
                    f"give a longer sound."
                )
        except KeyboardInterrupt:
            song.stop()
            if report.frames == 0 or not keep_cut:
                raise
            report.interrupted = True
            for writer in writers:
                writer.cut = True
    words = preset.caption.text + (song.heading if preset.caption.song else "")
    report.remark = "; ".join(filter(None, (report.remark, complaint(words).removesuffix("."))))
    report.damage = song.damage
    report.took["encoders, on their own threads"] = sum(writer.busy for writer in writers)
    return report


def open_parts(
    preset_name: str,
    codebook_path: Path | None = None,
    seed: int | None = None,
    banks: Banks | None = None,
    sensitivity: float | None = None,
    songs: bool = False,
    logo: Path | None = None,
) -> tuple[presets.Preset, Codebook, Motion]:
    """The preset and its parts. banks: which bank it plays; sensitivity: to the sound; logo: which it shows;
    None is the preset's own. songs: whether it tells the song. Raises UserError."""
    path = presets.find(preset_name)
    preset = presets.load(path).with_sensitivity(sensitivity).with_titles(songs, logo)
    if preset.logo.file:
        read_logo(preset.logo.file)  # before anything is written
    codebook = Codebook.load(codebook_path or presets.resolve(preset.codebook.file, path, "codebook.file"))
    preset, bank = (banks or Banks()).choose(preset, path)
    poses = None
    if preset.poses is not None:
        held = Poses.load(presets.resolve(preset.poses.file, path, "poses.file"))
        poses = preset.pose_targets(held, codebook, seed)
    return preset, codebook, preset.motion(preset.targets(bank, codebook, seed), poses)
