"""Dreaming a bank: batch after batch of climbs, until enough are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.latent import names
from visualizer.latent.bank import STYLES, Bank
from visualizer.learning import sheet
from visualizer.learning.classifier import Classifier
from visualizer.learning.collection import STOPS, Collection, Garbage
from visualizer.learning.dream import Region, climb
from visualizer.learning.efficientnet import N_CLASSES
from visualizer.learning.encoder import Encoder
from visualizer.learning.judge import Judge
from visualizer.learning.starts import (
    BATCH_SIZE,
    AsPhotographed,
    BankAgain,
    BankNeighbours,
    NearestPhotos,
    Photos,
    RandomStarts,
    Starts,
    random_w,
)
from visualizer.neural import generators
from visualizer.neural.generator import CODE_CHANNELS, Generator
from visualizer.neural.generators import AnyGenerator
from visualizer.neural.stylegan.imported import StyleGan

SHARES = {"abstract": 0.6, "balanced": 0.3, "concrete": 0.1}
# Climbs for each vector wanted, after which a run ends with what it has.
PATIENCE = 4


def class_numbers(wanted: str) -> list[int]:
    """The ImageNet classes of comma-separated names, none twice. Raises UserError for an unknown one."""
    found = [number for name in wanted.split(",") if name.strip() for number in names.find(name.strip())]
    if not found:
        raise UserError("--classes names nothing; write for example --classes 'goldfish, red fox'.")
    return list(dict.fromkeys(found))


def checkpoint_path(output: Path) -> Path:
    """Where an unfinished run is kept."""
    return output.with_suffix(".checkpoint.safetensors")


def preview_path(output: Path) -> Path:
    """Where the sheet of thumbnails is that grows while dreaming."""
    return output.with_suffix(".preview.jpg")


class Dreamer:
    """The networks that dreaming needs, and one way to use them: `dream`."""

    def __init__(self, device: torch.device, generator: Path | None = None):
        """generator: a file; None is the shipped one. Raises UserError if it isn't what it should be."""
        path = generator or assets.model("generator.safetensors")
        self.path = path
        self.device = device
        self.generator: AnyGenerator = generators.load(path).to(device)
        self.classifier = Classifier.load(assets.model("classifier.safetensors")).to(device)
        self.judge = Judge.load(assets.model("judge.safetensors")).to(device)
        self.encoder = None
        if isinstance(self.generator, Generator):
            self.encoder = Encoder.load(path, self.classifier).to(device)

    def starts(
        self, classes: Sequence[int] | None, photos: Sequence[Path], seed: int, again: Path | None = None
    ) -> Starts:
        """Photos, or else the shipped bank, climbed to the given classes in turn or to what they show.

        again: or another bank's vectors, each to what it is. Raises UserError if it isn't one.
        """
        if again:
            bank = Bank.load(again)
            noise = None
            if isinstance(self.generator, StyleGan):
                generators.space(self.generator, self.path).check(bank, again)
                noise = partial(random_w, self.generator)
            return BankAgain(bank, self.device, seed, noise)
        if isinstance(self.generator, StyleGan):
            if photos:
                raise UserError(
                    "a StyleGAN doesn't know photos at first sight; encode them for it, and give that bank "
                    "with --again."
                )
            return RandomStarts(classes or range(N_CLASSES), self.generator, self.device, seed)
        assert self.encoder is not None
        album = Photos(photos, self.encoder, self.device, seed) if photos else None
        if album and classes is None:
            return AsPhotographed(album)
        classes = range(N_CLASSES) if classes is None else classes
        if album:
            return NearestPhotos(classes, album, seed)
        bank = Bank.load(assets.model("bank.safetensors"))
        return BankNeighbours(classes, bank, self.device, seed)

    def dream(
        self,
        output: Path,
        starts: Starts,
        count: int,
        stop_at: float | None = None,
        style: str | None = None,
        max_steps: int = 60,
        seed: int = 0,
        resume: bool = False,
        order: dict | None = None,
        progress: bool = True,
    ) -> tuple[Collection, bool]:
        """Collect `count` vectors: (what was kept, whether Ctrl-C ended it early).

        stop_at: where all climbs end, whatever style that is; style: the only one wanted; neither: the
        three styles 6:3:1. After every batch a checkpoint and a sheet of thumbnails are written beside
        the output, and `resume` goes on from there as if nothing had happened. order: what the person
        asked for, by which a checkpoint is known. Raises UserError.
        """
        shares = None if stop_at is not None else {style: 1.0} if style else SHARES
        own = isinstance(self.generator, Generator)
        region = Region.around(starts.sample(), CODE_CHANNELS if own else self.generator.code_dim)
        garbage = None
        if isinstance(self.generator, Generator):
            with torch.no_grad():
                garbage = Garbage(self.generator, self.judge, (region.least + region.most) / 2, self.device)
        kept = Collection(self.generator, self.classifier, self.judge, garbage, count, shares, seed)
        checkpoint, known_as = checkpoint_path(output), json.dumps(order or {}, sort_keys=True)
        if resume and checkpoint.is_file():
            kept.resume(checkpoint, known_as)
        interrupted = False
        with bar(count, "dreaming", "vector", progress) as progress_bar:
            progress_bar.update(len(kept))
            try:
                while not kept.complete and kept.climbs < PATIENCE * count + 2 * BATCH_SIZE:
                    before, aims = len(kept), self._aims(kept, stop_at, starts)
                    codes, classes = starts.next(kept.climbs, len(aims), kept.tried)
                    climb_seed = int(np.random.default_rng([seed, 4, kept.climbs]).integers(2**31))
                    done = climb(
                        self.generator, self.classifier, codes, classes, aims, region, max_steps, climb_seed
                    )
                    kept.add(done, classes, aims)
                    kept.save(checkpoint, known_as)
                    progress_bar.update(len(kept) - before)
                    progress_bar.set_postfix_str(f"{kept.climbs} climbs")
                    if len(kept) > before:
                        sheet.of_thumbnails(kept.thumbnails).save(preview_path(output), quality=85)
            except KeyboardInterrupt:
                interrupted = True
        if not len(kept):
            if interrupted:
                raise KeyboardInterrupt
            raise UserError(
                "no climb arrived anywhere; try other classes, more --steps or a lower --stop-at."
            )
        return kept, interrupted

    def _aims(self, kept: Collection, stop_at: float | None, starts: Starts) -> torch.Tensor:
        """[n] probabilities at which the climbs of the next batch stop: the styles as they are missing."""
        n = min(BATCH_SIZE, 2 * (kept.count - len(kept)) + 2)
        if stop_at is not None:
            return torch.full((n,), stop_at, device=self.device)
        missing = kept.missing.clip(0)
        rng = np.random.default_rng([kept.seed, 5, kept.climbs])
        styles = rng.choice(len(STYLES), n, p=missing / missing.sum())
        own = starts.styles(kept.climbs, n)
        if own is not None:
            styles = np.where(missing[own] > 0, own, styles)
        return torch.tensor([STOPS[STYLES[i]] for i in styles], device=self.device)
