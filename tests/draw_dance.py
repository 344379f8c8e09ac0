"""Draw the moving picture of README.md again: some presets at one song, in a loop.

    python tests/draw_dance.py SONG [--start 15] [--seconds 2.7] [--parts mandala=1 dancer=1 garden=2]
                               [--quality 55] [-o presets/dance.webp]

The parts are presets and their seeds. Each is rendered by `visualizer render --quality grand`, from some
seconds before its part on, so that the beat is known by then; the song goes on from part to part.
tests/test_pages.py holds the outcome to 3 MB and to the flash rule.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

from visualizer.common import assets

FPS = 25
SIZE = 480, 270
SCALE = 2  # drawn larger, and made small once
LEAD_S = 6.0
FADE_S = 0.4
PARTS = ["mandala=1", "dancer=1", "garden=2"]


def frames_of(song: Path, preset: str, seed: str, start: float, seconds: float) -> np.ndarray:
    """[n, h, w, 3] float32 of a part of the song."""
    lead = min(LEAD_S, start)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.mp4"
        look = ["--preset", preset, "--seed", seed, "--quality", "grand", "--fps", FPS]
        look += ["--size", f"{SCALE * SIZE[0]}x{SCALE * SIZE[1]}"]
        part = ["--start", start - lead, "--duration", lead + seconds + 0.5]
        command = [sys.executable, "-m", "visualizer", "render", song, "-o", path, *look, *part]
        subprocess.run(list(map(str, command)), check=True)
        with av.open(str(path)) as video:
            pictures = [frame.to_image() for frame in video.decode(video=0)][round(lead * FPS) :]
    small = [picture.resize(SIZE, Image.Resampling.LANCZOS) for picture in pictures[: round(seconds * FPS)]]
    return np.stack(small).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", type=Path)
    parser.add_argument("--start", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=2.7, help="of each part")
    parser.add_argument("--parts", nargs="+", default=PARTS, metavar="PRESET=SEED")
    parser.add_argument("--quality", type=int, default=55)
    parser.add_argument("-o", "--output", type=Path, default=assets.folder("presets") / "dance.webp")
    arguments = parser.parse_args()
    # Each part begins while the one before it fades, the first while the last does.
    fade = round(FADE_S * FPS)
    seconds = arguments.seconds
    parts = [
        frames_of(arguments.song, *part.split("="), arguments.start + i * seconds, seconds + FADE_S)
        for i, part in enumerate(arguments.parts)
    ]
    share = np.linspace(0, 1, fade + 2, dtype=np.float32)[1:-1, None, None, None]
    shown = [
        np.concatenate([before[-fade:] * (1 - share) + part[:fade] * share, part[fade:-fade]])
        for before, part in zip([parts[-1], *parts], parts)
    ]
    pictures = [Image.fromarray(frame) for frame in np.concatenate(shown).round().astype(np.uint8)]
    pictures[0].save(
        arguments.output,
        save_all=True,
        append_images=pictures[1:],
        duration=1000 // FPS,
        loop=0,
        quality=arguments.quality,
        method=4,
    )
    print(f"{arguments.output}: {len(pictures)} frames, {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
