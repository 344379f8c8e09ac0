"""Measure how well the pictures dance: what moves when the music strikes, and what the flash limiter makes of
it.

    python tests/measure_dance.py SONG... [--presets NAME...] [--start 20] [--seconds 30] [--strips FOLDER]

Every preset plays a part of every song, effects and limiter and all, as it would be written to a file.
Printed for each: r, the correlation of onset strength with the mean change of pictures of 96x54 a frame, both
less their mean over a second, at the best lag within 0.4 s, and that lag; how much more the pictures change
in the 0.25 s after the strongest tenth of onsets than elsewhere; how far from the nearest beat the largest
changes lie, as a part of the beat (at random it were 0.25); how much the limiter holds back on average;
whether the frames keep the rule against flashes. Onset strength and beats are librosa's where it is
installed, else the analysis' own. --strips: writes frames that follow each other, a row for each preset, a
picture for each song.
"""

import argparse
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from visualizer.audio.listener import Event, Listener
from visualizer.audio.song import Song, mono
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common import assets
from visualizer.latent.code import stack
from visualizer.neural.figure_painter import company
from visualizer.neural.inference import Painting
from visualizer.offline import engine as offline
from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter
from visualizer.picture.flash.pixels import ProcessorPixels
from visualizer.picture.flash.watch import Watch
from visualizer.picture.stage import Stage

FPS = 30
ASPECT = 16 / 9
SMALL = 54, 96
LAG_S, AFTER_S = 0.4, 0.25
STRONGEST = 0.1
# In a strip: every third frame.
STRIP, EVERY = 14, 3


class Heard(NamedTuple):
    """onset: [n] strength in each frame; beats: seconds."""

    onset: np.ndarray
    beats: np.ndarray


class Shown(NamedTuple):
    """small: [n, 54, 96, 3] float32; held: [n] 0..1; safe: whether the rule is kept."""

    small: np.ndarray
    held: np.ndarray
    safe: bool


def hear(samples: np.ndarray, events: list[Event], n: int) -> Heard:
    """What of the music there is to dance to, by librosa or by the events."""
    try:
        import librosa

        sound = librosa.resample(samples, orig_sr=SAMPLE_RATE, target_sr=22050)
        hop = 256
        strength = librosa.onset.onset_strength(y=sound, sr=22050, hop_length=hop)
        times = np.arange(len(strength)) * hop / 22050
        beats = librosa.beat.beat_track(onset_envelope=strength, sr=22050, hop_length=hop, units="time")[1]
    except ImportError:
        strength, times = (np.array([getattr(e, name) for e in events]) for name in ("onset", "time"))
        numbers = np.array([e.beat.number for e in events])
        beats = times[1:][np.diff(numbers) > 0]
    onset = np.zeros(n)
    np.maximum.at(onset, np.clip((times * FPS).astype(int), 0, n - 1), strength)
    return Heard(onset, np.asarray(beats))


def show(events: Iterable[Event], seconds: float, name: str, painter: Painting) -> Iterator[tuple]:
    """(frame [h, w, 3] uint8, how much of it was held back) as the offline engine makes them."""
    look, _, motion = offline.open_parts(name, seed=0)
    stage = Stage(ASPECT, FlashLimiter(margin=FILE_MARGIN))
    stage.play(look, stage.effects(look), fade=0)
    clock = offline.Clock(motion, Fraction(FPS))
    shots = [shot for event in events for shot in clock.hear(event)] + list(clock.run_to(seconds))
    for i in range(0, len(shots), offline.BATCH_SIZE):
        batch = shots[i : i + offline.BATCH_SIZE]
        for picture, shot in zip(
            torch.as_tensor(painter(*stack([s.code for s in batch]))), batch, strict=True
        ):
            frame = stage(picture, shot.sound, 1 / FPS)
            yield frame.numpy(), stage.limiter.held


def watch(frames: Iterable[tuple]) -> tuple[Shown, list[np.ndarray]]:
    """What is seen, and every EVERY-th frame."""
    small, held, kept, judge = [], [], [], None
    for i, (frame, back) in enumerate(frames):
        if judge is None:
            grid = Grid(*frame.shape[:2], exact=True)
            judge, pixels, safe = Watch(grid, resolution=0.0), ProcessorPixels(grid), True
        judge.advance(1 / FPS)
        judge.accept(judge.look(pixels.measure(torch.from_numpy(frame))))
        safe &= not any(part for kind in judge.kinds for part in kind.broken())
        planes = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
        small.append(torch.nn.functional.interpolate(planes, SMALL, mode="area")[0].permute(1, 2, 0).numpy())
        held.append(back)
        if i % EVERY == 0:
            kept.append(frame.copy())
    return Shown(np.stack(small), np.array(held), safe), kept


def less_mean(values: np.ndarray) -> np.ndarray:
    """[n] less the mean over a second, in deviations."""
    half = FPS // 2
    mean = np.convolve(np.pad(values, half, mode="edge"), np.ones(2 * half + 1) / (2 * half + 1), "valid")
    left = values - mean
    return left / (left.std() + 1e-9)


def figures(heard: Heard, shown: Shown) -> dict[str, float]:
    """The numbers of a row."""
    motion = np.abs(np.diff(shown.small, axis=0)).mean((1, 2, 3))
    # A change between two frames is of the sound before the second one.
    onset = heard.onset[1:][: len(motion)]
    m, e = less_mean(motion), less_mean(onset)
    by_lag = [float(np.mean(e[: len(e) - lag] * m[lag:])) for lag in range(int(LAG_S * FPS))]
    best = int(np.argmax(by_lag))
    near = np.zeros(len(motion), bool)
    for i in np.flatnonzero(onset > np.quantile(onset, 1 - STRONGEST)):
        near[i : i + int(AFTER_S * FPS)] = True
    after = motion[near].mean() / max(float(motion[~near].mean()), 1e-9)
    apart = float("nan")
    if len(heard.beats) > 2:
        largest = np.flatnonzero(motion >= np.quantile(motion, 1 - STRONGEST))
        times = (largest + 1) / FPS
        away = np.abs(times[:, None] - heard.beats).min(1) / np.median(np.diff(heard.beats))
        apart = float(away.mean())
    return {
        "r": by_lag[best],
        "lag": 1000 * best / FPS,
        "after": after,
        "apart": apart,
        "held": float(shown.held.mean()),
        "change": float(motion.mean()),
    }


def strip(rows: list[list[np.ndarray]]) -> Image.Image:
    """Frames in rows, a preset each."""
    height = 84
    tiles = [[Image.fromarray(f).resize((height * 16 // 9, height)) for f in row[:STRIP]] for row in rows]
    page = Image.new("RGB", (STRIP * height * 16 // 9, len(rows) * height))
    for y, row in enumerate(tiles):
        for x, tile in enumerate(row):
            page.paste(tile, (x * height * 16 // 9, y * height))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", type=Path, nargs="+")
    parser.add_argument("--presets", nargs="+", default=assets.preset_names(), metavar="NAME")
    parser.add_argument("--start", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--strips", type=Path)
    parser.add_argument("--strip-at", type=float, default=12.0, help="seconds from the start")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    painter = company(torch.device("cpu"), 1)
    _, codebook, _ = offline.open_parts(args.presets[0])
    print("| song | preset | r | lag, ms | after / elsewhere | from a beat | held | change | rule |")
    print("|-|-|-|-|-|-|-|-|-|")
    for path in args.songs:
        samples = np.concatenate([mono(block) for block in Song(path, args.start, args.seconds)])
        events, seconds = list(Listener(codebook).push(samples)), len(samples) / SAMPLE_RATE
        heard, rows = None, []
        for name in args.presets:
            shown, frames = watch(show(events, seconds, name, painter))
            heard = heard or hear(samples, events, len(shown.small))
            f, kept = figures(heard, shown), "kept" if shown.safe else "BROKEN"
            print(
                f"| {path.stem[:22]} | {name} | {f['r']:.2f} | {f['lag']:.0f} | {f['after']:.2f} |"
                f" {f['apart']:.2f} | {f['held']:.2f} | {f['change']:.1f} | {kept} |",
                flush=True,
            )
            rows.append(frames[round(args.strip_at * FPS / EVERY) :])
        if args.strips:
            args.strips.mkdir(parents=True, exist_ok=True)
            strip(rows).save(args.strips / f"{path.stem[:40]}.png")


if __name__ == "__main__":
    main()
