"""The look of what is written over the picture: dark glass, light letters, one warm accent.

Every function draws one panel on a surface in memory and returns its pixels [h, w, 4] uint8 with colours
premultiplied by alpha. `unit` is the height of a line of text in pixels, from which all else follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pygame

from visualizer.control import table

GLASS = (12, 12, 18, 208)
TEXT = (242, 240, 234)
DIM = (168, 166, 162)
ACCENT = (255, 190, 104)
KEYCAP = (70, 70, 82, 255)
RED = (235, 64, 52)
FINE = 3


def unit_for(width: int, height: int) -> int:
    """The height of a line of text that suits a window, in pixels."""
    return round(max(13.0, min(height / 34, width / 42)))


# Those of one window; a font keeps its file open, and every letter that it has drawn.
@lru_cache(maxsize=16)
def _font(size: int) -> pygame.font.Font:
    if not pygame.font.get_init():
        pygame.font.init()
    return pygame.font.Font(None, size)


def _write(text: str, size: int, colour: tuple[int, int, int]) -> pygame.Surface:
    # At its own size the font sets its letters on whole pixels, with gaps inside words.
    large = _font(size * FINE).render(text, True, colour)
    width, height = large.get_size()
    return pygame.transform.smoothscale(large, (max(1, round(width / FINE)), max(1, round(height / FINE))))


def _glass(width: float, height: float, unit: int) -> pygame.Surface:
    surface = pygame.Surface((round(width), round(height)), pygame.SRCALPHA)
    pygame.draw.rect(surface, GLASS, surface.get_rect(), border_radius=round(unit * 0.6))
    return surface


def _pixels(surface: pygame.Surface) -> np.ndarray:
    width, height = surface.get_size()
    data = pygame.image.tobytes(surface, "RGBA_PREMULT")
    return np.frombuffer(data, np.uint8).reshape(height, width, 4)


def _wrap(text: str, size: int, width: float) -> list[str]:
    """Lines of a text, none wider than a width in pixels unless a single word is."""
    font, width = _font(size * FINE), width * FINE
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.size(longer)[0] <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def message(text: str, unit: int, width: int, warning: bool = False) -> np.ndarray:
    """A sentence, in several lines if it is long. A warning has a warm bar at its left."""
    bar = unit // 2 if warning else 0
    lines = [_write(line, unit, TEXT) for line in _wrap(text, unit, min(width * 0.8, unit * 40))]
    height = unit * (1.0 + 1.25 * len(lines))
    panel = _glass(max(line.get_width() for line in lines) + 2 * unit + bar, height, unit)
    if warning:
        mark = pygame.Rect(unit * 0.6, unit * 0.6, max(2, unit // 5), height - 1.2 * unit)
        pygame.draw.rect(panel, ACCENT, mark, border_radius=2)
    for i, line in enumerate(lines):
        panel.blit(line, (unit + bar, unit * (0.62 + 1.25 * i)))
    return _pixels(panel)


def on_air(words: str, unit: int) -> np.ndarray:
    """A red dot, as cameras have, and words."""
    line = _write(words, unit, TEXT)
    panel = _glass(line.get_width() + 2.4 * unit, 2.2 * unit, unit)
    pygame.draw.circle(panel, RED, (unit, round(1.1 * unit)), round(0.4 * unit))
    panel.blit(line, (1.7 * unit, 0.62 * unit))
    return _pixels(panel)


def title(name: str, description: str, unit: int, width: int) -> np.ndarray:
    """A preset's title, large, over its description."""
    big = _write(name, round(unit * 2.2), TEXT)
    lines = [_write(line, unit, DIM) for line in _wrap(description, unit, min(width * 0.6, unit * 30))]
    inner = max(surface.get_width() for surface in (big, *lines))
    panel = _glass(inner + 2.4 * unit, big.get_height() + unit * (1.4 + 1.25 * len(lines)), unit)
    panel.blit(big, (1.2 * unit, 0.7 * unit))
    for i, line in enumerate(lines):
        panel.blit(line, (1.2 * unit, big.get_height() + unit * (0.9 + 1.25 * i)))
    return _pixels(panel)


def _keycap(text: str, unit: int) -> pygame.Surface:
    size = round(unit * 0.9)
    arrow = {"→": 1, "←": -1}.get(text, 0)  # the font has none
    letters = None if arrow else _write(text, size, TEXT)
    width = unit * 1.5 if letters is None else max(unit * 1.5, letters.get_width() + unit * 0.9)
    cap = pygame.Surface((round(width), round(unit * 1.4)), pygame.SRCALPHA)
    pygame.draw.rect(cap, KEYCAP, cap.get_rect(), border_radius=round(unit * 0.3))
    x, y = cap.get_width() / 2, cap.get_height() / 2
    if letters is None:
        reach, half = unit * 0.28 * arrow, unit * 0.3
        pygame.draw.polygon(cap, TEXT, [(x - reach, y - half), (x - reach, y + half), (x + reach, y)])
    else:
        cap.blit(letters, (x - letters.get_width() / 2, y - letters.get_height() / 2 + unit * 0.04))
    return cap


def help_list(width: int, height: int) -> np.ndarray:
    """Every key and what it does, as large as the window allows."""
    unit = unit_for(width, height)
    while True:
        # Side by side what doesn't go below each other.
        for columns in (1, 2):
            panel = _help_list(unit, columns)
            if (panel.get_width() <= 0.94 * width and panel.get_height() <= 0.94 * height) or unit <= 5:
                return _pixels(panel)
        unit -= 1


def _help_list(unit: int, columns: int) -> pygame.Surface:
    rows = [
        ([_keycap(key, unit) for key in label.split()], _write(words, unit, TEXT))
        for label, words in table.rows()
    ]
    gap = unit // 3
    left = max(sum(cap.get_width() + gap for cap in caps) for caps, _ in rows)
    right = max(text.get_width() for _, text in rows)
    pitch, each = 1.72 * unit, -(-len(rows) // columns)
    breadth = left + right + 2.2 * unit
    panel = _glass(columns * breadth + 2.2 * unit, pitch * each + 4.2 * unit, unit)
    panel.blit(_write("Keys", round(unit * 1.5), ACCENT), (1.6 * unit, 1.2 * unit))
    for i, (caps, text) in enumerate(rows):
        column, row = divmod(i, each)
        y, start = 3.2 * unit + row * pitch, 1.6 * unit + column * breadth + left
        x = start - sum(cap.get_width() + gap for cap in caps)
        for cap in caps:
            panel.blit(cap, (x, y - 0.2 * unit))
            x += cap.get_width() + gap
        panel.blit(text, (start + 0.6 * unit, y + unit * 0.14))
    return panel


def info(rows: Sequence[tuple[str, str]], unit: int) -> np.ndarray:
    """Names and values in two columns, with room for a level meter below: see `meter_box`."""
    names = [_write(name, unit, DIM) for name, _ in rows]
    values = [_write(value, unit, TEXT) for _, value in rows]
    left = max(name.get_width() for name in names) + unit
    # Values change all the time; the panel shouldn't change its width with each.
    step = 4 * unit
    right = -(-max(value.get_width() for value in values) // step) * step
    panel = _glass(left + right + 2 * unit, 1.3 * unit * len(rows) + 2.4 * unit, unit)
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        y = unit * (0.8 + 1.3 * i)
        panel.blit(name, (unit, y))
        panel.blit(value, (unit + left, y))
    return _pixels(panel)


def meter_box(size: tuple[int, int], unit: int) -> tuple[float, float, float, float]:
    """Where the level meter goes in an info panel of a size: left, top, width, height."""
    return unit, size[1] - 1.2 * unit, size[0] - 2 * unit, max(3.0, 0.35 * unit)


def code(matrix: Sequence[Sequence[int]], words: str, unit: int, size: int) -> np.ndarray:
    """A QR code of rows of ones and zeros, with its margin, about `size` pixels wide, over words."""
    side = len(matrix) + 8  # four quiet ones on each side
    pixel = max(2, size // side)
    small = round(unit * 0.9)
    lines = [_write(line, small, TEXT) for line in _wrap(words, small, pixel * side)]
    width = max(pixel * side, *(line.get_width() for line in lines)) + 2 * unit
    panel = _glass(width, pixel * side + unit * (2.4 + 1.25 * len(lines)), unit)
    square = pygame.Rect((width - pixel * side) // 2, unit, pixel * side, pixel * side)
    pygame.draw.rect(panel, (255, 255, 255), square)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                place = square.left + (x + 4) * pixel, square.top + (y + 4) * pixel
                pygame.draw.rect(panel, (0, 0, 0), (*place, pixel, pixel))
    for i, line in enumerate(lines):
        panel.blit(line, ((width - line.get_width()) / 2, square.bottom + unit * (0.5 + 1.25 * i)))
    return _pixels(panel)


@dataclass(frozen=True)
class Thumbnail:
    """A preset in the strip. still: [s, s, 3] uint8, or None while there is none."""

    title: str
    still: np.ndarray | None


def strip_places(count: int, current: int, unit: int, width: int) -> list[tuple[int, pygame.Rect]]:
    """(preset, place in the strip) of those that fit, the current one among them."""
    gap = unit * 0.7
    side = min(5.5 * unit, max(3.5 * unit, (width - 2 * unit) / max(1, count) - gap))
    fit = max(1, min(count, int((width - 2 * unit + gap) / (side + gap))))
    first = min(max(0, current - fit // 2), count - fit)
    left = (width - fit * (side + gap) + gap) / 2
    return [
        (first + i, pygame.Rect(round(left + i * (side + gap)), round(0.8 * unit), round(side), round(side)))
        for i in range(fit)
    ]


def strip(thumbnails: Sequence[Thumbnail], current: int, unit: int, width: int) -> np.ndarray:
    """The presets in pictures, with the number of the key that plays each."""
    places = strip_places(len(thumbnails), current, unit, width)
    side = places[0][1].height
    panel = pygame.Surface((width, round(side + 2.8 * unit)), pygame.SRCALPHA)
    panel.fill(GLASS)
    small = round(unit * 0.82)
    for i, place in places:
        thumbnail = thumbnails[i]
        if thumbnail.still is None:
            pygame.draw.rect(panel, KEYCAP, place)
        else:
            height, breadth = thumbnail.still.shape[:2]
            still = pygame.image.frombuffer(thumbnail.still.tobytes(), (breadth, height), "RGB")
            panel.blit(pygame.transform.smoothscale(still, place.size), place)
        if i == current:
            pygame.draw.rect(panel, ACCENT, place.inflate(unit // 3, unit // 3), max(2, unit // 7), unit // 4)
        if i < 9:
            panel.blit(_keycap(str(i + 1), small), (place.left + unit * 0.2, place.top + unit * 0.2))
        name = _write(thumbnail.title, small, TEXT if i == current else DIM)
        if name.get_width() > side:
            name = name.subsurface((0, 0, side, name.get_height()))
        panel.blit(name, (place.centerx - name.get_width() / 2, place.bottom + unit * 0.55))
    return _pixels(panel)
