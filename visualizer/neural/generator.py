"""The generator: 4096 numbers in, a picture out.

It inverts the classifier's deep features (Dosovitskiy & Brox 2016, arXiv:1602.02644): the code is
a 4×4 map of 256 channels, grown by five or six upsampling blocks, each steered by the whole code. The map
says where things are, the steering what they are made of, and both may come from different codes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import count, pairwise, takewhile
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.neural.layout import channels_last

CODE_CHANNELS = 256
CODE_SIZE = 4
CODE_DIM = CODE_CHANNELS * CODE_SIZE * CODE_SIZE
# What five blocks draw, and what networks see of a photo.
PICTURE_SIZE = 256
CHANNELS = (192, 128, 64, 48, 16)
# The first size, 8, where shapes are decided, gets one more convolution.
REFINED = 1
STYLE_DIM = 256
# Of the batch normalisation that generators of earlier versions had.
NORM_EPSILON = 1e-5


class UpConv(nn.Conv2d):
    """×2 nearest upsampling and a 3×3 convolution in one.

    Of nine upsampled neighbours only four differ: a transposed convolution of stride 2 reads
    each once, with 4/9 of the multiplications for the same result.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(x, self.transposed_weight(), self.bias, stride=2, padding=1)

    def transposed_weight(self) -> torch.Tensor:
        """[inputs, outputs, 4, 4]: a source's effect on its surroundings."""
        # The filter, mirrored, around each of the source's four copies.
        effect = F.conv2d(
            self.weight.flatten(0, 1)[:, None].flip(2, 3), self.weight.new_ones(1, 1, 2, 2), padding=1
        )
        return effect.view(self.out_channels, self.in_channels, 4, 4).transpose(0, 1)


class UpBlock(nn.Module):
    """×2 nearest upsampling, two 3×3 convolutions, channel-wise modulation between them.

    A refined block adds the outcome of a third convolution to that of the second.
    """

    def __init__(self, inputs: int, outputs: int, refined: bool):
        super().__init__()
        self.conv1: nn.Module = UpConv(inputs, outputs)
        self.modulate = nn.Linear(STYLE_DIM, 2 * outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.refined = refined
        if refined:
            self.conv3 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        x = F.leaky_relu(self.conv1(x), 0.2)
        return self.steered(x, self.modulate(style)[:, :, None, None])

    def steered(self, x: torch.Tensor, steering: torch.Tensor) -> torch.Tensor:
        """All behind the first convolution. steering: scales and shifts [n, 2c, ...] of x [n, c, h, w]."""
        scale, shift = steering.chunk(2, dim=1)
        x = F.leaky_relu(self.conv2(torch.addcmul(shift, x, 1 + scale)), 0.2)
        if self.refined:
            x = x + F.leaky_relu(self.conv3(x), 0.2)
        return x


class Generator(nn.Module):
    """Codes [n, 4096] to pictures [n, 3, size, size], sRGB in 0..1.

    Five blocks draw 256×256 pictures, six 512×512. There is no normalisation: what trains from nothing scales
    its filters first (`learning.calibration`). A code that the encoder made of a photo has a standard
    deviation near 1 and a norm near 64; far outside that shell there is only mud.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, refined: int = REFINED) -> None:
        """channels: of each of the blocks; refined: how many of them, from the first, are."""
        super().__init__()
        self.channels, self.refined = tuple(channels), refined
        self.style = nn.Linear(CODE_DIM, STYLE_DIM)
        sizes = (CODE_CHANNELS, *channels)
        self.blocks = nn.ModuleList(UpBlock(i, o, n < refined) for n, (i, o) in enumerate(pairwise(sizes)))
        self.to_rgb = nn.Conv2d(channels[-1], 3 * 4, 3, padding=1)

    space = ""
    """The mark of the space of its codes: generators share one that were trained with the same encoder."""

    @property
    def code_dim(self) -> int:
        """Numbers in a code."""
        return self.style.in_features

    @property
    def picture_size(self) -> int:
        """Pixels across."""
        return 2 * CODE_SIZE * 2 ** len(self.blocks)

    def forward(self, shape: torch.Tensor, matter: torch.Tensor | None = None) -> torch.Tensor:
        """shape: [n, 4096], where things are; matter: [n, 4096], what they are made of, None for the same."""
        style = F.leaky_relu(self.style(shape if matter is None else matter), 0.2)
        x = shape.view(-1, CODE_CHANNELS, CODE_SIZE, CODE_SIZE)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, style)
        return torch.sigmoid(without_mesh(F.pixel_shuffle(self.to_rgb(x), 2)))

    @classmethod
    def load(cls, path: Path | str) -> Generator:
        """Read a generator file, of whatever channels. Raises UserError if it isn't one."""
        found = weights.load(path, "generator")[0]
        tensors = strip_prefix(found, "generator.")
        try:
            generator = cls.of(_without_norms(tensors))
        except (KeyError, RuntimeError):
            raise UserError(
                f"{path} holds a generator of another version's architecture; train it again with this one."
            ) from None
        generator.space = weights.fingerprint(strip_prefix(found, "encoder."))
        return channels_last(generator.eval().requires_grad_(False))

    @classmethod
    def of(cls, state: dict[str, torch.Tensor]) -> Generator:
        """The generator of a state, of whatever channels. Raises KeyError or RuntimeError if it has none."""
        generator = cls(*shape_of(state))
        generator.load_state_dict(state)
        return generator


def shape_of(state: dict[str, torch.Tensor]) -> tuple[list[int], int]:
    """The channels of a network's blocks, and how many are refined. Raises KeyError if it has none."""
    blocks = list(takewhile(lambda i: f"blocks.{i}.conv2.weight" in state, count()))
    if not blocks:
        raise KeyError("blocks")
    channels = [state[f"blocks.{i}.conv2.weight"].shape[0] for i in blocks]
    return channels, sum(f"blocks.{i}.conv3.weight" in state for i in blocks)


def _without_norms(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of an earlier version's generator, its batch normalisation folded into the convolutions."""
    folded = {name: tensor for name, tensor in tensors.items() if ".norm" not in name}
    for name in [name for name in tensors if name.endswith(".running_var")]:
        norm = name.removesuffix(".running_var")
        conv = norm.replace(".norm", ".conv")
        scale = tensors[f"{norm}.weight"] * torch.rsqrt(tensors[name] + NORM_EPSILON)
        folded[f"{conv}.weight"] = tensors[f"{conv}.weight"] * scale[:, None, None, None]
        folded[f"{conv}.bias"] = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    return folded


def without_mesh(x: torch.Tensor) -> torch.Tensor:
    """Each pixel averaged with its left and upper neighbours.

    This filter's response is zero at the Nyquist frequency, just where the four interleaved pictures of a
    pixel shuffle leave their mesh (Sugawara et al. 2018, arXiv:1806.02658); the generator learns in front
    of it and sharpens the rest.
    """
    x = F.pad(x, (1, 0, 1, 0), mode="replicate")
    x = x[..., 1:] + x[..., :-1]
    return 0.25 * (x[..., 1:, :] + x[..., :-1, :])


Drawing = TypeVar("Drawing", bound=nn.Module)


def fold_upsampling(generator: Drawing) -> Drawing:
    """A copy for inference: what upsampling makes of the filters is worked out once and for all."""
    generator = copy.deepcopy(generator)
    blocks = generator.blocks
    assert isinstance(blocks, nn.ModuleList)
    for block in blocks:
        assert isinstance(block, UpBlock) and isinstance(block.conv1, UpConv)
        block.conv1 = _transposed(block.conv1)
    return generator


def _transposed(conv: UpConv) -> nn.ConvTranspose2d:
    assert conv.bias is not None
    transposed = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, stride=2, padding=1)
    weight = conv.transposed_weight().detach().contiguous()
    transposed.weight = nn.Parameter(weight, requires_grad=False)
    transposed.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)
    return transposed.eval()


def strip_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
