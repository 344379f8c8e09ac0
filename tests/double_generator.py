"""Let a generator of 256×256 pictures draw 512×512, and cleaner, as a super-resolution network teaches.

    python tests/double_generator.py SMALL.safetensors PACKAGE.whl FOLDER... -o LARGE.safetensors
        --pairs FOLDER [--drawings 600] [--photos 300] [--minutes 40]
        [--channels 256 192 128 80 48 32] [--from START]

What embosses the small generator's pictures is finer than two of its pixels: made half as large they have
none of it, and Real-ESRGAN (tests/super_resolution.py) draws them anew at four times that. The large
generator has the small one's first three blocks; the others, one of them new, learn to draw what the teacher
does: first as its quick network has it, then as its slow one. Pairs of codes and pictures are kept in the
folder of --pairs, so that an interrupted run goes on. --from goes on with a large generator, on the small
one's body.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import super_resolution as sr
import torch
import torch.nn.functional as F
from fine_features import FineFeatures
from slim_generator import Codes
from torch import nn

from visualizer.common import weights
from visualizer.common.progress import bar
from visualizer.learning import optimising
from visualizer.learning.growth import widened
from visualizer.neural.generator import CODE_CHANNELS, CODE_SIZE, Generator, without_mesh
from visualizer.neural.inference import make_painter
from visualizer.neural.layout import channels_last
from visualizer.neural.precision import fast_numbers

SMALLER = 128
# Blocks that stay as they are.
BODY = 3
EACH_TIME, BATCH, CROP = 4, 3, 256
PIXEL_WEIGHT, WARM_UP, DECAY = 5.0, 30, 0.99


def draw_pairs(generator: Path, teacher: sr.Teacher, codes: Codes, folder: Path, count: int) -> None:
    """Files of four pairs each: codes of shape and matter, and the teacher's pictures."""
    painter = make_painter(Generator.load(generator), torch.device("cpu"))
    folder.mkdir(parents=True, exist_ok=True)
    with bar(count, f"pairs, {folder.name}", "pair") as progress:
        for i in range(0, count, EACH_TIME):
            path = folder / f"{i:05d}.npz"
            if not path.exists():
                shape, matter = (part.numpy() for part in codes.shape_and_matter(EACH_TIME))
                taught = [teacher(painter(s[None], m[None])[0]) for s, m in zip(shape, matter)]
                half = {"shape": shape.astype(np.float16), "matter": matter.astype(np.float16)}
                np.savez(path.with_suffix(".part.npz"), target=np.stack(taught), **half)
                path.with_suffix(".part.npz").rename(path)
            progress.update(EACH_TIME)


@torch.no_grad()
def doubled(small: Generator, channels: tuple[int, ...], start: Generator | None) -> Generator:
    """A generator with one more block, which begins as the small one does; or `start` on its body."""
    large = start or Generator(channels, small.refined)
    state = widened(small, large.channels[:-1], small.refined).state_dict()
    kept = ("style", *(f"blocks.{i}." for i in range(BODY if start else len(small.blocks))))
    large.load_state_dict({**large.state_dict(), **{k: t for k, t in state.items() if k.startswith(kept)}})
    if not start:
        nn.init.normal_(large.to_rgb.weight, std=0.02)
    return large


class Lesson:
    """The pairs of folders: what comes out of the body, the style, and what the teacher makes of it."""

    def __init__(self, generator: Generator, folders: list[Path]):
        maps, styles, targets = [], [], []
        with torch.no_grad(), fast_numbers(torch.device("cpu")):
            for path in (path for folder in folders for path in sorted(folder.glob("?????.npz"))):
                pairs = np.load(path)
                shape, matter = (torch.from_numpy(pairs[k].astype(np.float32)) for k in ("shape", "matter"))
                style = F.leaky_relu(generator.style(matter), 0.2)
                x = shape.view(-1, CODE_CHANNELS, CODE_SIZE, CODE_SIZE)
                for block in generator.blocks[:BODY]:
                    x = block(x, style)
                maps.append(x.bfloat16())
                styles.append(style.float())
                targets.append(torch.from_numpy(pairs["target"]))
        self.maps, self.styles, self.targets = map(torch.cat, (maps, styles, targets))

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        i = torch.from_numpy(rng.integers(0, len(self), BATCH))
        maps = self.maps[i].float().contiguous(memory_format=torch.channels_last)
        return maps, self.styles[i], self.targets[i].permute(0, 3, 1, 2).float() / 255


def draw(generator: Generator, maps: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Pictures of what comes out of the body."""
    for block in generator.blocks[BODY:]:
        maps = block(maps, style)
    return torch.sigmoid(without_mesh(F.pixel_shuffle(generator.to_rgb(maps), 2)).float())


def learn(generator: Generator, lesson: Lesson, minutes: float, rate: float, seed: int = 0) -> Generator:
    """The averaged generator after so long; Ctrl-C ends it early."""
    generator = channels_last(generator).requires_grad_(False)
    parts = [*generator.blocks[BODY:], generator.to_rgb]
    learning = [p.requires_grad_(True) for part in parts for p in part.parameters()]
    optimiser = optimising.adam(learning, rate, (0.9, 0.99))
    average, eyes, rng = copy.deepcopy(generator), FineFeatures(), np.random.default_rng(seed)
    begun, step, recent = time.monotonic(), 0, 0.0
    with bar(None, "learning", "step") as progress:
        try:
            while (done := (time.monotonic() - begun) / 60 / minutes) < 1:
                step += 1
                optimising.settle([(optimiser, rate * min(1, step / WARM_UP))], done, 1)
                maps, style, target = lesson.batch(rng)
                y, x = rng.integers(0, target.shape[-1] - CROP + 1, 2)
                with fast_numbers(torch.device("cpu")):
                    made = draw(generator, maps, style)
                    pixel = F.l1_loss(made, target)
                    coarse = F.l1_loss(F.avg_pool2d(made, 4), F.avg_pool2d(target, 4))
                    part = (..., slice(y, y + CROP), slice(x, x + CROP))
                    loss = PIXEL_WEIGHT * (pixel + coarse) + eyes.distance(made[part], target[part])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                optimising.follow(average, generator, DECAY, step)
                recent += (255 * pixel.item() - recent) * (0.03 if step > 1 else 1)
                progress.set_postfix_str(f"{recent:.1f} of 255")
                progress.update()
        except KeyboardInterrupt:
            pass
    return average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path)
    parser.add_argument("package", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path)
    parser.add_argument("--drawings", type=int, default=600)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--rate", type=float, default=0.015)
    parser.add_argument("--channels", type=int, nargs=6, default=[256, 192, 128, 80, 48, 32])
    args = parser.parse_args()
    codes = Codes(args.folders, 120, args.small, 1, torch.device("cpu"))
    kinds = ((sr.DRAWINGS, args.drawings), (sr.PHOTOS, args.photos))
    for name, count in kinds:
        if count:
            teacher = sr.Enlarger(args.package, name, SMALLER)
            draw_pairs(args.small, teacher, codes, args.pairs / name, count)
    start = Generator.load(args.start) if args.start else None
    generator = doubled(Generator.load(args.small), tuple(args.channels), start)
    tensors, metadata = weights.load(args.small, "generator")
    kept = {k: t for k, t in tensors.items() if not k.startswith("generator.")}
    for name, count in kinds:
        if count:
            lesson = Lesson(generator, [args.pairs / name])
            generator = learn(generator, lesson, args.minutes / 2, args.rate)
            state = {f"generator.{k}": t for k, t in generator.state_dict().items()}
            weights.save(args.output, "generator", {**kept, **state}, metadata)
            print(f"{args.output}: learnt from {len(lesson)} pictures of {name}")


if __name__ == "__main__":
    main()
