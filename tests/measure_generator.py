"""Measure a generator on pictures it was not trained on, with a classifier it never met.

    python tests/measure_generator.py GENERATOR.safetensors FOLDER... [--seed 0] [--json] [--sheet SHEET.jpg]

The judge is EfficientNet-Lite2. Of each folder only every 20th picture counts, which training holds
out. Fréchet distances (Heusel et al. 2017) are between the judge's pooled features in their 64
principal dimensions: of pictures made from the codes of the held-out photos, and of up to 1500 of the
other photos of all folders. The floor is the same between the held-out photos themselves and the
others: what even a perfect generator would have. --sheet draws the reconstructions that the judge
finds most, middling and least like their photos, and midpoints.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from convert_judge import package_state
from PIL import Image

from visualizer.common import assets
from visualizer.learning import photo, pictures
from visualizer.learning.classifier import Classifier
from visualizer.learning.efficientnet import EfficientNetLite
from visualizer.learning.encoder import Encoder
from visualizer.learning.sheet import contact_sheet
from visualizer.learning.trainer import between
from visualizer.neural.generator import Generator

DIMENSIONS = 64
REFERENCE = 1500
MUD = 0.05
COLUMNS = 12
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


def judge() -> EfficientNetLite:
    """EfficientNet-Lite2, from its package."""
    net = EfficientNetLite("lite2")
    net.load_state_dict(package_state())
    return net.eval().to(memory_format=torch.channels_last)


def look(net: EfficientNetLite, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """([n, 1280] pooled features, [n, 1000] logits)."""
    pooled = torch.cat([net.pooled(net.features(Classifier.normalise(b))[-1]) for b in images.split(16)])
    return pooled, net.classify(pooled)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of rows."""
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), np.cov(x.T)) for x in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2 * root))


def agreement(photos: torch.Tensor, made: torch.Tensor, k: int) -> float:
    """How often the judge's first choice for the photo is among its first k for the picture."""
    return (made.topk(k, 1).indices == photos.argmax(1, keepdim=True)).any(1).float().mean().item()


def smoothness(generator: Generator, start: torch.Tensor, end: torch.Tensor, fps: int = 60) -> float:
    """Largest change between neighbouring frames of a straight path of a second, over the mean one."""
    t = torch.linspace(0, 1, fps + 1)[:, None]
    path = between(start.expand(fps + 1, -1), end.expand(fps + 1, -1), t)
    frames = torch.cat([generator(batch) for batch in path.split(16)])
    change = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3))
    return (change.max() / change.mean()).item()


def milliseconds(generator: Generator, repeats: int = 30) -> float:
    """Median time of one picture, batch 1, float32, as the program draws it."""
    try:
        from visualizer.neural.openvino_painter import OpenVinoPainter

        painter = OpenVinoPainter(generator, "f32")
    except ImportError:
        from visualizer.neural.inference import TorchPainter

        painter = TorchPainter(generator, torch.device("cpu"), torch.float32)
    code = np.random.default_rng(0).standard_normal((1, 4096)).astype(np.float32)
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        painter(code)
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times))


def reference(folders: list[Path], rng: np.random.Generator) -> torch.Tensor:
    """[n, 3, 256, 256]: photos of all folders that were not held out."""
    paths = [path for folder in folders for path in pictures.split(pictures.find(folder))[0]]
    chosen = rng.permutation(len(paths))[:REFERENCE]
    return pictures.to_tensor(np.stack([photo.read(paths[i], 256) for i in chosen]))


def draw(made: torch.Tensor, likeness: torch.Tensor, middles: torch.Tensor) -> Image.Image:
    """A row each of the best, middling and worst reconstructions [n, 3, 256, 256], and of midpoints."""
    order = likeness.argsort(descending=True)
    middle = len(order) // 2 - COLUMNS // 2
    shown = torch.cat([order[:COLUMNS], order[middle : middle + COLUMNS], order[-COLUMNS:]])
    images = torch.cat([made[shown], middles[:COLUMNS]])
    captions = [f"{likeness[i]:.2f}" for i in shown] + ["midpoint"] * COLUMNS
    return contact_sheet(pictures.to_uint8(images), captions, COLUMNS)


@torch.no_grad()
def measure(
    generator_path: Path, folders: list[Path], seed: int = 0, sheet: Path | None = None
) -> dict[str, float]:
    """The table, one number for each line; sheet: a picture to write."""
    classifier = Classifier.load(assets.model("classifier.safetensors"))
    generator = Generator.load(generator_path)
    encoder = Encoder.load(generator_path, classifier)
    net = judge()
    rng = np.random.default_rng(seed)

    sets = [pictures.split(pictures.find(folder))[1] for folder in folders]
    which = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    photos = np.stack([photo.read(path, 256) for held_out in sets for path in held_out])
    images = pictures.to_tensor(photos)
    codes = torch.cat([encoder(batch) for batch in images.split(16)])
    made = torch.cat([generator(batch) for batch in codes.split(16)])
    other = torch.from_numpy(rng.permutation(len(codes)))
    middles = between(codes, codes[other], torch.full((len(codes), 1), 0.5))
    made_middles = torch.cat([generator(batch) for batch in middles.split(16)])

    photo_features, photo_logits = look(net, images)
    made_features, made_logits = look(net, made)
    middle_features, _ = look(net, made_middles)

    likeness = F.cosine_similarity(photo_features, made_features)
    if sheet:
        draw(made, likeness, made_middles).save(sheet, quality=88)
    others_features = look(net, reference(folders, rng))[0]
    centre = others_features.mean(0)
    axes = torch.linalg.svd(others_features - centre, full_matrices=False).Vh[:DIMENSIONS]
    others_d, *parts = (
        ((f - centre) @ axes.T).double().numpy()
        for f in (others_features, photo_features, made_features, middle_features)
    )
    floor, endpoints, midpoints = (frechet(part, others_d) for part in parts)

    table: dict[str, float] = {
        "held-out pictures": len(photos),
        "reference photos": len(others_d),
        "dimensions": DIMENSIONS,
        "frechet floor": floor,
        "frechet reconstructions": endpoints,
        "frechet midpoints": midpoints,
        "frechet reconstructions - floor": endpoints - floor,
        "frechet midpoints - floor": midpoints - floor,
        "midpoints / reconstructions": midpoints / endpoints,
        "feature cosine": likeness.mean().item(),
        "top-1 agreement": agreement(photo_logits, made_logits, 1),
        "top-5 agreement": agreement(photo_logits, made_logits, 5),
    }
    for i, folder in enumerate(folders):
        here = torch.from_numpy(which == i)
        for k in (1, 5):
            share = agreement(photo_logits[here], made_logits[here], k)
            table[f"top-{k} agreement, {folder.name}"] = share
    random = torch.from_numpy(rng.standard_normal((256, 4096)).astype(np.float32))
    contrast = torch.cat([(generator(b) * LUMINANCE).sum(1).std((1, 2)) for b in random.split(16)])
    table["mud among N(0, 1) codes"] = (contrast < MUD).float().mean().item()
    table["smoothness"] = max(smoothness(generator, codes[i], codes[-1 - i]) for i in range(8))
    table["ms a picture, float32"] = milliseconds(generator)
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generator", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sheet", type=Path, metavar="SHEET.jpg")
    arguments = parser.parse_args()
    result = measure(arguments.generator, arguments.folders, arguments.seed, arguments.sheet)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:>36} {value:10.3f}")
