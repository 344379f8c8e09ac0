"""Draw photos as both shipped generators draw their codes, to show what they can't.

    python tests/draw_faults.py PHOTO=CAPTION... -o models/faults.jpg

Each photo stands above what light and what grand make of it.
"""

import argparse
from pathlib import Path

import numpy as np
from make_bank import Studio

from visualizer.common import assets
from visualizer.learning.sheet import contact_sheet
from visualizer.neural.layout import to_uint8

TILE = 192


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO=CAPTION")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    paths, captions = zip(*(given.split("=", 1) for given in arguments.photos))
    rows = []
    for name in ("generator.safetensors", "grand.safetensors"):
        studio = Studio(assets.model(name))
        photos, codes = studio.encode([Path(path) for path in paths])
        rows.append(to_uint8(studio.draw(codes)))
    if len(photos) < len(paths):
        parser.error("not every photo can be read")
    tiles = np.concatenate([to_uint8(photos), *rows])
    texts = [*captions, *["light"] * len(paths), *["grand"] * len(paths)]
    contact_sheet(tiles, texts, len(paths), TILE).save(arguments.output, quality=80)


if __name__ == "__main__":
    main()
