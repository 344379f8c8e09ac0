"""Draw photos as both shipped generators draw their codes, to show what they can't.

    python tests/draw_faults.py PHOTO=CAPTION... -o models/faults.jpg

Each photo stands above what light and what grand make of it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from subject import Subject

from visualizer.common import assets
from visualizer.learning import photo
from visualizer.learning.classifier import Classifier
from visualizer.learning.encoder import Encoder
from visualizer.learning.pictures import to_tensor
from visualizer.learning.sheet import contact_sheet
from visualizer.neural.generator import PICTURE_SIZE

TILE = 192


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO=CAPTION")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    paths, captions = zip(*(given.split("=", 1) for given in arguments.photos))
    photos = np.stack([photo.read(Path(path), PICTURE_SIZE) for path in paths])
    classifier = Classifier.load(assets.model("classifier.safetensors"))
    rows = [photos]
    for name in ("generator.safetensors", "grand.safetensors"):
        with torch.no_grad():
            codes = Encoder.load(assets.model(name), classifier)(to_tensor(photos)).numpy()
        rows.append(Subject(assets.model(name), []).draw(codes))
    tiles = [tile for row in rows for tile in row]
    texts = [*captions, *["light"] * len(paths), *["grand"] * len(paths)]
    contact_sheet(tiles, texts, len(paths), TILE).save(arguments.output, quality=80)


if __name__ == "__main__":
    main()
