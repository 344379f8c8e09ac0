"""Make the shipped bank: dreams, and encoded photos of what no class names, as one.

    python tests/make_bank.py DREAMT.safetensors... -o BANK.safetensors --generator GENERATOR.safetensors
        [--count 1000] [--add "painting=40:FOLDER,FOLDER"]... [--classes FOLDER...]
    python tests/make_bank.py BANK.safetensors -o NEW.safetensors --generator GENERATOR.safetensors --climb 12

Of the photos of --classes, one is taken for each class that no dream is of: the one whose drawing the
classifier and the judge take for it most surely. Of a folder's photos of --add those are taken that the judge
finds most like themselves when they are drawn, none much like another. Of everything, what is harsh goes
first: pictures with much pure black and white beside each other, or far darker or paler than the others; but
no more than half of what is of one class, and nothing of --add. What the bank says of its vectors is by the
shipped generator that draws anywhere.

--climb makes a bank's dreams another generator's, and no more: each climbs up to so many steps, until its
class is as sure as the bank says, and goes half the way there; then all come nearer to the middle, where
pictures are calmer. Their looks stay, so that presets call up what they did. (`visualizer dream --again`
chooses anew, by style and without twins.)
"""

import argparse
from dataclasses import replace
from pathlib import Path

import judging
import numpy as np
import torch

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.latent.bank import ARRAYS, Bank
from visualizer.learning import photo, pictures
from visualizer.learning.classifier import Classifier, probability_of
from visualizer.learning.collection import STOPS, looks, style_of
from visualizer.learning.describing import Description
from visualizer.learning.dream import Region, climb
from visualizer.learning.encoder import Encoder
from visualizer.learning.eyes import for_classifiers
from visualizer.learning.judge import Judge
from visualizer.learning.relief import luminance
from visualizer.learning.trainer import between
from visualizer.neural import generators
from visualizer.neural.inference import make_painter
from visualizer.neural.precision import fast_numbers

BATCH = judging.BATCH
# Of the judge's features of two pictures of one name.
ALIKE = 0.85
BLACK, WHITE = 0.03, 0.97
# Of a dream, at the most.
STEPS = 60
# Of a climb's way, what is gone, and of the norm, what is kept: the last of both makes pictures harsh.
GONE, KEPT = 0.5, 0.9


class Studio:
    """One generator, and what looks at its pictures."""

    def __init__(self, path: Path):
        self.generator = generators.load(path)
        self._painter = make_painter(self.generator, torch.device("cpu"))
        self.classifier = Classifier.load(assets.model("classifier.safetensors"))
        self.encoder = Encoder.load(path, self.classifier)
        self.judge = Judge.load(assets.model("judge.safetensors"))

    @torch.no_grad()
    def encode(self, paths: list[Path]) -> tuple[torch.Tensor, torch.Tensor]:
        """(photos [n, 3, 256, 256], their codes) of files, as many as can be read."""
        read = (photo.try_read(path, size=256) for path in paths)
        photos = pictures.to_tensor(np.stack([p for p in read if p is not None]))
        with fast_numbers(photos.device):
            return photos, self.encoder(photos).float()

    def draw(self, codes: torch.Tensor) -> torch.Tensor:
        """[n, 3, 256, 256] in 0..1, as the program draws them."""
        drawn = judging.in_batches(self._painter, codes.numpy())
        return for_classifiers(pictures.to_tensor(drawn))

    def look(self, drawn: torch.Tensor) -> torch.Tensor:
        """[n, 1280], the judge's features."""
        with fast_numbers(drawn.device):
            return self.judge.pooled(drawn).float()

    @torch.no_grad()
    def see(self, codes: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        """([n, 1280] the judge's features, [n] harshness) of the pictures of codes."""
        features, harsh = [], []
        for batch in torch.from_numpy(codes).split(BATCH):
            drawn = self.draw(batch)
            features.append(self.look(drawn))
            harsh.append(harshness(drawn))
        return torch.cat(features), torch.cat(harsh).numpy()

    @torch.no_grad()
    def album(self, name: str, count: int, folders: list[Path]) -> Bank:
        """A bank of the photos that are drawn most like themselves, all of one name."""
        paths = [path for folder in folders for path in pictures.find(folder)]
        codes, likeness, features = [], [], []
        for i in range(0, len(paths), BATCH):
            photos, code = self.encode(paths[i : i + BATCH])
            seen = self.look(self.draw(code))
            likeness.append(judging.cosine(seen.numpy(), self.look(photos).numpy()))
            codes.append(code)
            features.append(torch.nn.functional.normalize(seen, dim=1))
        codes, features, likeness = torch.cat(codes), torch.cat(features), np.concatenate(likeness)
        chosen: list[int] = []
        for place in np.argsort(-likeness):
            if all(float(features[place] @ features[other]) < ALIKE for other in chosen):
                chosen.append(int(place))
            if len(chosen) == count:
                break
        description = Description(self.classifier, self.judge)
        for part in torch.tensor(chosen).split(BATCH):
            description.add(codes[part], self.draw(codes[part]), [name] * len(part))
        print(f"{name}: {len(chosen)} of {len(likeness)}, likeness {likeness[chosen].mean():.2f}")
        bank = description.bank(self.generator.space)
        return replace(bank, classes=np.full(len(bank), -1))


def recognised(studio: Studio, folders: list[Path], known: set[int]) -> Bank | None:
    """Of every class that is not known yet, the photo whose drawing both networks see most surely."""
    description = Description(studio.classifier, studio.judge)
    paths = [path for folder in folders for path in pictures.find(folder)]
    with bar(len(paths), "recognising", "photo") as progress:
        for i in range(0, len(paths), BATCH):
            _, codes = studio.encode(paths[i : i + BATCH])
            description.add(codes, studio.draw(codes))
            progress.update(BATCH)
    bank = description.bank(studio.generator.space)
    sure = (
        np.minimum(bank.probability, bank.judged)
        * (bank.ranks <= 5)
        * (bank.probability >= STOPS["abstract"])
    )
    best: dict[int, int] = {}
    for place in np.argsort(sure):
        if sure[place] > 0 and bank.classes[place] not in known:
            best[int(bank.classes[place])] = int(place)
    print(f"{len(best)} classes more, of {len(bank)} photos")
    return bank.take(sorted(best.values())) if best else None


def harshness(drawn: torch.Tensor) -> torch.Tensor:
    """[n]: how much of pictures [n, 3, h, w] is pure black or white, and how far off their mean is."""
    grey = luminance(drawn)[:, 0]
    extreme = ((grey < BLACK) | (grey > WHITE)).float().mean((1, 2))
    return extreme * grey.std((1, 2)) + 0.3 * (grey.mean((1, 2)) - 0.45).abs()


@torch.no_grad()
def described(bank: Bank, studio: Studio) -> Bank:
    """The bank, with what both networks see of each vector's class as this studio's generator draws it."""
    rows = []
    for codes, classes in zip(*(torch.from_numpy(x).split(BATCH) for x in (bank.codes, bank.classes))):
        drawn, known = for_classifiers(studio.generator(codes)), classes.clamp(min=0)
        probability = probability_of(studio.classifier(drawn), known)
        _, judged, ranks = studio.judge.verdict(drawn, known)
        nothing = classes < 0
        rows.append((probability.masked_fill(nothing, 0), judged.masked_fill(nothing, 0), ranks))
    probability, judged, ranks = (torch.cat(column).numpy() for column in zip(*rows))
    styles = np.array([style_of(p) for p in probability])
    return replace(bank, probability=probability, judged=judged, ranks=ranks, styles=styles)


def dreamt_on(bank: Bank, studio: Studio, most: int) -> Bank:
    """The bank, its dreams climbed on with this studio's generator."""
    named = np.flatnonzero((bank.classes >= 0) & (bank.steps + most <= STEPS))
    region = Region.around(torch.from_numpy(bank.codes))
    codes, steps = torch.from_numpy(bank.codes).clone(), bank.steps.copy()
    with bar(len(named), "dreaming on", "dream") as progress:
        for places in np.array_split(named, -(-len(named) // BATCH)):
            start, classes, aims = (
                torch.from_numpy(x[places]) for x in (bank.codes, bank.classes, bank.probability)
            )
            dream = climb(studio.generator, studio.classifier, start, classes, aims, region, most)
            codes[places] = between(start, dream.codes, torch.full((len(places), 1), GONE))
            steps[places] += dream.steps.numpy()
            progress.update(len(places))
    return replace(bank, codes=(KEPT * codes).numpy(), steps=steps)


def joined(banks: list[Bank]) -> Bank:
    """All vectors of all, whose looks are to be made anew."""
    arrays = {
        name: np.concatenate([getattr(bank, name) for bank in banks]) for name in ARRAYS if name != "looks"
    }
    labels = tuple(label for bank in banks for label in bank.labels)
    return Bank(labels=labels, space=banks[0].space, looks=np.zeros((len(labels), 1), np.float32), **arrays)


def milder(bank: Bank, harsh: np.ndarray, count: int) -> np.ndarray:
    """Places of `count` vectors, in their order, without the harshest."""
    left = {label: bank.labels.count(label) for label in set(bank.labels)}
    least = {label: max(1, n // 2) for label, n in left.items()}
    least |= {label: left[label] for label, number in zip(bank.labels, bank.classes) if number < 0}
    gone: set[int] = set()
    for place in np.argsort(-harsh):
        label = bank.labels[place]
        if len(bank) - len(gone) > count and left[label] > least[label]:
            gone.add(int(place))
            left[label] -= 1
    return np.array([place for place in range(len(bank)) if place not in gone])


def gathered(banks: list[Bank], studio: Studio, args: argparse.Namespace) -> Bank:
    """The banks and what photos add to them, without what is harshest."""
    for wish in args.add:
        name, _, rest = wish.partition("=")
        count, _, folders = rest.partition(":")
        banks.append(studio.album(name, int(count), [Path(folder) for folder in folders.split(",")]))
    if args.classes:
        known = {number for bank in banks for number in bank.classes.tolist()}
        more = recognised(studio, args.classes, known)
        banks += [more] if more else []
    bank = joined(banks)
    features, harsh = studio.see(bank.codes)
    places = milder(bank, harsh, args.count)
    print(
        f"harshness {harsh.mean():.3f}, now {harsh[places].mean():.3f}, the worst {harsh[places].max():.2f}"
    )
    arrays = {name: getattr(bank, name)[places] for name in ARRAYS if name != "looks"}
    labels = tuple(bank.labels[i] for i in places)
    return Bank(labels=labels, space=bank.space, looks=looks(features[places]), **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dreamt", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--add", action="append", default=[], metavar="NAME=COUNT:FOLDER,FOLDER")
    parser.add_argument("--classes", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument(
        "--climb", type=int, metavar="STEPS", help="of dreams that were dreamt with a forerunner"
    )
    args = parser.parse_args()
    if args.climb and (len(args.dreamt) > 1 or args.add or args.classes):
        parser.error("--climb takes one bank, and adds nothing to it")
    studio = Studio(args.generator)
    banks = [Bank.load(path) for path in args.dreamt]
    made = dreamt_on(banks[0], studio, args.climb) if args.climb else gathered(banks, studio, args)
    made = described(made, Studio(assets.model("generator.safetensors")))
    made.save(args.output, {"source": "tests/make_bank.py"})
    print(f"{args.output}: {len(made)} vectors of {made.n_classes} classes and {len(set(made.labels))} names")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from error
