"""Encoding a person's own photos as a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from visualizer.common.errors import UserError
from visualizer.common.files import shown
from visualizer.common.progress import bar
from visualizer.latent.bank import Bank
from visualizer.learning.classifier import Classifier
from visualizer.learning.collection import looks, style_of
from visualizer.learning.encoder import Encoder
from visualizer.learning.judge import Judge
from visualizer.learning.photo import try_read
from visualizer.learning.pictures import find, to_tensor
from visualizer.neural.generator import PICTURE_SIZE, Generator


@torch.no_grad()
def encode_photos(
    photos: Sequence[Path],
    generator_path: Path,
    classifier_path: Path,
    judge_path: Path,
    progress: bool = True,
) -> tuple[Bank, list[Path]]:
    """A bank of the photos in files and folders, and the files that are no pictures.

    Each vector is named after its file, and carries the class that the classifier sees in the
    picture made of it. Raises UserError if none can be read.
    """
    classifier, judge = Classifier.load(classifier_path), Judge.load(judge_path)
    encoder, generator = Encoder.load(generator_path, classifier), Generator.load(generator_path)
    paths = [p for photo in photos for p in (find(photo) if photo.is_dir() else [photo])]
    names, seen, skipped = [], [], []
    with bar(len(paths), "encoding", "photo", progress) as progress_bar:
        for path in paths:
            picture = try_read(path, PICTURE_SIZE)
            if picture is None:
                skipped.append(path)
            else:
                names.append(shown(path.stem))
                code = encoder(to_tensor(picture[None]))
                made = generator(code)
                probability, label = classifier(made).softmax(1).max(1)
                seen.append((code, label, probability, *judge.verdict(made, label)))
            progress_bar.update()
    if not names:
        raise UserError(
            f"{', '.join(map(str, photos[:3]))}: no readable pictures; give photos or folders of them."
        )
    codes, classes, probabilities, features, judged, ranks = map(torch.cat, zip(*seen))
    bank = Bank(
        codes=codes.numpy(),
        classes=classes.numpy(),
        labels=tuple(names),
        probability=probabilities.numpy(),
        judged=judged.numpy(),
        ranks=ranks.numpy(),
        steps=np.zeros(len(names), np.int64),
        styles=np.array([style_of(p) for p in probabilities.tolist()]),
        seeds=np.zeros(len(names), np.int64),
        looks=looks(features),
    )
    return bank, skipped
