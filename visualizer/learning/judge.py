"""The judge: a second classifier, that nothing here is trained on or climbs.

What the climbed classifier says of a dream is what the dream was made to please; the judge wasn't asked.
It tells how good a vector is, and which pictures look alike.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from visualizer.learning.classifier import Classifier, probability_of


class Judge(Classifier):
    """EfficientNet-Lite2; a `Classifier` in all it does."""

    kind: ClassVar = "judge"

    def verdict(
        self, pictures: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(pooled features [n, 1280], probability [n] and rank [n], 1 the first, of classes [n])."""
        pooled = self.pooled(pictures)
        logits = self.net.classify(pooled)
        ranks = (logits > logits.gather(1, classes[:, None])).sum(1) + 1
        return pooled, probability_of(logits, classes), ranks
