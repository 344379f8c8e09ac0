"""Two generators side by side, for eyes: pages of vectors of the bank, and of mixtures of them."""

from pathlib import Path

import numpy as np
from subject import Subject, smaller

from visualizer.common import assets
from visualizer.latent.bank import Bank
from visualizer.learning.sheet import contact_sheet

COUNT, PAGE, COLUMNS, TILE = 100, 20, 4, 224


def pages(other: Path, generator: Path, sheet: Path, seed: int) -> list[Path]:
    """Write them beside `sheet`: sheet-vectors-1.jpg and so on. Returns their paths.

    Each pair has the other generator on the left and the generator on the right.
    """
    bank = Bank.load(assets.model("bank.safetensors"))
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(bank))[: min(COUNT, len(bank))]
    matter = rng.permutation(len(bank))[: len(chosen)]
    subjects = [Subject(path, []) for path in (other, generator)]
    written = []
    for what, made_of in (("vectors", None), ("mixtures", matter)):
        captions = [bank.labels[i] for i in chosen]
        if made_of is not None:
            captions = [f"{label}, of {bank.labels[i]}" for label, i in zip(captions, made_of)]
        for n, start in enumerate(range(0, len(chosen), PAGE), 1):
            span = slice(start, start + PAGE)
            codes = [bank.codes[index[span]] for index in (chosen, made_of) if index is not None]
            drawn = [smaller(subject.draw(*codes)) for subject in subjects]
            texts = [
                text for i, label in enumerate(captions[span], start + 1) for text in (f"{i} {label}", "")
            ]
            page = contact_sheet(
                np.stack(drawn, 1).reshape(-1, *drawn[0].shape[1:]), texts, 2 * COLUMNS, TILE
            )
            path = sheet.with_name(f"{sheet.stem}-{what}-{n}{sheet.suffix}")
            page.save(path, quality=90)
            written.append(path)
    return written
