"""Blocks: what a title looks like in a frame of a size, drawn once."""

from __future__ import annotations

import logging
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from visualizer.common.errors import UserError
from visualizer.common.files import reason
from visualizer.picture.titles import lettering

if TYPE_CHECKING:
    from visualizer.control.captions import Where

log = logging.getLogger("visualizer")
COLOUR = np.array((242, 240, 234), np.float32)
# Of the frame's shorter side: what stays free at its edges. Of the first line's size: the other lines.
MARGIN, SMALLER = 0.06, 0.62
# The most of the frame's width and height that words take; logos take less of its width.
WIDEST, TALLEST, LOGO_WIDEST = 0.86, 0.7, 0.45
# A shadow lifts letters off any picture: how far it reaches, how far it falls, in sizes, and how dark it is.
SOFT, FALLS, DARK = 0.16, 0.04, 1.6
LONGEST, MOST_LINES = 200, 5
# What is not broken: Chinese and Japanese have no spaces between words.
_EACH = "[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff]"
WORDS = re.compile(rf"\s*(?:{_EACH}|(?:(?!{_EACH})\S)+)")
# Larger pictures are no logos.
MOST_PIXELS = 40_000_000


@dataclass(frozen=True)
class Title:
    """Words, a line each, or the file of a logo; where they stand, how large, for how long, how they fade.

    size: height of the first line's letters, or of the logo, as a share of the frame's. seconds: 0 is for
    ever. fade: seconds.
    """

    words: str
    logo: str
    where: Where
    size: float
    seconds: float
    fade: float


@dataclass(frozen=True)
class Block:
    """A drawn title. top, left: its place in the frame. light: [h, w, 3] float32 0..255, premultiplied by
    alpha; keep: [h, w, 1] float32 0..1, what it leaves of the picture: 1 - alpha."""

    top: int
    left: int
    light: np.ndarray
    keep: np.ndarray


def clean(text: str) -> str:
    """A text without what can't be seen and lines without words, and no longer than a title may be."""
    lines = [
        "".join(c for c in line if not unicodedata.category(c).startswith("C") or c in "\u200c\u200d").strip()
        for line in unicodedata.normalize("NFC", text[: 4 * LONGEST]).splitlines()
    ]
    return "\n".join([line for line in lines if line][:MOST_LINES])[:LONGEST]


@lru_cache(maxsize=16)
def draw(title: Title, height: int, width: int) -> Block:
    """A title as it looks in frames of a size in pixels; it is remembered.

    Raises UserError if its logo can't be read.
    """
    pad = 0
    if title.logo:
        light, alpha = _logo(read_logo(title.logo), title.size * height, LOGO_WIDEST * width)
    else:
        light, alpha, pad = _words(title.words, title.where, title.size * height, height, width)
    # What stays free is counted from the letters: their shadow may reach into it.
    free = round(MARGIN * min(height, width)) - pad
    spare = height - alpha.shape[0], width - alpha.shape[1]
    top = free if "top" in title.where else spare[0] - free if "bottom" in title.where else spare[0] // 2
    left = free if "left" in title.where else spare[1] - free if "right" in title.where else spare[1] // 2
    # What doesn't fit is cropped, on both sides.
    above, before = max(0, -top), max(0, -left)
    seen = slice(above, height - top), slice(before, width - left)
    keep = (1 - alpha[..., None])[seen]
    return Block(max(0, top), max(0, left), np.ascontiguousarray(light[seen]), np.ascontiguousarray(keep))


# --- words --------------------------------------------------------------------------------------------


def _words(text: str, where: str, size: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    """([h, w, 3] light, [h, w] alpha) of words with their shadow, and how far around them that reaches."""
    while True:
        lines = _set(text, size, WIDEST * width)
        wide = max(lettering.width(line, own) for line, own in lines)
        tall = sum(1.3 * own for _, own in lines)
        over = max(wide / (WIDEST * width), tall / (TALLEST * height))
        if over <= 1.001 or size < 4:
            break
        size /= max(1.05, over if len(lines) == len(text.splitlines()) else 1.05)
    masks = [lettering.write(line, own) for line, own in lines]
    pad = round(3 * SOFT * size) + 1
    sides = [round(lettering.SIDE * own) for _, own in lines]
    inner = max(mask.shape[1] - 2 * side for mask, side in zip(masks, sides))
    tops = np.cumsum([0, *(1.28 * own for _, own in lines)])
    letters = np.zeros((round(tops[-2] + masks[-1].shape[0]) + 2 * pad, inner + 2 * pad), np.float32)
    for mask, side, top in zip(masks, sides, tops):
        spare = inner - (mask.shape[1] - 2 * side)
        left = pad - side + (0 if "left" in where else spare if "right" in where else spare // 2)
        row = pad + round(float(top))
        part = letters[row : row + mask.shape[0], left : left + mask.shape[1]]
        np.maximum(part, mask[: part.shape[0]], out=part)
    dark = np.minimum(1.0, DARK * _soft(letters, SOFT * size))
    falls = round(FALLS * size)
    dark[falls:] = dark[: len(dark) - falls]
    alpha = letters + dark * (1 - letters)
    return letters[..., None] * COLOUR, alpha, pad


def _soft(mask: np.ndarray, reach: float) -> np.ndarray:
    picture = Image.fromarray((mask * 255 + 0.5).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(reach)), np.float32) / 255


def _set(text: str, size: float, widest: float) -> list[tuple[str, float]]:
    """Lines and the size of each, broken between words where they are too long."""
    lines = []
    for number, line in enumerate(text.splitlines() or [""]):
        own = size if number == 0 else SMALLER * size
        begun = ""
        for word in WORDS.findall(line):
            longer = begun + word
            if begun and lettering.width(longer.rstrip(), own) > widest:
                lines.append((begun.strip(), own))
                longer = word.lstrip()
            begun = longer
        lines.append((begun.strip(), own))
    return lines


# --- logos --------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def read_logo(path: str) -> Image.Image:
    """A picture with its transparency, premultiplied by it. Raises UserError."""
    try:
        with Image.open(Path(path)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise UserError(f"{path} is too large for a logo; make it smaller than 6000x6000 pixels.")
            # Colours behind what is transparent would bleed into the edges when it is made smaller.
            return picture.convert("RGBA").convert("RGBa")
    except FileNotFoundError:
        raise UserError(f"{path}: no such logo; check the path.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} can't be read as a logo ({reason(error)}); give a PNG file.") from None


def _logo(picture: Image.Image, height: float, widest: float) -> tuple[np.ndarray, np.ndarray]:
    scale = min(height / picture.height, widest / picture.width)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), np.float32)
    alpha = pixels[..., 3] / 255
    return np.minimum(pixels[..., :3], pixels[..., 3:]), alpha


def complaint(text: str) -> str:
    """Why a text can't be written here as it should be, a sentence; or ""."""
    from visualizer.picture.titles.fonts import lacking

    missing = lacking(text)
    if missing:
        fonts = "apt install fonts-noto-core fonts-noto-cjk"
        return f"no font here has {missing[:20]}; install one that has (Debian: {fonts})."
    if lettering.needs_shaping(text) and not lettering.shapes():
        return "this title's letters can't be joined here; install FriBidi (Debian: apt install libfribidi0)."
    return ""
