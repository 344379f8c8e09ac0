"""Measure the flash limiter: what it does to strobes and to the presets, and what it costs.

    python tests/measure_flash.py [SONG] [--start 0] [--seconds 12] [--only strobes|presets|cost]

Strobes are judged by flash_reference, uncompressed. Presets are rendered for the SONG (by default the
demo tune) at 640x360, 30 frames a second, and the files, after compression, judged as `visualizer
check` does. Change is the mean absolute difference of 8-bit codes that the limiter made.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import flash_reference as reference
import numpy as np
import test_flash
import torch

from visualizer.audio.demo_tune import demo_tune
from visualizer.audio.listener import Listener
from visualizer.audio.song import Recording, Song, mono
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common import assets
from visualizer.latent.code import stack
from visualizer.neural.figure_painter import company
from visualizer.neural.inference import Painting
from visualizer.offline import engine as offline
from visualizer.offline.flash_check import check_video
from visualizer.output.video import VideoWriter
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter
from visualizer.picture.stage import Stage

FPS = 30
SIZE = 640, 360
HEADER = (
    "| clip | flashes/s | after | verdict | after | change of frames passed | of frames held | held |\n"
    "|-|-|-|-|-|-|-|-|"
)


def row(name: str, before: tuple, after: tuple, frames: np.ndarray, shown: np.ndarray, held: np.ndarray):
    """One row of the first table; before and after: (flashes a second, whether the rule is kept)."""
    change = np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(frames, shown, strict=True)])
    passed, held_back = change[~held], change[held]
    cells = [
        name,
        f"{before[0]:g}",
        f"{after[0]:g}",
        *("pass" if ok else "FAIL" for _, ok in (before, after)),
    ]
    cells += [
        f"{passed.max():g}" if len(passed) else "-",
        f"{held_back.mean():.1f}" if len(held_back) else "-",
    ]
    print("|", " | ".join([*cells, f"{held.mean():.0%}"]), "|", flush=True)


def strobes() -> None:
    """Adversarial clips of the tests."""
    for name, make in test_flash.ADVERSARIAL.items():
        frames, times = make()
        shown, held = test_flash.limit(frames, times)
        verdicts = [
            (reference.flashes_per_second(clip, times), not reference.judge(clip, times))
            for clip in (frames, shown)
        ]
        row(name, *verdicts, frames, shown, held > 0)


def preset_frames(
    name: str, song, start: float, seconds: float, painter: Painting, limiter: FlashLimiter | None = None
) -> np.ndarray:
    """Frames [n, h, w, 3] of a preset as they leave the limiter, by default as they come to it."""
    look, codebook, motion = offline.open_parts(name, seed=0)
    stage = Stage(SIZE[0] / SIZE[1], limiter or FlashLimiter(enabled=False))
    stage.play(look, stage.effects(look), fade=0)
    listener, clock = Listener(codebook), offline.Clock(motion, Fraction(FPS))
    shots, samples = [], 0
    for block in song:
        samples += len(block)
        for event in listener.push(mono(block)):
            shots.extend(clock.hear(event))
        if samples > (start + seconds) * SAMPLE_RATE:
            break
    frames = []
    shots = shots[round(start * FPS) : round((start + seconds) * FPS)]
    for i in range(0, len(shots), offline.BATCH_SIZE):
        batch = shots[i : i + offline.BATCH_SIZE]
        pictures = torch.as_tensor(painter(*stack([shot.code for shot in batch])))
        for picture, shot in zip(pictures, batch, strict=True):
            frames.append(stage(picture, shot.sound, 1 / FPS).numpy().copy())
    return np.stack(frames)


def filed(frames: np.ndarray, folder: Path) -> tuple[float, bool]:
    """(flashes a second, whether the rule is kept) of frames in a video file."""
    path = folder / "clip.mp4"
    with VideoWriter(path, *SIZE, Fraction(FPS)) as video:
        video.add_sound(np.zeros((len(frames) * SAMPLE_RATE // FPS, 2), np.float32))
        for frame in frames:
            video.add_frames(frame[None])
    report = check_video(path, progress=False)
    return report.flashes, report.safe


def all_presets(song, start: float, seconds: float) -> None:
    """Every shipped preset."""
    painter = company(torch.device("cpu"))
    times = np.arange(round(seconds * FPS)) / FPS
    with tempfile.TemporaryDirectory() as folder:
        for name in assets.preset_names():
            frames = preset_frames(name, song, start, seconds, painter)
            shown, held = test_flash.limit(frames, times[: len(frames)], FlashLimiter(margin=FILE_MARGIN))
            verdicts = [filed(clip, Path(folder)) for clip in (frames, shown)]
            row(name, *verdicts, frames, shown, held > 0)


def moving(height: int, width: int, hold: float, n: int = 45) -> list[torch.Tensor]:
    """Coloured clouds that change into the next every `hold` seconds."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(2 + int(n / FPS / hold), 3, 6, 9, generator=rng)
    clouds = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    frames = []
    for i in range(n):
        k, part = divmod(i / FPS / hold, 1)
        picture = torch.lerp(clouds[int(k)], clouds[int(k) + 1], part).permute(1, 2, 0)
        frames.append(picture.mul(255).to(torch.uint8).contiguous())
    return frames


def cost() -> None:
    """Milliseconds a frame; the least of three runs for each frame, their median."""
    print("| frame | watching | limiting |\n|-|-|-|")
    for height, width in ((256, 256), (248, 441), (1080, 1920)):
        cells = []
        for hold, limiting in ((3.0, False), (0.15, True)):
            frames, best = moving(height, width, hold), None
            for _ in range(3):
                limiter, took, held = FlashLimiter(), [], []
                for frame in frames:
                    begun = time.perf_counter()
                    limiter(frame, 1 / FPS)
                    took.append(1000 * (time.perf_counter() - begun))
                    held.append(limiter.held > 0)
                best = np.array(took) if best is None else np.minimum(best, took)
            chosen = best[5:][np.array(held[5:]) == limiting]
            cells.append(f"{np.median(chosen):.2f} ms" if len(chosen) else "-")
        print(f"| {width}x{height} |", " | ".join(cells), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", nargs="?", type=Path)
    parser.add_argument("--start", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--only", choices=["strobes", "presets", "cost"])
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    if args.only in (None, "cost"):
        cost()
    if args.only in (None, "strobes"):
        print(HEADER)
        strobes()
    if args.only in (None, "presets"):
        song = Song(args.song) if args.song else Recording("the demo tune", demo_tune())
        print(HEADER)
        all_presets(song, args.start, args.seconds)


if __name__ == "__main__":
    main()
