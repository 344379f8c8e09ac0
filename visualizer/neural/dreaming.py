"""Collecting a bank: many climbs, of which those worth seeing are kept."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from visualizer.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.neural.classifier import Classifier
from visualizer.neural.dream import Dream, climb
from visualizer.neural.encoder import Encoder
from visualizer.neural.generator import CODE_DIM, Generator
from visualizer.neural.pictures import find, read, to_tensor
from visualizer.progress import bar

BATCH_SIZE = 24
# Pictures with less contrast than this (luminance deviation, 0..1) show nothing.
MUD = 0.05
# Pictures more alike than this (cosine of the classifier's pooled features) are the same twice.
TWIN = 0.95
LOOK_DIM = 32


def random_starts(n: int, seed: int, device: torch.device) -> torch.Tensor:
    """[n, 4096] codes with the spread of encoded photos: smooth over space, unit variance."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, CODE_DIM // 16, 1, 1, generator=rng).expand(-1, -1, 4, 4)
    fine = torch.randn(n, CODE_DIM // 16, 4, 4, generator=rng)
    return ((coarse + fine) / 2**0.5).flatten(1).to(device)


@torch.no_grad()
def photo_starts(paths: Sequence, encoder: Encoder, device: torch.device) -> torch.Tensor:
    """[n, 4096] codes of photos."""
    batches = []
    for i in range(0, len(paths), BATCH_SIZE):
        photos = np.stack([read(path, 256) for path in paths[i : i + BATCH_SIZE]])
        batches.append(encoder(to_tensor(photos).to(device)))
    return torch.cat(batches)


def looks(features: torch.Tensor) -> np.ndarray:
    """[n, 32] float32: pooled classifier features [n, 1280], normalised, in their main dimensions."""
    unit = torch.nn.functional.normalize(features.float(), dim=1)
    centred = unit - unit.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:LOOK_DIM]
    flat = centred @ axes.T
    return torch.nn.functional.pad(flat, (0, LOOK_DIM - flat.shape[1])).cpu().numpy()


class Collection:
    """The vectors kept so far; refuses mud and twins."""

    def __init__(self, generator: Generator, classifier: Classifier):
        self._generator, self._classifier = generator, classifier
        self._features = torch.zeros(0, 1280, device=next(generator.parameters()).device)
        self.codes: list[np.ndarray] = []
        self.classes: list[int] = []
        self.probability: list[float] = []
        self.steps: list[int] = []

    @torch.no_grad()
    def add(self, dream: Dream, classes: torch.Tensor, least: torch.Tensor) -> None:
        """Keep the climbs of a batch that reached at least `least` [n] and show something new."""
        pictures = self._generator(dream.codes)
        luminance = (pictures * pictures.new_tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1)
        contrast = luminance.std((1, 2))
        features = torch.nn.functional.normalize(self._classifier.pooled(pictures), dim=1)
        for i, code in enumerate(dream.codes):
            twin = bool(len(self._features)) and float((self._features @ features[i]).max()) > TWIN
            if contrast[i] < MUD or twin or dream.probability[i] < least[i]:
                continue
            self._features = torch.cat([self._features, features[i : i + 1]])
            self.codes.append(code.cpu().numpy())
            self.classes.append(int(classes[i]))
            self.probability.append(float(dream.probability[i]))
            self.steps.append(int(dream.steps[i]))

    def bank(self) -> Bank:
        """What was kept."""
        labels = tuple(self._classifier.labels[c] for c in self.classes)
        return Bank(
            np.array(self.codes, np.float32),
            np.array(self.classes),
            labels,
            np.array(self.probability, np.float32),
            np.array(self.steps),
            looks(self._features),
        )


class Dreamer:
    """The networks that dreaming needs, and one way to use them: `dream`."""

    def __init__(self, generator_path: Path, classifier_path: Path, device: torch.device):
        """Raises UserError if a file isn't what it should be."""
        self.device = device
        self.generator = Generator.load(generator_path).to(device)
        self.classifier = Classifier.load(classifier_path).to(device)
        self.encoder = Encoder.load(generator_path, self.classifier).to(device)

    def class_number(self, name: str) -> int:
        """The class of a name, however it is capitalised. Raises UserError with the nearest names."""
        lower = [label.lower() for label in self.classifier.labels]
        if name.lower() in lower:
            return lower.index(name.lower())
        near = difflib.get_close_matches(name.lower(), lower, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "the names are ImageNet's."
        raise UserError(f"no class {name!r}; {hint}")

    @torch.no_grad()
    def seen_in(self, codes: torch.Tensor) -> torch.Tensor:
        """[n] classes that the classifier sees in the pictures of codes."""
        batches = [self.classifier(self.generator(batch)).argmax(1) for batch in codes.split(BATCH_SIZE)]
        return torch.cat(batches)

    def dream(
        self,
        classes: Sequence[str],
        photos: Path | None,
        count: int,
        stop_at: float,
        max_steps: int = 80,
        seed: int = 0,
        progress: bool = True,
    ) -> Bank:
        """`count` climbs; without classes, to what the photos show, or else to any class."""
        wanted = torch.tensor([self.class_number(name) for name in classes], dtype=torch.int64)
        rng = np.random.default_rng(seed)
        if photos is None:
            starts = random_starts(count, seed, self.device)
        else:
            paths = find(photos)
            if not paths:
                raise UserError(f"{photos} holds no pictures; give a folder of photos.")
            chosen = [paths[i] for i in rng.permutation(max(count, len(paths)))[:count] % len(paths)]
            starts = photo_starts(chosen, self.encoder, self.device)
        if len(wanted):
            targets = wanted.repeat(-(-count // len(wanted)))[:count].to(self.device)
        elif photos is None:
            targets = torch.from_numpy(rng.permutation(max(count, 1000))[:count] % 1000).to(self.device)
        else:
            targets = self.seen_in(starts)
        stops = torch.full((count,), stop_at, device=self.device)
        return self.collect(starts, targets, stops, max_steps, seed, progress)

    def collect(
        self,
        starts: torch.Tensor,
        classes: torch.Tensor,
        stop_at: torch.Tensor,
        max_steps: int = 80,
        seed: int = 0,
        progress: bool = True,
    ) -> Bank:
        """Climb from every start [n, 4096] to its class [n] until its stop_at [n]; keep the good ones.

        A climb that reaches less than a tenth of its aim is dropped. Ctrl-C ends early with the
        bank so far. Raises UserError if nothing was worth keeping.
        """
        collection = Collection(self.generator, self.classifier)
        with bar(len(starts), "dreaming", "vector", progress) as progress_bar:
            try:
                for i in range(0, len(starts), BATCH_SIZE):
                    batch = slice(i, i + BATCH_SIZE)
                    aims = stop_at[batch]
                    done = climb(
                        self.generator,
                        self.classifier,
                        starts[batch],
                        classes[batch],
                        aims,
                        max_steps,
                        seed + i,
                    )
                    collection.add(done, classes[batch], 0.1 * aims)
                    progress_bar.update(len(aims))
                    progress_bar.set_postfix_str(f"{len(collection.codes)} kept")
            except KeyboardInterrupt:
                if not collection.codes:
                    raise
        if not collection.codes:
            raise UserError(
                "no climb arrived anywhere; try other classes, more --steps or a lower --stop-at."
            )
        return collection.bank()
