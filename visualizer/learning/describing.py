"""Describing pictures: what a classifier and the judge see in them, as a bank keeps it."""

from __future__ import annotations

import numpy as np
import torch

from visualizer.latent.bank import Bank
from visualizer.learning.classifier import Classifier
from visualizer.learning.collection import looks, style_of
from visualizer.learning.eyes import for_classifiers
from visualizer.learning.judge import Judge


class Description:
    """A bank that grows: codes are put in with the pictures made of them."""

    def __init__(self, classifier: Classifier, judge: Judge):
        self._classifier, self._judge = classifier, judge
        self._names: list[str] = []
        self._seen: list[tuple[torch.Tensor, ...]] = []

    def __len__(self) -> int:
        return len(self._names)

    @torch.no_grad()
    def add(self, codes: torch.Tensor, pictures: torch.Tensor, names: list[str] | None = None) -> None:
        """codes: [n, d]; pictures: [n, 3, h, w], 0..1; names: None calls them what the classifier sees."""
        pictures = for_classifiers(pictures)
        probability, classes = self._classifier(pictures).float().softmax(1).max(1)
        verdict = self._judge.verdict(pictures, classes)
        self._seen.append(tuple(t.cpu() for t in (codes, classes, probability, *verdict)))
        self._names.extend(names or [self._classifier.labels[c] for c in classes.tolist()])

    def bank(self, space: str, seed: int = 0) -> Bank:
        """All that was put in. space: the mark of the codes' generator."""
        codes, classes, probabilities, features, judged, ranks = map(torch.cat, zip(*self._seen, strict=True))
        return Bank(
            codes=codes.float().numpy(),
            classes=classes.numpy(),
            labels=tuple(self._names),
            probability=probabilities.numpy(),
            judged=judged.numpy(),
            ranks=ranks.numpy(),
            steps=np.zeros(len(self), np.int64),
            styles=np.array([style_of(p) for p in probabilities.tolist()]),
            seeds=np.full(len(self), seed, np.int64),
            looks=looks(features),
            space=space,
        )
