"""Lettering: a line of text in any script to a mask of its letters.

Letters are shaped by HarfBuzz and ordered by FriBidi, through Pillow's Raqm; a line that takes several fonts
is cut into runs, which are ordered by the levels of the Unicode Bidirectional Algorithm (UAX 9) as far as
plain text has them: 0, 1 and, within text from right to left, 2.
"""

from __future__ import annotations

import logging
import unicodedata
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from visualizer.picture.titles.fonts import Face, split

log = logging.getLogger("visualizer")
# Letters are drawn so many times as large: at their own size they would stand on whole pixels.
FINE = 4
# Room at both ends of a line, in sizes, for what leans out of its own length.
SIDE = 0.15


@cache
def shapes() -> bool:
    """Whether letters can be joined and ordered as Arabic and Indic scripts need it."""
    return bool(features.check("raqm"))


def needs_shaping(text: str) -> bool:
    """Whether a text can't be written without."""
    return any(_strong(letter) == "rtl" or 0x0900 <= ord(letter) <= 0x109F for letter in text)


@lru_cache(maxsize=64)
def _font(face: Face, size: float) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if shapes() else ImageFont.Layout.BASIC
    return ImageFont.truetype(face.path, size, face.number, layout_engine=engine)


def _strong(letter: str) -> str:
    """The direction of a letter that has one of its own, or ""."""
    return {"L": "ltr", "R": "rtl", "AL": "rtl"}.get(unicodedata.bidirectional(letter), "")


def base(text: str) -> str:
    """ "rtl" for text that begins from the right, "ltr" for any other."""
    return next((way for letter in text if (way := _strong(letter))), "ltr")


def _directions(text: str) -> list[str]:
    """ "ltr" or "rtl" of each letter: its own, or what is the same on both its sides, or else the line's."""
    start = base(text)
    known = [_strong(letter) for letter in text]
    after, ahead = [start] * len(text), start
    for i in reversed(range(len(text))):
        after[i] = ahead = known[i] or ahead
    found, before = [], start
    for i, letter in enumerate(text):
        digit = unicodedata.bidirectional(letter) in ("EN", "AN")
        before = known[i] or before
        # Numbers in text from the right stay within it, where they are read from the left.
        found.append(before if known[i] or digit or before == after[i] else start)
    return found


def _runs(text: str) -> list[tuple[str, str, Face]]:
    """The runs of a line, as they stand from left to right."""
    if len({face for _, _, face in split(text, ["ltr"] * len(text))}) <= 1 and shapes():
        # One font: all of the algorithm is the library's.
        return [(text, base(text), face) for _, _, face in split(text, ["ltr"] * len(text))][:1]
    runs = list(split(text, _directions(text)))
    start = base(text)
    ordered: list[tuple[str, str, Face]] = []
    same: list[tuple[str, str, Face]] = []
    for run in [*runs, None]:
        if run is None or (same and run[1] != same[-1][1]):
            # What runs against the line is turned round; the whole of a line from the right after it.
            ordered += same[::-1] if same and same[-1][1] != start else same
            same = []
        if run is not None:
            same.append(run)
    return ordered if start == "ltr" else ordered[::-1]


def width(text: str, size: float) -> float:
    """The length of a line in pixels. size: of the letters in pixels, as typesetters measure it."""
    return sum(_length(letters, way, _font(face, size * FINE)) for letters, way, face in _runs(text)) / FINE


def _length(letters: str, way: str, font: ImageFont.FreeTypeFont) -> float:
    return font.getlength(letters, direction=way) if shapes() else font.getlength(letters)


def write(text: str, size: float) -> np.ndarray:
    """[h, w] float32, 0..1: a line's letters; h is 1.5 times the size, and the letters stand at 1.1 of it.

    There are `round(SIDE * size)` pixels more at either end than `width` says.
    """
    fine = size * FINE
    runs = [(letters, way, _font(face, fine)) for letters, way, face in _runs(text)]
    lengths = [_length(*run) for run in runs]
    side = FINE * round(SIDE * size)
    shape = FINE * round(1.5 * size), FINE * -(-round(sum(lengths) + 2 * side) // FINE)
    mask = Image.new("L", shape[::-1])
    draw, x = ImageDraw.Draw(mask), float(side)
    for (letters, way, font), length in zip(runs, lengths, strict=True):
        direction = way if shapes() else None
        draw.text((x, 1.1 * fine), letters, fill=255, font=font, anchor="ls", direction=direction)
        x += length
    return np.asarray(mask.reduce(FINE), np.float32) / 255
