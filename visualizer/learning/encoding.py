"""Encoding a person's own photos as a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.latent.bank import Bank
from visualizer.learning.classifier import Classifier
from visualizer.learning.collection import looks, style_of
from visualizer.learning.dream import probability_of
from visualizer.learning.encoder import Encoder
from visualizer.learning.judge import Judge
from visualizer.learning.pictures import find, to_tensor, try_read
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
    codes, names, classes, probability, features, skipped = [], [], [], [], [], []
    judged, ranks = [], []
    with bar(len(paths), "encoding", "photo", progress) as progress_bar:
        for path in paths:
            picture = try_read(path, PICTURE_SIZE)
            if picture is None:
                skipped.append(path)
            else:
                code = encoder(to_tensor(picture[None]))
                made = generator(code)
                seen = classifier(made).softmax(1)[0]
                features.append(judge.pooled(made))
                logits = judge.net.classify(features[-1])
                codes.append(code[0].numpy())
                names.append(path.stem)
                classes.append(int(seen.argmax()))
                probability.append(float(seen.max()))
                judged.append(float(probability_of(logits, torch.tensor(classes[-1:]))))
                ranks.append(int((logits > logits[0, classes[-1]]).sum()) + 1)
            progress_bar.update()
    if not codes:
        raise UserError(
            f"{', '.join(map(str, photos[:3]))}: no readable pictures; give photos or folders of them."
        )
    bank = Bank(
        np.array(codes, np.float32),
        np.array(classes),
        tuple(names),
        np.array(probability, np.float32),
        np.array(judged, np.float32),
        np.array(ranks),
        np.zeros(len(codes), np.int64),
        np.array([style_of(p) for p in probability]),
        np.zeros(len(codes), np.int64),
        looks(torch.cat(features)),
    )
    return bank, skipped
