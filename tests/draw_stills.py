"""Draw the still of every preset again, and all of them on one page.

    python tests/draw_stills.py SONG [--start 20] [--seconds 12] [--only garden ...] [--pick garden=24.5 ...]
                                [--sheet sheet.jpg]

Every preset, or only those named, plays a part of the song, flash limiter and all. Of its frames the one is
taken that the judge is surest to see something in and that has the most contrast without being harsh, or the
one at the second given by --pick; --sheet draws those to choose from.
"""

import argparse
from pathlib import Path

import measure_flash
import numpy as np
import torch
from PIL import Image

from visualizer.audio.song import Song
from visualizer.common import assets
from visualizer.learning.judge import Judge
from visualizer.learning.pictures import to_tensor
from visualizer.learning.sheet import contact_sheet
from visualizer.neural.figure_painter import company
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter

EVERY_S = 0.5
STILL = 480, 270
GALLERY = 320, 180
COLUMNS = 5
# Beyond these there is nothing to see.
DARKEST, BRIGHTEST = 10, 245


def path_of(still: str) -> Path:
    return assets.folder("presets") / f"{still}.jpg"


def middle(frames: np.ndarray) -> np.ndarray:
    """The squares in the middle of frames [n, h, w, 3]."""
    height, width = frames.shape[1:3]
    left = (width - height) // 2
    return frames[:, :, left : left + height]


def draw_gallery() -> Image.Image:
    """The stills of all presets on one page."""
    names = assets.preset_names()
    page = Image.new("RGB", (COLUMNS * GALLERY[0], -(-len(names) // COLUMNS) * GALLERY[1]))
    for i, name in enumerate(names):
        tile = Image.open(path_of(name)).resize(GALLERY, Image.Resampling.LANCZOS)
        page.paste(tile, (i % COLUMNS * GALLERY[0], i // COLUMNS * GALLERY[1]))
    return page


def appeal(frames: np.ndarray, judge: Judge) -> np.ndarray:
    """[n]: contrast of frames [n, h, w, 3], less of what has much black or white, times how sure the judge is
    of what the middle shows."""
    pictures = torch.nn.functional.interpolate(to_tensor(middle(frames)), (256, 256), mode="bilinear")
    sure = judge(pictures).softmax(1).amax(1).numpy()
    grey = frames.mean(3)
    clipped = ((grey < DARKEST) | (grey > BRIGHTEST)).mean((1, 2))
    return (0.3 + sure) * (1 - clipped) ** 2 * grey.std((1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", type=Path)
    parser.add_argument("--start", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--only", nargs="*", default=assets.preset_names(), metavar="NAME")
    parser.add_argument("--pick", nargs="*", default=[], metavar="NAME=SECOND")
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    picked = {name: float(second) for name, second in (pick.split("=") for pick in arguments.pick)}
    painter = company(torch.device("cpu"))
    judge = Judge.load(assets.model("judge.safetensors"))
    step = round(EVERY_S * measure_flash.FPS)
    choice = []
    for name in arguments.only:
        frames = measure_flash.preset_frames(
            name,
            Song(arguments.song),
            arguments.start,
            arguments.seconds,
            painter,
            FlashLimiter(margin=FILE_MARGIN),
        )[::step]
        seconds = arguments.start + EVERY_S * np.arange(len(frames))
        best = appeal(frames, judge).argmax()
        if name in picked:
            best = np.abs(seconds - picked[name]).argmin()
        print(f"{name}={seconds[best]:g}", flush=True)
        choice += [(f"{name} {second:g}", frame) for second, frame in zip(seconds, frames)]
        still = Image.fromarray(frames[best]).resize(STILL, Image.Resampling.LANCZOS)
        still.save(path_of(name), quality=90)
    draw_gallery().save(path_of("gallery"), quality=88)
    if arguments.sheet:
        names, frames = zip(*choice)
        squares = middle(np.stack(frames))
        contact_sheet(squares, names, round(arguments.seconds / EVERY_S)).save(arguments.sheet)


if __name__ == "__main__":
    main()
