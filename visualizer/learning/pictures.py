"""Folders of photos as training batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.learning.photo import is_picture, try_read
from visualizer.neural.generator import PICTURE_SIZE

# A little larger than the picture, so that random crops can shift it.
STORED_SIZE = 272
MIN_PICTURES = 50
HELD_OUT_EVERY = 20
# Numbers that chance decides of each photo's variation.
VARIATIONS = 8


def find(folder: Path | str) -> list[Path]:
    """All picture files below a folder, sorted. Raises UserError if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a folder of pictures.")
    return sorted(p for p in folder.rglob("*") if is_picture(p))


class Photos:
    """The pictures of files and folders, to be looked through.

    called: what was given, for people. skipped: those that turned out to be none.
    """

    def __init__(self, given: Sequence[Path]):
        """Raises UserError if there is no such folder."""
        self._paths = [p for path in given for p in (find(path) if path.is_dir() else [path])]
        self.called = ", ".join(map(str, given[:3]))
        self.skipped: list[Path] = []

    def __len__(self) -> int:
        return len(self._paths)

    def each(
        self, read: Callable[[Path], np.ndarray | None], doing: str, progress: bool, unit: str = "picture"
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """Those that `read` can read, with a progress bar."""
        with bar(len(self), doing, unit, progress) as progress_bar:
            for path in self._paths:
                picture = read(path)
                if picture is None:
                    self.skipped.append(path)
                else:
                    yield path, picture
                progress_bar.update()


def split(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """(training, held out): every 20th picture is kept from training, to measure on."""
    held_out = paths[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    keep = set(held_out)
    return [p for p in paths if p not in keep], held_out


def to_tensor(pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
    """[n, h, w, 3] uint8 to [n, 3, h, w] float in 0..1, channels last in memory."""
    return torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 255


def vary(photos: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Photos [n, 272, 272, 3] uint8 to pictures [n, 3, 256, 256] in 0..1, so that few stand for many.

    draws: [8, n] uniform in 0..1, what chance decides. Half of all photos are nearly whole, half are cut
    to a smaller square; half are mirrored; half keep their own colours, the others become darker or
    lighter, paler or stronger.
    """
    zoom, side, x, y, mirror, tint, gain, saturation = draws.to(photos.device)
    side = torch.where(zoom < 0.5, PICTURE_SIZE / STORED_SIZE, 0.6 + 0.4 * side)
    # By whole pixels, so that what is not enlarged stays as sharp as it was.
    corner = (torch.stack([x, y], 1) * (1 - side[:, None]) * STORED_SIZE).round() / STORED_SIZE
    place = torch.zeros(len(photos), 2, 3, device=photos.device)
    place[:, 0, 0] = torch.where(mirror < 0.5, -side, side)
    place[:, 1, 1] = side
    place[:, :, 2] = 2 * corner + side[:, None] - 1
    grid = F.affine_grid(place, [len(photos), 3, PICTURE_SIZE, PICTURE_SIZE], align_corners=False)
    pictures = F.grid_sample(to_tensor(photos), grid, padding_mode="border", align_corners=False)
    own = tint < 0.5
    gain = torch.where(own, 1.0, 0.75 + 0.5 * gain)[:, None, None, None]
    saturation = torch.where(own, 1.0, 0.6 + 0.9 * saturation)[:, None, None, None]
    pictures = gain * torch.lerp(pictures.mean(1, keepdim=True), pictures, saturation)
    return pictures.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


class Pictures:
    """Training photos of one or more folders, decoded once and kept in memory (222 kB each).

    Every folder is drawn from equally often, however many pictures it holds: a small diverse
    folder is not drowned by a large uniform one. A folder named twice is drawn from twice as often.
    """

    def __init__(
        self, folders: Sequence[Path | str], progress: bool = True, device: torch.device | str = "cpu"
    ):
        """device: where they are kept, and varied. Raises UserError if fewer than 50 can be read."""
        training = {folder: split(find(folder))[0] for folder in folders}
        total = sum(len(paths) for paths in training.values())
        self.skipped: list[Path] = []
        held: dict[Path | str, torch.Tensor] = {}
        with (
            bar(total, "reading pictures", "picture", progress) as progress_bar,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            for folder, paths in training.items():
                good = []
                for path, picture in zip(paths, pool.map(partial(try_read, size=STORED_SIZE), paths)):
                    progress_bar.update()
                    if picture is None:
                        self.skipped.append(path)
                    else:
                        good.append(picture)
                if good:
                    held[folder] = torch.from_numpy(np.stack(good)).to(device)
        self._count = sum(len(pictures) for pictures in held.values())
        self.folders = [held[folder] for folder in folders if folder in held]
        if len(self) < MIN_PICTURES:
            names = ", ".join(str(folder) for folder in training)
            raise UserError(
                f"{names}: {len(self)} readable pictures; at least {MIN_PICTURES} are needed "
                f"besides every {HELD_OUT_EVERY}th, which is held out."
            )

    def __len__(self) -> int:
        return self._count

    def batch(self, n: int, rng: np.random.Generator, share: slice = slice(None)) -> torch.Tensor:
        """n random photos [n, 3, 256, 256] in 0..1, randomly cropped, mirrored and tinted.

        share: return only these of the n, though all are drawn.
        """
        folders, places = rng.integers(len(self.folders), size=n), rng.random(n)
        draws = torch.from_numpy(rng.random((VARIATIONS, n), np.float32))
        chosen = [
            self.folders[folder][int(place * len(self.folders[folder]))]
            for folder, place in zip(folders[share], places[share])
        ]
        return vary(torch.stack(chosen), draws[:, share])

    def sample(self, n: int, rng: np.random.Generator, batch_size: int) -> Iterator[torch.Tensor]:
        """About n random photos in batches."""
        for _ in range(max(1, n // batch_size)):
            yield self.batch(batch_size, rng)
