"""The encoder: a picture in, its 4096-dimensional code out."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.common import weights
from visualizer.learning.classifier import Classifier
from visualizer.neural.generator import CODE_CHANNELS, CODE_SIZE, strip_prefix


class Encoder(nn.Module):
    """Pictures [n, 3, 256, 256] to codes [n, 4096].

    The classifier's deepest feature map, averaged to 4×4, its channels rotated and scaled by a
    principal component analysis such that every number has variance 1 over the training photos.
    The whitening belongs to the generator trained on it and lives in the same file.
    """

    mean: torch.Tensor
    whiten: torch.Tensor

    def __init__(self, classifier: Classifier, mean: torch.Tensor, whiten: torch.Tensor):
        """mean: [320] feature mean; whiten: [256, 320] scaled principal axes."""
        super().__init__()
        self.classifier = classifier
        self.register_buffer("mean", mean)
        self.register_buffer("whiten", whiten)

    @classmethod
    def load(cls, path: Path | str, classifier: Classifier) -> Encoder:
        """Read the whitening from a generator file. Raises UserError if it isn't one."""
        tensors, _ = weights.load(path, "generator")
        return cls(classifier, **strip_prefix(tensors, "encoder."))

    @classmethod
    def fit(cls, classifier: Classifier, pooled: torch.Tensor) -> Encoder:
        """Whitening from pooled features [n, 320, 4, 4] of many photos."""
        rows = pooled.double().permute(0, 2, 3, 1).reshape(-1, pooled.shape[1])
        mean = rows.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov((rows - mean).T))
        top = torch.argsort(variance, descending=True)[:CODE_CHANNELS]
        whiten = axes[:, top] / variance[top].sqrt()
        return cls(classifier, mean.float(), whiten.T.float().contiguous())

    @staticmethod
    def pool(deepest: torch.Tensor) -> torch.Tensor:
        """The classifier's deepest map [n, 320, 8, 8] averaged to [n, 320, 4, 4]."""
        return F.adaptive_avg_pool2d(deepest.float(), CODE_SIZE)

    def from_features(self, deepest: torch.Tensor) -> torch.Tensor:
        """Codes [n, 4096] from the classifier's deepest feature map."""
        with torch.autocast(deepest.device.type, enabled=False):  # 4096 numbers, kept exact
            centred = self.pool(deepest) - self.mean[:, None, None]
            return torch.einsum("kc,nchw->nkhw", self.whiten, centred).flatten(1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.from_features(self.classifier.features(pictures)[-1])
