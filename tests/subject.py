"""A generator under study: drawn as the program draws it, and looked at."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import texture
import torch
from judging import BATCH, in_batches
from PIL import Image

from visualizer.common.progress import bar
from visualizer.learning.trainer import between
from visualizer.neural.generator import CODE_DIM, PICTURE_SIZE, Generator
from visualizer.neural.inference import Painter, TorchPainter, make_painter

CPU = torch.device("cpu")
Look = Callable[[np.ndarray], np.ndarray]
# Pictures drawn before they are looked at: large ones of them all would fill the memory.
AT_ONCE = 4 * BATCH
MUD = 0.05
PATHS, FPS = 8, 60


class Seen(NamedTuple):
    """What is seen in n pictures: features [n, d] by each judge, and of texture."""

    looks: list[np.ndarray]
    octave: np.ndarray
    own_octave: np.ndarray
    relief: np.ndarray

    def take(self, places: np.ndarray) -> "Seen":
        """Of these pictures."""
        return Seen([looks[places] for looks in self.looks], *(part[places] for part in self[1:]))


class Subject:
    """One generator, on one core."""

    def __init__(self, path: Path, judges: Sequence[Look]):
        self.generator = Generator.load(path)
        self.painter = make_painter(self.generator, CPU, threads=1)
        self.size = self.draw(np.zeros((1, CODE_DIM), np.float32)).shape[1]
        self._judges = judges

    def draw(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """[n, size, size, 3] uint8."""
        return in_batches(self.painter, *(codes for codes in (shape, matter) if codes is not None))

    def look(self, what: str, shape: np.ndarray, matter: np.ndarray | None = None) -> Seen:
        """Draw pictures of codes and look at them. what: for the progress bar."""
        parts = []
        with bar(len(shape), what, "picture") as progress_bar:
            for i in range(0, len(shape), AT_ONCE):
                span = slice(i, i + AT_ONCE)
                own = self.draw(shape[span], None if matter is None else matter[span])
                small = smaller(own)
                described = (texture.finest_octave(small), texture.finest_octave(own), texture.relief(small))
                parts.append((*described, *(judge(small) for judge in self._judges)))
                progress_bar.update(len(own))
        octave, own_octave, relief, *looks = (np.concatenate(part) for part in zip(*parts))
        return Seen(looks, octave, own_octave, relief)

    def mud(self, rng: np.random.Generator) -> float:
        """How many N(0, 1) codes make a picture of hardly any contrast."""
        drawn = self.draw(rng.standard_normal((256, CODE_DIM)).astype(np.float32))
        return (texture.luminance(smaller(drawn)).std((1, 2, 3)) < MUD).float().mean().item()

    def smoothness(self, codes: np.ndarray) -> float:
        """Largest change between neighbouring frames of a straight path of a second, over the mean one."""
        worst, t = 0.0, torch.linspace(0, 1, FPS + 1)[:, None]
        for start, end in torch.from_numpy(np.stack([codes, codes[::-1]], 1)[:PATHS]):
            path = between(start.expand(FPS + 1, -1), end.expand(FPS + 1, -1), t)
            frames = self.draw(path.numpy()).astype(np.float32)
            change = np.abs(frames[1:] - frames[:-1]).mean((1, 2, 3))
            worst = max(worst, float(change.max() / change.mean()))
        return worst

    def milliseconds(self) -> dict[str, float]:
        """Of one core for one picture, in the numbers that the program chooses and in float32."""
        painters = {painter.name: painter for painter in (self.painter, exact(self.generator))}
        return {name: _milliseconds(painter) for name, painter in painters.items()}


def exact(generator: Generator) -> Painter:
    """Drawing in float32."""
    try:
        from visualizer.neural.openvino_painter import OpenVinoPainter
    except ImportError:  # there is no OpenVINO for this processor
        return TorchPainter(generator, CPU, torch.float32)
    return OpenVinoPainter(generator, "f32", threads=1)


def _milliseconds(painter: Painter, repeats: int = 20) -> float:
    """Median processor time of one picture, batch 1."""
    code = np.random.default_rng(0).standard_normal((1, CODE_DIM)).astype(np.float32)
    painter(code)
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        painter(code)
        times.append(time.process_time() - begun)
    return 1000 * float(np.median(times))


def smaller(images: np.ndarray) -> np.ndarray:
    """[n, 256, 256, 3] of square pictures, made smaller as photos are."""
    if images.shape[1] == PICTURE_SIZE:
        return images
    size = (PICTURE_SIZE, PICTURE_SIZE)
    return np.stack([Image.fromarray(image).resize(size, Image.Resampling.LANCZOS) for image in images])
