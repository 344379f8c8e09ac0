"""Contact sheets: what a bank or a generator has, on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from visualizer import assets, weights
from visualizer.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.neural.dreaming import random_starts
from visualizer.neural.generator import Generator
from visualizer.neural.inference import Painter, make_painter

BATCH_SIZE = 16
CAPTION_HEIGHT = 18


def contact_sheet(
    pictures: np.ndarray, captions: Sequence[str], columns: int, tile: int = 128
) -> Image.Image:
    """A grid of pictures [n, h, w, 3] uint8, each above its caption ("" for none)."""
    rows = math.ceil(len(pictures) / columns)
    caption_height = CAPTION_HEIGHT if any(captions) else 0
    sheet = Image.new("RGB", (columns * tile, rows * (tile + caption_height)), (16, 16, 16))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, (picture, caption) in enumerate(zip(pictures, captions)):
        x, y = i % columns * tile, i // columns * (tile + caption_height)
        sheet.paste(Image.fromarray(picture).resize((tile, tile), Image.Resampling.LANCZOS), (x, y))
        while caption and draw.textlength(caption, font) > tile - 6:
            caption = caption[:-2].rstrip(" .…") + "…"
        draw.text((x + 3, y + tile + 2), caption, (200, 200, 200), font)
    return sheet


def draw_codes(painter: Painter, codes: np.ndarray) -> np.ndarray:
    """Pictures [n, 256, 256, 3] uint8 of codes [n, 4096], in batches."""
    return np.concatenate([painter(codes[i : i + BATCH_SIZE]) for i in range(0, len(codes), BATCH_SIZE)])


def of_bank(bank: Bank, painter: Painter, columns: int = 12) -> Image.Image:
    """All vectors of a bank with class and probability."""
    captions = [f"{label} {p:.2f}" for label, p in zip(bank.labels, bank.probability)]
    return contact_sheet(draw_codes(painter, bank.codes), captions, columns)


def of_generator(painter: Painter, columns: int = 12, rows: int = 6) -> Image.Image:
    """What a generator draws of random codes."""
    codes = random_starts(columns * rows, 0, torch.device("cpu")).numpy()
    return contact_sheet(draw_codes(painter, codes), [""] * len(codes), columns)


def of_file(path: Path, device: torch.device) -> Image.Image:
    """The sheet of a bank, drawn by the shipped generator, or of a generator. Raises UserError."""
    found = weights.kind(path)
    if found == "bank":
        painter = make_painter(Generator.load(assets.model("generator.safetensors")), device)
        return of_bank(Bank.load(path), painter)
    if found == "generator":
        return of_generator(make_painter(Generator.load(path), device))
    raise UserError(f"{path} holds a {found}; a sheet shows a bank or a generator.")
