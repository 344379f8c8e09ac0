"""Contact sheets: what a bank or a generator has, on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.bank import STYLES, Bank
from visualizer.latent.poses import Poses
from visualizer.learning.starts import random_starts
from visualizer.neural import generators
from visualizer.neural.generators import AnyGenerator
from visualizer.neural.inference import Painter, make_painter
from visualizer.neural.stylegan.imported import KIND, StyleGan

BATCH_SIZE = 16
LINE_HEIGHT = 14
THUMBNAIL_COLUMNS = 40
# Truncation in the first and the last column of a StyleGAN's sheet.
STRENGTHS = 0.3, 1.0


def contact_sheet(
    pictures: np.ndarray, captions: Sequence[str], columns: int, tile: int = 128
) -> Image.Image:
    """A grid of pictures [n, h, w, 3] uint8, each above its caption, of several lines or "" for none."""
    rows = math.ceil(len(pictures) / columns)
    lines = max((caption.count("\n") + 1 for caption in captions if caption), default=0)
    caption_height = LINE_HEIGHT * lines + 4 * bool(lines)
    sheet = Image.new("RGB", (columns * tile, rows * (tile + caption_height)), (16, 16, 16))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, (picture, caption) in enumerate(zip(pictures, captions)):
        x, y = i % columns * tile, i // columns * (tile + caption_height)
        sheet.paste(Image.fromarray(picture).resize((tile, tile), Image.Resampling.LANCZOS), (x, y))
        for n, line in enumerate(caption.split("\n")):
            while line and draw.textlength(line, font) > tile - 6:
                line = line[:-2].rstrip(" .…") + "…"
            colour = (150, 150, 150) if n else (220, 220, 220)
            draw.text((x + 3, y + tile + 2 + LINE_HEIGHT * n), line, colour, font)
    return sheet


def draw_codes(painter: Painter, codes: np.ndarray) -> np.ndarray:
    """Pictures [n, 256, 256, 3] uint8 of codes [n, 4096], in batches."""
    return np.concatenate([painter(codes[i : i + BATCH_SIZE]) for i in range(0, len(codes), BATCH_SIZE)])


def caption(bank: Bank, i: int) -> str:
    """What a bank knows of a vector, in four lines."""
    return (
        f"{bank.labels[i]}\n"
        f"{bank.probability[i]:.2f}, judge {bank.judged[i]:.2f} #{bank.ranks[i]}\n"
        f"{STYLES[bank.styles[i]]}, {bank.steps[i]} steps\n"
        f"seed {bank.seeds[i]}"
    )


def of_bank(bank: Bank, painter: Painter, columns: int = 12) -> Image.Image:
    """All vectors of a bank: class, probability, the judge's and its rank, style, steps and seed."""
    captions = [caption(bank, i) for i in range(len(bank))]
    return contact_sheet(draw_codes(painter, bank.codes), captions, columns)


def of_thumbnails(thumbnails: np.ndarray) -> Image.Image:
    """Small pictures [n, h, w, 3] without words."""
    columns = min(THUMBNAIL_COLUMNS, max(8, math.isqrt(2 * len(thumbnails))))
    return contact_sheet(thumbnails, [""] * len(thumbnails), columns, thumbnails.shape[1])


def of_generator(
    generator: AnyGenerator, device: torch.device, columns: int = 12, rows: int = 6
) -> Image.Image:
    """What a generator draws of random codes; of a StyleGAN in columns, each of more variety."""
    n = columns * rows
    if isinstance(generator, StyleGan):
        strengths = torch.linspace(STRENGTHS[0], STRENGTHS[1], columns).repeat(rows)
        codes = (generator.random_codes(n, 0)[0] * strengths[:, None]).numpy()
    else:
        codes = random_starts(n, 0, torch.device("cpu")).numpy()
    painter = make_painter(generator, device)
    return contact_sheet(draw_codes(painter, codes), [""] * len(codes), columns)


def of_file(path: Path, device: torch.device, generator: Path | None = None) -> Image.Image:
    """The sheet of a bank, drawn by a generator (None is the shipped one), of a generator, or of a bank of
    poses.

    Raises UserError for other files.
    """
    found = weights.kind(path)
    if found == "bank":
        bank, network = Bank.load(path), generators.load(generator)
        generators.space(network, generator).check(bank, path)
        return of_bank(bank, make_painter(network, device))
    if found in ("generator", KIND):
        if generator:
            raise UserError(f"{path} is itself a generator; leave out --generator, or give a bank.")
        return of_generator(generators.load(path), device)
    if found == "poses":
        from visualizer.learning.finding.skeletons import of_poses

        return of_poses(Poses.load(path))
    raise UserError(f"{path} holds a {found}; a sheet shows a bank or a generator.")
