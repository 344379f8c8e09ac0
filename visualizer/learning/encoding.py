"""Encoding a person's own photos as a bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from visualizer.common.errors import UserError
from visualizer.common.files import shown
from visualizer.common.progress import bar
from visualizer.latent.bank import Bank
from visualizer.learning.classifier import Classifier
from visualizer.learning.describing import Description
from visualizer.learning.encoder import Encoder
from visualizer.learning.inversion import invert
from visualizer.learning.judge import Judge
from visualizer.learning.photo import try_read
from visualizer.learning.pictures import Photos, to_tensor
from visualizer.neural import generators
from visualizer.neural.generator import PICTURE_SIZE
from visualizer.neural.stylegan.imported import StyleGan


def encode_photos(
    photos: Sequence[Path],
    generator_path: Path,
    classifier_path: Path,
    judge_path: Path,
    progress: bool = True,
) -> tuple[Bank, list[Path]]:
    """A bank of the photos in files and folders, and the files that are no pictures.

    Each vector is named after its file, and carries the class that the classifier sees in the
    picture made of it. For a StyleGAN each is searched for, which takes a hundred times as long; Ctrl-C keeps
    what was found. Raises UserError if none can be read.
    """
    classifier, judge = Classifier.load(classifier_path), Judge.load(judge_path)
    generator = generators.load(generator_path)
    encode: Callable[[torch.Tensor], torch.Tensor]
    if isinstance(generator, StyleGan):
        network = generator

        def encode(pictures: torch.Tensor) -> torch.Tensor:
            return invert(network, classifier, pictures)
    else:
        encode = Encoder.load(generator_path, classifier)
    pictures, description = Photos(photos), Description(classifier, judge)
    try:
        for path, picture in pictures.each(
            partial(try_read, size=PICTURE_SIZE), "encoding", progress, "photo"
        ):
            codes = encode(to_tensor(picture[None])).detach()
            with torch.no_grad():
                description.add(codes, generator(codes), [shown(path.stem)])
    except KeyboardInterrupt:
        if not len(description):
            raise
    if not len(description):
        raise UserError(f"{pictures.called}: no readable pictures; give photos or folders of them.")
    return description.bank(generator.space), pictures.skipped


def describe_random(
    generator_path: Path,
    count: int,
    truncation: float,
    seed: int,
    classifier_path: Path,
    judge_path: Path,
    device: torch.device,
    progress: bool = True,
) -> tuple[Bank, bool]:
    """(a bank of `count` random codes of a StyleGAN, whether Ctrl-C ended it early).

    truncation: 1 leaves all variety, 0 the average picture alone. Raises UserError for another generator.
    """
    generator = generators.load(generator_path)
    if not isinstance(generator, StyleGan):
        raise UserError(
            f"{generator_path}: of random codes only an imported StyleGAN draws something; leave out "
            f"--random, and vectors worth seeing are looked for."
        )
    classifier = Classifier.load(classifier_path).to(device)
    description = Description(classifier, Judge.load(judge_path).to(device))
    codes = generator.random_codes(count, seed, truncation)[0].to(device)
    generator = generator.to(device)
    with bar(count, "drawing", "vector", progress) as progress_bar:
        try:
            for batch in codes.split(4):
                with torch.no_grad():
                    description.add(batch, generator(batch))
                progress_bar.update(len(batch))
        except KeyboardInterrupt:
            if not len(description):
                raise
    return description.bank(generator.space, seed), len(description) < count
