"""The judge: a second classifier, that nothing here is trained on or climbs.

What the climbed classifier says of a dream is what the dream was made to please; the judge wasn't asked.
It tells how good a vector is, and which pictures look alike.
"""

from __future__ import annotations

from pathlib import Path

import torch

from visualizer import weights
from visualizer.neural.classifier import Classifier
from visualizer.neural.efficientnet import EfficientNetLite
from visualizer.neural.layout import channels_last

FEATURES = 1280
# What is rounded to 8 bits: two thirds of all numbers, and those that bear it best.
ROUNDED = ("stages.3", "stages.4", "stages.5", "stages.6", "head.weight", "classify.weight")
EXACT = ("depthwise", "project", "bias")
SCALE = ".scale"


class Judge(Classifier):
    """EfficientNet-Lite2; a `Classifier` in all it does."""

    @classmethod
    def load(cls, path: Path | str) -> Judge:
        """Read a judge file. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "judge")
        net = EfficientNetLite(metadata["variant"])
        net.load_state_dict(restored(tensors))
        return channels_last(cls(net, metadata["labels"].split("\n")))


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network's weights with the large ones as int8, and a scale [outputs] for each of these."""
    small: dict[str, torch.Tensor] = {}
    for name, weight in state.items():
        if not name.startswith(ROUNDED) or any(part in name for part in EXACT):
            small[name] = weight
            continue
        rows = weight.flatten(1)
        scale = (rows.abs().amax(1) / 127).half()
        small[name] = (rows / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(weight)
        small[name + SCALE] = scale
    return small


def restored(small: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The float32 weights of what `rounded` made."""
    state = {}
    for name, weight in small.items():
        if name.endswith(SCALE):
            continue
        scale = small.get(name + SCALE)
        state[name] = weight if scale is None else weight * scale.view(-1, *[1] * (weight.dim() - 1))
    return state
