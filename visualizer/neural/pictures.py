"""Folders of photos as training batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from visualizer.errors import UserError
from visualizer.neural.generator import PICTURE_SIZE
from visualizer.progress import bar

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
# A little larger than the picture, so that random crops can shift it.
STORED_SIZE = 272
MIN_PICTURES = 50
HELD_OUT_EVERY = 20


def find(folder: Path | str) -> list[Path]:
    """All picture files below a folder, sorted. Raises UserError if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a folder of pictures.")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS)


def split(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """(training, held out): every 20th picture is kept from training, to measure on."""
    held_out = paths[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    keep = set(held_out)
    return [p for p in paths if p not in keep], held_out


def read(path: Path, size: int = STORED_SIZE) -> np.ndarray:
    """The picture's centre square, [size, size, 3] uint8 sRGB. Raises OSError if it is broken."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def try_read(path: Path, size: int = STORED_SIZE) -> np.ndarray | None:
    """`read`, or None if the file is no picture."""
    try:
        return read(path, size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """[n, h, w, 3] uint8 to [n, 3, h, w] float in 0..1, channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """[n, 3, h, w] float in 0..1 to [n, h, w, 3] uint8, rounded."""
    scaled = pictures.detach().float().clamp(0, 1).mul(255).add(0.5).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()


@dataclass(frozen=True)
class Variation:
    """How a stored photo is varied, so that few photos stand for many.

    side: of the square cut out, as a share of the photo's; x, y: where, 0..1; gain and saturation: factors.
    """

    side: float
    x: float
    y: float
    mirrored: bool
    gain: float
    saturation: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Variation:
        """Half of all photos are nearly whole and in their own colours."""
        side, x, y, mirror, gain, saturation, zoom, tint = rng.random(8)
        return cls(
            side=PICTURE_SIZE / STORED_SIZE if zoom < 0.5 else 0.6 + 0.4 * side,
            x=x,
            y=y,
            mirrored=mirror < 0.5,
            gain=1.0 if tint < 0.5 else 0.75 + 0.5 * gain,
            saturation=1.0 if tint < 0.5 else 0.6 + 0.9 * saturation,
        )

    def of(self, photo: np.ndarray) -> torch.Tensor:
        """[h, w, 3] uint8 to [3, 256, 256] in 0..1."""
        side = round(self.side * STORED_SIZE)
        y, x = (int(place * (STORED_SIZE - side + 1)) for place in (self.y, self.x))
        picture = to_tensor(photo[None, y : y + side, x : x + side])
        if side != PICTURE_SIZE:
            picture = F.interpolate(picture, PICTURE_SIZE, mode="bilinear", antialias=True)
        if self.mirrored:
            picture = picture.flip(3)
        if (self.gain, self.saturation) != (1.0, 1.0):
            grey = picture.mean(1, keepdim=True)
            picture = (self.gain * torch.lerp(grey, picture, self.saturation)).clamp_(0, 1)
        return picture[0]


class Pictures:
    """Training photos of one or more folders, decoded once and kept in memory (222 kB each).

    Every folder is drawn from equally often, however many pictures it holds: a small diverse
    folder is not drowned by a large uniform one.
    """

    def __init__(self, folders: list[Path | str], progress: bool = True):
        """Raises UserError if fewer than 50 pictures can be read."""
        training = [split(find(folder))[0] for folder in folders]
        total = sum(len(paths) for paths in training)
        self.skipped: list[Path] = []
        self.folders: list[np.ndarray] = []
        with (
            bar(total, "reading pictures", "picture", progress) as progress_bar,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            for paths in training:
                good = []
                for path, picture in zip(paths, pool.map(try_read, paths)):
                    progress_bar.update()
                    if picture is None:
                        self.skipped.append(path)
                    else:
                        good.append(picture)
                if good:
                    self.folders.append(np.stack(good))
        if len(self) < MIN_PICTURES:
            names = ", ".join(str(f) for f in folders)
            raise UserError(
                f"{names}: {len(self)} readable pictures; at least {MIN_PICTURES} are needed "
                f"besides every {HELD_OUT_EVERY}th, which is held out."
            )

    def __len__(self) -> int:
        return sum(len(f) for f in self.folders)

    def batch(self, n: int, rng: np.random.Generator, share: slice = slice(None)) -> torch.Tensor:
        """n random photos [n, 3, 256, 256] in 0..1, randomly cropped, mirrored and tinted.

        share: make only these of the n, though all are drawn.
        """
        draws = [(rng.integers(len(self.folders)), rng.random(), Variation.draw(rng)) for _ in range(n)]
        chosen = []
        for folder, which, variation in draws[share]:
            photos = self.folders[folder]
            chosen.append(variation.of(photos[int(which * len(photos))]))
        return torch.stack(chosen).contiguous(memory_format=torch.channels_last)

    def sample(self, n: int, rng: np.random.Generator, batch_size: int) -> Iterator[torch.Tensor]:
        """About n random photos in batches."""
        for _ in range(max(1, n // batch_size)):
            yield self.batch(batch_size, rng)
