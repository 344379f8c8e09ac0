"""The judge: a second classifier, that nothing here is trained on or climbs.

What the climbed classifier says of a dream is what the dream was made to please; the judge wasn't asked.
It tells how good a vector is, and which pictures look alike.
"""

from __future__ import annotations

from pathlib import Path

import torch

from visualizer.common import weights
from visualizer.learning.classifier import Classifier, probability_of
from visualizer.learning.efficientnet import EfficientNetLite
from visualizer.neural.layout import channels_last

# What the scales of a quantised tensor are called, after its own name.
SCALE = ".scale"


class Judge(Classifier):
    """EfficientNet-Lite2; a `Classifier` in all it does."""

    @classmethod
    def load(cls, path: Path | str) -> Judge:
        """Read a judge file. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "judge")
        net = EfficientNetLite(metadata["variant"])
        net.load_state_dict(dequantised(tensors))
        return channels_last(cls(net, metadata["labels"].split("\n")))

    def verdict(
        self, pictures: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(pooled features [n, 1280], probability [n] and rank [n], 1 the first, of classes [n])."""
        pooled = self.pooled(pictures)
        logits = self.net.classify(pooled)
        ranks = (logits > logits.gather(1, classes[:, None])).sum(1) + 1
        return pooled, probability_of(logits, classes), ranks


def dequantised(small: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The float32 weights; the file has the large ones as int8, with a scale [outputs] for each of them."""
    state = {}
    for name, weight in small.items():
        if name.endswith(SCALE):
            continue
        scale = small.get(name + SCALE)
        state[name] = weight if scale is None else weight * scale.view(-1, *[1] * (weight.dim() - 1))
    return state
