"""The dreams worth keeping: what is refused, how many of each style, and how to go on later."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.bank import STYLES, Bank
from visualizer.learning.classifier import Classifier, probability_of
from visualizer.learning.dream import Dream
from visualizer.learning.efficientnet import HEAD_CHANNELS, N_CLASSES
from visualizer.learning.eyes import for_classifiers
from visualizer.learning.judge import Judge
from visualizer.learning.relief import luminance
from visualizer.learning.starts import random_starts
from visualizer.neural.generator import Generator
from visualizer.neural.generators import AnyGenerator
from visualizer.neural.layout import to_uint8
from visualizer.neural.precision import fast_numbers

# The probability at which a climb to each style ends.
STOPS = {"abstract": 0.15, "balanced": 0.4, "concrete": 0.8}
# What stays below this share of its aim, and of the most abstract style, shows nothing of the class.
LEAST = 0.3
# Pictures with less contrast than this (luminance deviation, 0..1) show nothing.
MUD = 0.05
# Pictures more alike than this (cosine of the judge's pooled features) are the same twice; so are such codes.
TWIN = 0.95
TWIN_CODE = 0.99
GARBAGE_SAMPLES = 48
LOOK_DIM = 128
THUMBNAIL = 64


def looks(features: torch.Tensor) -> np.ndarray:
    """[n, 128] float32: pooled features of the judge [n, 1280], normalised, in their main dimensions."""
    unit = F.normalize(features.float(), dim=1)
    centred = unit - unit.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:LOOK_DIM]
    flat = centred @ axes.T
    return F.pad(flat, (0, LOOK_DIM - flat.shape[1])).cpu().numpy()


def style_of(probability: float) -> int:
    """The place in `STYLES` of what reached a probability."""
    return sum(probability >= STOPS[style] for style in STYLES[1:])


class Garbage:
    """What the generator draws of codes that mean nothing: its favourite picture, seen again and again.

    A picture is garbage if it is as near to the mean look of such pictures as nine in ten of them are.
    """

    def __init__(self, generator: Generator, judge: Judge, radius: float, device: torch.device):
        """radius: the norm of the codes to try."""
        codes = random_starts(GARBAGE_SAMPLES, 0, device)
        codes *= radius / codes.norm(dim=1, keepdim=True)
        with fast_numbers(device):
            features = torch.cat([judge.pooled(generator(batch)) for batch in codes.split(24)])
        unit = F.normalize(features.float(), dim=1)
        self._mean = F.normalize(unit.mean(0), dim=0)
        self.limit = float((unit @ self._mean).quantile(0.1))

    def __call__(self, unit: torch.Tensor) -> torch.Tensor:
        """[n] bool of normalised features [n, 1280]."""
        return unit @ self._mean > self.limit


class Collection:
    """The vectors kept so far, and how many are wanted of each style.

    What is kept is measured as it will be stored: float16 codes, drawn and looked at in float32.
    """

    def __init__(
        self,
        generator: AnyGenerator,
        classifier: Classifier,
        judge: Judge,
        garbage: Garbage | None,
        count: int,
        shares: dict[str, float] | None,
        seed: int,
    ):
        """count: vectors wanted in all; shares: of each style, adding up to 1, or None for whatever comes.
        garbage: None where a generator draws something of every code."""
        self._generator, self._classifier, self._judge, self._garbage = generator, classifier, judge, garbage
        self.count, self._shares, self.seed = count, shares, seed
        self.climbs = 0
        """Climbs so far, kept or not."""
        self.tried = np.zeros(N_CLASSES, np.int64)
        """[1000]: climbs to each class so far."""
        self.refused: Counter[str] = Counter()
        """Why climbs were dropped."""
        self._rows: dict[str, torch.Tensor] = {
            "codes": torch.zeros(0, generator.code_dim, dtype=torch.float16),
            "features": torch.zeros(0, HEAD_CHANNELS),
            "thumbnails": torch.zeros(0, THUMBNAIL, THUMBNAIL, 3, dtype=torch.uint8),
            "classes": torch.zeros(0, dtype=torch.int64),
            "probability": torch.zeros(0),
            "judged": torch.zeros(0),
            "ranks": torch.zeros(0, dtype=torch.int64),
            "steps": torch.zeros(0, dtype=torch.int64),
            "styles": torch.zeros(0, dtype=torch.int64),
        }

    def __len__(self) -> int:
        return len(self._rows["codes"])

    @property
    def missing(self) -> np.ndarray:
        """[3]: how many are still wanted of each style; of all together, where no shares are asked for."""
        if self._shares is None:
            return np.full(len(STYLES), self.count - len(self))
        ends = np.cumsum([self._shares.get(style, 0.0) for style in STYLES]) * self.count
        wanted = np.diff(np.round(ends).astype(int), prepend=0)
        return wanted - np.bincount(self._rows["styles"].numpy(), minlength=len(STYLES))

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to look for."""
        return len(self) >= self.count

    @property
    def thumbnails(self) -> np.ndarray:
        """[n, 64, 64, 3] uint8."""
        return self._rows["thumbnails"].numpy()

    @torch.no_grad()
    def add(self, dream: Dream, classes: torch.Tensor, aims: torch.Tensor) -> None:
        """Keep the climbs of a batch that show their class and something new; aims: [n], where they stop."""
        codes = dream.codes.half()
        pictures = for_classifiers(self._generator(codes.float()))
        contrast = luminance(pictures).std((1, 2, 3)).tolist()
        probability = probability_of(self._classifier(pictures), classes)
        pooled, judged, ranks = self._judge.verdict(pictures, classes)
        unit = F.normalize(pooled, dim=1).cpu()
        garbage = [False] * len(codes)
        if self._garbage is not None:
            garbage = self._garbage(unit.to(pooled.device)).tolist()
        small = to_uint8(F.interpolate(pictures, THUMBNAIL, mode="bilinear", antialias=True))
        for i in range(len(codes)):
            self.climbs += 1
            self.tried[int(classes[i])] += 1
            style = style_of(float(probability[i]))
            reason = None
            if probability[i] < LEAST * min(float(aims[i]), STOPS["abstract"]):
                reason = "failed"
            elif contrast[i] < MUD:
                reason = "mud"
            elif garbage[i]:
                reason = "garbage"
            elif self._has_twin(codes[i].cpu(), unit[i]):
                reason = "twins"
            elif self.complete or self.missing[style] <= 0:
                reason = "surplus"
            if reason:
                self.refused[reason] += 1
                continue
            row = {
                "codes": codes[i].cpu(),
                "features": unit[i],
                "thumbnails": torch.from_numpy(small[i]),
                "classes": classes[i].cpu(),
                "probability": probability[i].cpu(),
                "judged": judged[i].cpu(),
                "ranks": ranks[i].cpu(),
                "steps": dream.steps[i],
                "styles": torch.tensor(style),
            }
            self._rows = {name: torch.cat([rows, row[name][None]]) for name, rows in self._rows.items()}

    def _has_twin(self, code: torch.Tensor, looks: torch.Tensor) -> bool:
        """Whether something kept looks the same to the judge, features [1280], or has nearly the code."""
        if not len(self):
            return False
        if float((self._rows["features"] @ looks).max()) >= TWIN:
            return True
        codes = self._rows["codes"].float()
        return float(F.cosine_similarity(codes, code.float(), dim=1).max()) >= TWIN_CODE

    def report(self) -> str:
        """A clause that says how many climbs there were, and what became of those not kept."""
        refused = ", ".join(f"{count} {reason}" for reason, count in self.refused.most_common())
        return f"{self.climbs} climbs" + (f" ({refused})" if refused else "")

    def captions(self) -> list[str]:
        """Of each, its class."""
        return [self._classifier.labels[c] for c in self._rows["classes"].tolist()]

    def bank(self) -> Bank:
        """What was kept."""
        arrays = {name: rows.numpy() for name, rows in self._rows.items()}
        return Bank(
            codes=arrays["codes"].astype(np.float32),
            classes=arrays["classes"],
            labels=tuple(self.captions()),
            probability=arrays["probability"],
            judged=arrays["judged"],
            ranks=arrays["ranks"],
            steps=arrays["steps"],
            styles=arrays["styles"],
            seeds=np.full(len(self), self.seed, np.int64),
            looks=looks(self._rows["features"]),
            space=self._generator.space,
        )

    def save(self, path: Path, order: str) -> None:
        """Write a checkpoint; order: what the run was asked to do. Raises UserError."""
        tensors = {**self._rows, "tried": torch.from_numpy(self.tried)}
        refused = "\n".join(f"{reason} {count}" for reason, count in self.refused.items())
        metadata = {"order": order, "climbs": str(self.climbs), "refused": refused}
        weights.save(path, "dreams", tensors, metadata, half=False)

    def resume(self, path: Path, order: str) -> None:
        """Go on from a checkpoint. Raises UserError if it is none, or of another order."""
        tensors, metadata = weights.load(path, "dreams")
        if metadata["order"] != order:
            raise UserError(
                f"{path} was begun with other options ({metadata['order']}); "
                "give the same again, or dream without --resume."
            )
        self.climbs = int(metadata["climbs"])
        self.tried = tensors.pop("tried").numpy()
        for line in filter(None, metadata["refused"].split("\n")):
            reason, count = line.split()
            self.refused[reason] = int(count)
        self._rows = {name: tensors[name].to(rows.dtype) for name, rows in self._rows.items()}
