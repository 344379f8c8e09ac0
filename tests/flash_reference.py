"""A plain and slow judge of the flash rule, to test the fast one with: numpy, nothing of the project.

The rule is W3C WCAG 2.2, success criterion 2.3.1 (general flash and red flash thresholds), with the
broadcasters' limit on sustained flashing: at least two flashes a second in four of five seconds.
Everything is looked up in the whole clip again and again instead of being kept up to date.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Clocks are not exact: two transitions a whole second apart are not within one second.
SLACK = 1e-4


@dataclass(frozen=True)
class Violation:
    kind: str
    """"general" or "red" flash, or "sustained"."""
    time: float
    """Seconds."""
    area: float
    """Part of the worst block that flashes, 0..1."""


def linear_light(frames: np.ndarray) -> np.ndarray:
    """uint8 sRGB to linear light 0..1, float64."""
    c = np.arange(256) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)[frames]


def relative_luminance(frames: np.ndarray) -> np.ndarray:
    """[t, h, w, 3] uint8 sRGB to [t, h, w]."""
    return linear_light(frames) @ np.array([0.2126, 0.7152, 0.0722])


def luminance_transitions(luminance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rises, falls), bool like the luminance [t, ...]: where a pixel has moved 0.1 from its last extreme."""
    rises, falls = np.zeros(luminance.shape, bool), np.zeros(luminance.shape, bool)
    peak, valley = luminance[0].copy(), luminance[0].copy()
    trend = np.zeros(luminance[0].shape, int)
    for t, now in enumerate(luminance):
        peak, valley = np.maximum(peak, now), np.minimum(valley, now)
        rises[t] = (trend <= 0) & (now - valley >= 0.1) & (valley < 0.8)
        falls[t] = (trend >= 0) & (peak - now >= 0.1) & (now < 0.8)
        trend = np.where(rises[t], 1, np.where(falls[t], -1, trend))
        peak = np.where(rises[t] | (trend < 0), now, peak)
        valley = np.where(falls[t] | (trend > 0), now, valley)
    return rises, falls


def chromaticity(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(red share, u', v') of [t, h, w, 3] uint8 sRGB, with the little light that every screen reflects."""
    rgb = linear_light(frames) + 0.0005
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    x, y, z = np.moveaxis(rgb @ np.array([*matrix, [0.0193339, 0.1191920, 0.9503041]]).T, -1, 0)
    d = x + 15 * y + 3 * z
    return rgb[..., 0] / rgb.sum(-1), 4 * x / d, 9 * y / d


def red_transitions(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(to saturated red, away from it), bool [t, h, w]: by more than 0.2 in CIE 1976 u'v'."""
    share, u, v = chromaticity(frames)
    red = share >= 0.8
    to, away = np.zeros(red.shape, bool), np.zeros(red.shape, bool)
    state = np.zeros(red.shape[1:], int)
    since = np.zeros(red.shape[1:], int)
    for t in range(1, len(frames)):
        if not red[: t + 1].any():
            continue
        for s in range(t):
            far = (s >= since) & (np.hypot(u[t] - u[s], v[t] - v[s]) > 0.2)
            to[t] |= far & (state <= 0) & red[t] & ~red[s]
            away[t] |= far & (state >= 0) & ~red[t] & red[s]
        state = np.where(to[t], 1, np.where(away[t], -1, state))
        since = np.where(to[t] | away[t], t, since)
    return to, away


def block_size(height: int, width: int) -> tuple[int, int]:
    """A 341 by 256 block of a 1024 by 768 view, in pixels of this one."""
    return max(1, round(height * 256 / 768)), max(1, round(width * 341 / 1024))


def block_fractions(mask: np.ndarray) -> np.ndarray:
    """The part of every block of [h, w] that is set; the whole picture comes last. One dimension."""
    h, w = mask.shape
    bh, bw = block_size(h, w)
    sums = np.zeros((h + 1, w + 1))
    sums[1:, 1:] = mask.cumsum(0).cumsum(1)
    blocks = sums[bh:, bw:] - sums[:-bh, bw:] - sums[bh:, :-bw] + sums[:-bh, :-bw]
    return np.append(blocks.ravel() / (bh * bw), mask.mean())


def in_window(values: np.ndarray, times: np.ndarray, seconds: float) -> np.ndarray:
    """For every time, the sum of values [t, ...] over the window that ends then."""
    return np.stack([values[(times > t - seconds + SLACK) & (times <= t)].sum(0) for t in times])


def concurrent(moves: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Of moves [t, h, w] bool, how many of each pixel count and when, [t, h, w].

    Those do that are within 0.05 s of so many others that together they fill more than a quarter of
    a block that the pixel is in; they count from when that is so.
    """
    h, w = moves.shape[1:]
    bh, bw = block_size(h, w)
    counts = np.zeros(moves.shape, int)
    waiting = moves.astype(int)
    parts = [block_fractions(m)[:-1] for m in moves]
    for i, now in enumerate(times):
        window = [j for j in range(i + 1) if times[j] > now - 0.05]
        full = sum(parts[j] for j in window).reshape(h - bh + 1, w - bw + 1) > 0.25
        near = np.zeros((h, w), bool)
        for y, x in np.argwhere(full):
            near[y : y + bh, x : x + bw] = True
        for j in window:
            counts[i] += waiting[j] * near
            waiting[j][near] = 0
    return counts


def block_transitions(rises: np.ndarray, falls: np.ndarray, times: np.ndarray) -> np.ndarray:
    """[t, blocks] bool: when more than a quarter of a block moves together, against its last move.

    Together is within 0.05 s; what has made one event does not count for the next.
    """
    parts = [np.stack([block_fractions(m) for m in moves]) for moves in (rises, falls)]
    counted = np.zeros(parts[0].shape, bool)
    used = np.full((2, counted.shape[1]), -1e9)
    last = np.zeros((2, counted.shape[1]), bool)
    for i, now in enumerate(times):
        event = np.zeros_like(last)
        for direction, part in enumerate(parts):
            waiting = np.zeros(counted.shape[1])
            for j in np.flatnonzero((times <= now) & (times > now - 0.05)):
                waiting += part[j] * (times[j] > used[direction])
            event[direction] = (waiting > 0.25) & (part[i] > 0)
        used[event] = now
        counted[i] = event.any(0) & (~last.any(0) | (event[::-1] & last).any(0))
        last = np.where(counted[i], event, last)
    return counted


def judge(frames: np.ndarray, times: np.ndarray) -> list[Violation]:
    """Every frame at which the rule is broken. frames [t, h, w, 3] uint8 sRGB, times [t] in seconds."""
    frames, times = np.asarray(frames), np.asarray(times, float)
    durations = np.diff(times, prepend=times[0])
    found = []
    luminance = luminance_transitions(relative_luminance(frames))
    for kind, (up, down) in (("general", luminance), ("red", red_transitions(frames))):
        if not up.any() and not down.any():
            continue
        pixels = in_window(concurrent(up | down, times), times, 1)
        blocks = in_window(block_transitions(up, down, times).astype(int), times, 1)
        lasting = []
        for count in (pixels, blocks):
            busy = (count >= 4) * durations.reshape(-1, *[1] * (count.ndim - 1))
            lasting.append(in_window(busy, times, 5))
        for i, t in enumerate(times):
            for name, pixel, block in (
                (kind, pixels[i] > 6, blocks[i] > 6),
                (
                    "sustained",
                    (lasting[0][i] >= 4) & (pixels[i] >= 4),
                    (lasting[1][i] >= 4) & (blocks[i] >= 4),
                ),
            ):
                area = block_fractions(pixel).max()
                if area > 0.25 or block.any():
                    found.append(Violation(name, float(t), max(float(area), 0.25)))
    return found


def judge_mean(frames: np.ndarray, times: np.ndarray) -> list[Violation]:
    """The same limits for the mean luminance of the whole picture, as broadcast analysers take it."""
    times = np.asarray(times, float)
    up, down = luminance_transitions(relative_luminance(np.asarray(frames)).mean((1, 2)))
    count = in_window((up | down).astype(int), times, 1)
    lasting = in_window(np.diff(times, prepend=times[0]) * (count >= 4), times, 5)
    found = [Violation("general", float(t), 1.0) for t, n in zip(times, count, strict=True) if n > 6]
    busy = zip(times, lasting, count, strict=True)
    return found + [Violation("sustained", float(t), 1.0) for t, s, n in busy if s >= 4 and n >= 4]


def flashes_per_second(frames: np.ndarray, times: np.ndarray) -> float:
    """The most general flashes that any block, or a quarter of its pixels, makes in a second."""
    frames, times = np.asarray(frames), np.asarray(times, float)
    up, down = luminance_transitions(relative_luminance(frames))
    worst = in_window(block_transitions(up, down, times).astype(int), times, 1).max()
    pixels = in_window(concurrent(up | down, times), times, 1)
    for n in range(int(worst) + 1, 1000):
        if max(block_fractions(p >= n).max() for p in pixels) <= 0.25:
            break
        worst = n
    return worst / 2
