"""Loading: everything that the first picture needs, made backstage.

Heavy modules are imported here and not above, so that the window is there at once.
"""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from visualizer.live.ways import NOTHING, StageWishes

if TYPE_CHECKING:
    import numpy as np

    from visualizer.audio.conductor import Conductor
    from visualizer.audio.ears import Tap
    from visualizer.control.repertoire import Look, Repertoire
    from visualizer.latent.physics import Physics
    from visualizer.latent.ring import Ring
    from visualizer.live.backstage import Backstage
    from visualizer.live.hearing import Hearing, Source
    from visualizer.neural.quality import StagePainter
    from visualizer.neural.stream import Painting, PictureStream
    from visualizer.picture.stage import Stage


# Fewer pictures a second than these, and people are told.
EVERY_FRAME = 24.0


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; see `run_live`."""

    source: Source = "microphone"
    preset: str | None = None
    device: str | int | None = None
    compute: str = "auto"
    allow_flashing: bool = False
    generator: Path | None = None
    stage: StageWishes = NOTHING
    channels: tuple[int, ...] = ()
    bank: Path | None = None
    offset: float | None = None
    sensitivity: float | None = None
    quality: str = "auto"
    titles: bool = False
    logo: Path | None = None
    figure: Path | None = None
    tune: bool = False


@dataclass
class Parts:
    """The engine's parts, ready but not started. choice: the painter, where it may choose between the
    shipped generators. first: the look to begin with."""

    repertoire: Repertoire
    painter: Painting
    choice: StagePainter | None
    physics: Physics
    ring: Ring
    hearing: Hearing
    stage: Stage
    stream: PictureStream
    first: Look


# What takes long to import, the longest first.
MODULES = (
    "torch",
    "visualizer.control.repertoire",
    "visualizer.latent.physics",
    "visualizer.live.hearing",
    "visualizer.neural.figure_painter",
    "visualizer.neural.steadfast",
    "visualizer.neural.quality",
    "visualizer.picture.stage",
)


def import_ahead(compiling: Callable[[str], None]) -> threading.Thread:
    """A thread that imports what `load` needs; unlike backstage it gives way to none.

    compiling: told on it, at a first start, what takes long.
    """

    def work() -> None:
        with suppress(Exception):  # what can't be imported, `load` meets again
            from visualizer.common import compiled

            compiled.witness = compiling
            for name in MODULES:
                importlib.import_module(name)

    # All of it stays: to go through it again and again is a tenth of the start.
    gc.disable()
    thread = threading.Thread(target=work, name="backstage", daemon=True)
    thread.start()
    return thread


def load(wishes: Wishes, aspect: float, conductor: Conductor, backstage: Backstage, tap: Tap) -> Parts:
    """Make the parts. aspect: width / height of the window; conductor: leads the beat, if somebody does; tap:
    gets the sound that is heard.

    Raises UserError for what isn't there.
    """
    import torch

    from visualizer.audio.conductor import Led
    from visualizer.audio.offset import Late, offset_s
    from visualizer.common.cores import painting_threads
    from visualizer.control.banks import Banks
    from visualizer.control.repertoire import Repertoire
    from visualizer.latent.physics import Physics
    from visualizer.latent.ring import Ring
    from visualizer.live.hearing import Hearing
    from visualizer.live.inputs import remembered
    from visualizer.neural import figures, generators, quality
    from visualizer.neural.figure_painter import Troupe
    from visualizer.neural.inference import choose_device, make_painter, pictures_a_second
    from visualizer.neural.steadfast import show_painter
    from visualizer.neural.stream import PictureStream
    from visualizer.neural.stylegan.imported import StyleGan
    from visualizer.picture.flash.limiter import FlashLimiter
    from visualizer.picture.stage import Stage

    threads = painting_threads()
    torch.set_num_threads(threads)
    generator = generators.load(wishes.generator)
    space = generators.space(generator, wishes.generator)
    troupe = figures.Figures(wishes.figure)
    banks = Banks(wishes.bank, space, generators.made_up(generator), troupe.space)
    repertoire = Repertoire(
        wishes.preset,
        only=wishes.stage.set.paths,
        banks=banks,
        sensitivity=wishes.sensitivity,
        songs=wishes.titles,
        logo=wishes.logo,
    )
    look = repertoire.load(repertoire.start)
    device = choose_device(wishes.compute)
    code = look.targets[:1]
    painter: Painting
    choice = None
    if wishes.generator is None:
        shipped = quality.networks(generator)

        def make(choice: quality.Quality) -> Painting:
            return show_painter(shipped(choice), device, threads, backstage.warn)

        # The window does not know its own rate yet.
        painter = choice = quality.StagePainter(wishes.quality, make, code, quality.FRAME_S)
    else:
        painter = show_painter(generator, device, threads, backstage.warn)
        rate = pictures_a_second(painter, code)
        if isinstance(generator, StyleGan) and rate < EVERY_FRAME:
            backstage.warn(f"about {rate:.2g} pictures of {generator.name} a second here, blended.")
    shown = Troupe(painter, lambda: make_painter(troupe.figure, device, threads))
    if look.poses is not None:
        shown(*look.example)
    ring = Ring()
    physics = Physics(ring, look.motion())
    stage = Stage(aspect, FlashLimiter(not wishes.allow_flashing), generator.picture_size)
    stage.play(look.preset, stage.effects(look.preset), 0)
    stage.blackout.level = 1.0
    stream = PictureStream(shown, lambda: physics.pose)
    device_name, channels = wishes.device, wishes.channels
    if wishes.source == "microphone" and device_name is None and not channels:
        device_name, channels = remembered()
    way = "input" if wishes.source == "microphone" else "output"
    late = offset_s(f"{way} {'default' if device_name is None else device_name}", wishes.offset)
    sink = Led(Late(ring, late), conductor)

    def late_tap(samples: np.ndarray, begin: float, sr: float) -> None:
        tap(samples, begin + late, sr)

    hearing = Hearing(wishes.source, device_name, sink, backstage, late_tap, channels)
    # What is there now stays; the collector need not go through it again during the show.
    gc.freeze()
    gc.enable()
    return Parts(repertoire, shown, choice, physics, ring, hearing, stage, stream, look)
