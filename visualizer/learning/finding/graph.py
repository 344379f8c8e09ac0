"""A frozen network that is a list of steps: what BlazePose's networks are once they are converted.

The list is text (JSON) beside the tensors of a safetensors file; a step names one of a dozen operations, and
what it takes by number. Nothing else can be written there, so nothing else can be run.
"""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Step = dict[str, Any]


class Graph(nn.Module):
    """Pictures [n, h, w, 3] to the outputs that were asked for at conversion; differentiable.

    steps: each is {"op", "in": names of what it takes, "out": its own name, ...}; tensors: by name.
    """

    def __init__(self, steps: list[Step], outputs: dict[str, str], tensors: dict[str, torch.Tensor]):
        """outputs: what each is called by whom it is for, and here."""
        super().__init__()
        self._steps, self._outputs = steps, outputs
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)
        # After its last use a map is let go.
        self._last = {name: i for i, step in enumerate(steps) for name in step["in"]}

    @classmethod
    def read(cls, text: str, tensors: dict[str, torch.Tensor]) -> Graph:
        """text: of `text`. tensors: those of its names are taken."""
        found = json.loads(text)
        names = {name for step in found["steps"] for name in step["in"]} & set(tensors)
        return cls(found["steps"], found["outputs"], {name: tensors[name] for name in names})

    @property
    def text(self) -> str:
        """All but the tensors."""
        return json.dumps({"steps": self._steps, "outputs": self._outputs})

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        known = {"pictures": pictures}
        kept = set(self._outputs.values())
        for i, step in enumerate(self._steps):
            taken = [known[name] if name in known else self.get_buffer(name) for name in step["in"]]
            known[step["out"]] = OPERATIONS[step["op"]](step, *taken)
            for name in step["in"]:
                if self._last[name] == i and name not in kept:
                    known.pop(name, None)
        return {name: known[inner] for name, inner in self._outputs.items()}


def _convolution(step: Step, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    (top, left), (bottom, right) = step["pads"]
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, None, step["strides"], (top, left), 1, groups)


def _pad(step: Step, x: torch.Tensor) -> torch.Tensor:
    ends = zip(reversed(step["begin"]), reversed(step["end"]))
    return F.pad(x, [n for pair in ends for n in pair])


def _enlarge(step: Step, x: torch.Tensor) -> torch.Tensor:
    """Of [n, h, w, c]."""
    x = F.interpolate(x.permute(0, 3, 1, 2), step["size"], mode="bilinear", align_corners=False)
    return x.permute(0, 2, 3, 1)


def _depth_to_space(step: Step, x: torch.Tensor) -> torch.Tensor:
    """The block's place leads the channels, not as in a pixel shuffle."""
    n, c, h, w = x.shape
    size = step["size"]
    x = x.view(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // size**2, h * size, w * size)


OPERATIONS: dict[str, Any] = {
    "add": lambda step, x, y: x + y,
    "clamp": lambda step, x: x.clamp(step["min"], step["max"]),
    "concat": lambda step, *parts: torch.cat(parts, step["axis"]),
    "convolution": _convolution,
    "depth_to_space": _depth_to_space,
    "enlarge": _enlarge,
    "max_pool": lambda step, x: F.max_pool2d(x, step["kernel"], step["strides"]),
    "pad": _pad,
    "reshape": lambda step, x: x.reshape(len(x), *step["shape"]),
    "sigmoid": lambda step, x: torch.sigmoid(x),
    "transpose": lambda step, x: x.permute(step["order"]),
}
