"""Measure how well a figure shows the pose that it was given, by a finder that nothing here was made with:

    pip download --no-deps mediapipe==0.10.14 && npm pack @mediapipe/pose@0.5.1675469404
    python tests/convert_finder.py mediapipe-0.10.14-*.whl mediapipe-pose-*.tgz heavy.safetensors heavy
    python tests/measure_dancer.py heavy.safetensors [HELD_OUT_POSES.safetensors] [--count 500]
                                   [--figure F] [--preset P] [--sheet S.png]

Half of the poses are of the bank given (the preset's, unless another is), half lie between two of the
preset's, both struck on the stage as in a show, each of a matter of the preset's bank. A point is found
again if it is nearer than a fifth of the torso (shoulder to the other side's hip) to where it should be:
PCK@0.2 (Yang & Ramanan 2013).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from visualizer.common import assets
from visualizer.control import preset as presets
from visualizer.latent import body
from visualizer.latent.bank import Bank
from visualizer.latent.poses import Poses
from visualizer.learning.finding.finder import Finder
from visualizer.neural.figures import Figures
from visualizer.neural.inference import make_painter

LIMIT = 0.2
NAMES = {0: "nose", 11: "shoulders", 13: "elbows", 15: "wrists", 23: "hips", 25: "knees", 27: "ankles"}


def found_again(finder, picture, points):
    """[13] whether each main point of a figure [33, 2] in pixels is found in its picture."""
    torso = np.linalg.norm(points[11] - points[24]) / 2 + np.linalg.norm(points[12] - points[23]) / 2
    people = finder.find(picture, 3)
    if not people:
        return np.zeros(len(body.MAIN), bool)
    main = list(body.MAIN)
    away = np.linalg.norm(people[0].points[main, :2] - points[main], axis=1)
    return away < LIMIT * torso


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("judge", type=Path)
    parser.add_argument("poses", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--preset", default="dancer")
    parser.add_argument("--sheet", type=Path)
    wishes = parser.parse_args()
    rng = np.random.default_rng(0)
    path = presets.find(wishes.preset)
    preset = presets.load(path)
    own = Poses.load(presets.resolve(preset.poses.file, path, "poses.file")).codes
    given = Poses.load(wishes.poses).codes if wishes.poses else own
    half = wishes.count // 2
    pairs = own[rng.integers(0, len(own), (wishes.count - half, 2))]
    t = rng.uniform(0.25, 0.75, (len(pairs), 1))
    between = ((1 - t) * pairs[:, 0] + t * pairs[:, 1]).astype(np.float32)
    vectors = np.concatenate([given[rng.integers(0, len(given), half)], between])
    table = preset.bank
    bank = Bank.load(presets.resolve(table.file, path, "bank.file"))
    bank = bank.choose(table.classes, table.groups, table.styles)
    matter = bank.codes[rng.integers(0, len(bank), len(vectors))]
    painter = make_painter(Figures(wishes.figure).figure, torch.device("cpu"), torch.get_num_threads())
    finder = Finder(wishes.judge)
    places = body.on_stage(vectors)[:, :, :2]
    hits, kept = [], []
    for vector, code, points in zip(vectors, matter, places):
        picture = painter(vector[None], code[None])[0]
        hits.append(found_again(finder, picture, points * len(picture)))
        kept.append(picture)
    hits = np.array(hits)
    seen = hits.any(1).mean()
    print(
        f"PCK@0.2: given {hits[:half].mean():.3f}, between {hits[half:].mean():.3f}, all {hits.mean():.3f}; "
        f"somebody found in {seen:.1%}"
    )
    for point, name in NAMES.items():
        columns = [body.MAIN.index(p) for p in ({point} if point == 0 else {point, point + 1})]
        print(f"{name:>10} {hits[:, columns].mean():.3f}")
    if wishes.sheet:
        order = np.argsort(hits.mean(1), kind="stable")[:: max(1, len(hits) // 48)][:48]
        rows = np.stack([kept[i] for i in order]).reshape(-1, 12, *kept[0].shape)
        Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in rows])).save(wishes.sheet)


if __name__ == "__main__":
    print(f"figure {assets.model('figure.safetensors')}")
    main()
