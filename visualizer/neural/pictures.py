"""Folders of photos as training batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
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
        """n random photos [n, 3, 256, 256] in 0..1, randomly cropped and mirrored.

        share: make only these of the n, though all are drawn.
        """
        draws = [
            (rng.integers(len(self.folders)), rng.random(), rng.random(), rng.random(2)) for _ in range(n)
        ]
        slack = STORED_SIZE - PICTURE_SIZE + 1
        out = []
        for folder, which, mirror, place in draws[share]:
            photos = self.folders[folder]
            y, x = (place * slack).astype(int)
            crop = photos[int(which * len(photos))][y : y + PICTURE_SIZE, x : x + PICTURE_SIZE]
            out.append(crop[:, ::-1] if mirror < 0.5 else crop)
        return to_tensor(np.stack(out))

    def sample(self, n: int, rng: np.random.Generator, batch_size: int) -> Iterator[torch.Tensor]:
        """About n random photos in batches."""
        for _ in range(max(1, n // batch_size)):
            yield self.batch(batch_size, rng)
