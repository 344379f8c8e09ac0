"""Classifiers: the eyes that judge pictures while the generator learns and dreams."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import nn

from visualizer.common import weights
from visualizer.learning.efficientnet import EfficientNetLite
from visualizer.neural.layout import channels_last

# What the scales of a quantised tensor are called, after its own name.
SCALE = ".scale"


class Classifier(nn.Module):
    """A frozen ImageNet classifier that takes pictures as this project holds them.

    Pictures are [n, 3, h, w] sRGB in 0..1, height and width multiples of 32.
    """

    kind: ClassVar = "classifier"

    def __init__(self, net: EfficientNetLite, labels: list[str]):
        super().__init__()
        self.net = net.requires_grad_(False).eval()
        self.labels = labels

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file of this kind. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, cls.kind)
        net = EfficientNetLite(metadata["variant"])
        net.load_state_dict(dequantised(tensors))
        return channels_last(cls(net, metadata["labels"].split("\n")))

    @staticmethod
    def normalise(pictures: torch.Tensor) -> torch.Tensor:
        """0..1 to the network's (rgb255 - 127) / 128."""
        return (pictures * 255 - 127) / 128

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps at strides 4, 8, 16 and 32."""
        return self.net.features(self.normalise(pictures))

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        """[n, 1280] features that the classes are told from."""
        return self.net.pooled(self.features(pictures)[-1])

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """[n, 1000] logits."""
        return self.net(self.normalise(pictures))


def dequantised(small: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The float32 weights of a file that may have large ones as int8, with a scale [outputs] for each."""
    state = {}
    for name, weight in small.items():
        if name.endswith(SCALE):
            continue
        scale = small.get(name + SCALE)
        state[name] = weight if scale is None else weight * scale.view(-1, *[1] * (weight.dim() - 1))
    return state


def probability_of(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """[n] probabilities of classes [n] by logits [n, 1000]."""
    return logits.detach().float().softmax(1).gather(1, classes[:, None])[:, 0]
