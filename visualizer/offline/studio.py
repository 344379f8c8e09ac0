"""The studio: all that decides what the videos of songs look like. It can be sent to another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from visualizer.audio.codebook import Codebook
from visualizer.audio.song import Recording, Song
from visualizer.common import weights
from visualizer.common.cores import painting_threads
from visualizer.control.banks import Banks
from visualizer.control.preset import Preset
from visualizer.latent.motion import Motion
from visualizer.neural import generators
from visualizer.neural import quality as qualities
from visualizer.neural.figure import Figure
from visualizer.neural.figures import Figures
from visualizer.neural.inference import Painter, choose_device, make_painter
from visualizer.offline import engine

Size = tuple[int, int]


@dataclass(frozen=True)
class Studio:
    """The parts of one preset, and how its videos are to be.

    compute: "auto", "cpu" or "cuda". fps: frames a second. mark: 12 letters that no other look has.
    """

    preset: Preset
    codebook: Codebook
    motion: Motion
    generator: generators.AnyGenerator | Figure
    compute: str
    fps: Fraction
    limit_flashes: bool
    mark: str

    def painter(self, sharing: int = 1) -> Painter:
        """A painter for the machine at hand. sharing: how many processes there have one."""
        threads = max(1, painting_threads() // sharing)
        return make_painter(self.generator, choose_device(self.compute), threads)

    def film(
        self, song: Song | Recording, videos: Mapping[Path, Size], paint: engine.Paint, **how: Any
    ) -> engine.Report:
        """Videos of a song; see `engine.render`."""
        return engine.render(
            song,
            videos,
            self.preset,
            self.motion,
            self.codebook,
            paint,
            self.fps,
            self.limit_flashes,
            **how,
        )


def furnish(
    preset: str,
    codebook: Path | None,
    seed: int | None,
    bank: Path | None,
    sensitivity: float | None,
    generator: Path | None,
    quality: str,
    compute: str,
    fps: Fraction,
    limit_flashes: bool,
    titles: bool = False,
    logo: Path | None = None,
    figure: Path | None = None,
) -> tuple[Studio, Painter, str]:
    """A studio, its painter for this machine, and the quality that was chosen; none where a figure dances.
    Raises UserError."""
    network = generators.load(generator)
    drawn_by = weights.fingerprint(network.state_dict()) if generator else quality
    dancer = Figures(figure)
    banks = Banks(bank, generators.space(network, generator), generators.made_up(network), dancer.space)
    look, sounds, motion = engine.open_parts(preset, codebook, seed, banks, sensitivity, titles, logo)
    device, threads = choose_device(compute), painting_threads()
    drawing: generators.AnyGenerator | Figure = network
    if motion.poses is not None:
        drawing, quality = dancer.figure, ""
        drawn_by = weights.fingerprint(drawing.state_dict()) + motion.poses.tobytes().hex()
        painter = make_painter(drawing, device, threads)
    elif generator is None:
        shipped = qualities.networks(network)

        def make(choice: qualities.Quality) -> Painter:
            return make_painter(shipped(choice), device, threads)

        batch = motion.targets[: engine.BATCH_SIZE]
        painter, chosen = qualities.for_video(quality, make, batch, fps)
        drawing, quality = shipped(chosen), chosen
    else:
        painter = make_painter(network, device, threads)
    told = (look.model_dump_json(), drawn_by, compute, str(fps), str(limit_flashes))
    numbers = (motion.targets.tobytes(), sounds.centroids.tobytes())
    mark = hashlib.sha256(b"\0".join([*(word.encode() for word in told), *numbers])).hexdigest()[:12]
    return Studio(look, sounds, motion, drawing, compute, fps, limit_flashes, mark), painter, quality
