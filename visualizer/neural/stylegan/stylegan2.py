"""The synthesis network of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) in plain torch.

Its authors scale a convolution's filters for each picture. Here what goes in and comes out is scaled instead,
which is the same, and leaves filters that never change: pictures of one batch share them, and a compiler
may lay them out as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.neural.stylegan.mapping import Dense

TINY = 1e-8
# 4, 8, … 2048 pixels.
MOST_SIZES = 10
ACTIVATION_GAIN = 2**0.5


@dataclass(frozen=True)
class Architecture:
    """channels: at 4, 8, 16, … pixels. colours: 3, or 1 for grey. kind: "skip" adds up a picture from every
    size, "resnet" adds up features, "orig" nothing. clamp: bound of all activations, None for none."""

    w_dim: int
    channels: tuple[int, ...]
    colours: int = 3
    kind: str = "skip"
    clamp: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what can't be, or is too large for any machine."""
        if not 2 <= len(self.channels) <= MOST_SIZES:
            raise ValueError(f"its pictures have {self.size} pixels across")
        if self.kind not in ("skip", "resnet", "orig"):
            raise ValueError(f"its architecture is {self.kind[:40]!r}")

    @property
    def size(self) -> int:
        """Pixels across."""
        return 4 * 2 ** (len(self.channels) - 1)


def normalised(style: torch.Tensor, inputs: int) -> torch.Tensor:
    """Styles [n, channels] so small that a layer's sums over so many inputs stay within float16's range.

    Whatever size they have, it is divided out again behind the convolution.
    """
    return style * (style.square().mean(1, keepdim=True) * inputs + TINY).rsqrt()


def upsampled(x: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """[n, c, h, w] to [n, c, 2h, 2w], through a filter [4, 4]."""
    weight = (4 * blur).expand(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


class Modulated(nn.Module):
    """A convolution whose input channels are scaled by a style."""

    def __init__(self, w_dim: int, inputs: int, outputs: int, kernel: int, clamp: float | None):
        super().__init__()
        self.style = Dense(w_dim, inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.clamp = clamp

    def bounded(self, x: torch.Tensor, share: float = 1.0) -> torch.Tensor:
        """Cut off at a share of the clamp."""
        return x if self.clamp is None else x.clamp(-self.clamp * share, self.clamp * share)


class Layer(Modulated):
    """A modulated 3×3 convolution, normalised again, with noise that never changes and a leaky rectifier.

    noise: [size, size]. blur: [4, 4], the filter after doubling the size. energy: [outputs, inputs], the sum
    of each filter's squares.
    """

    noise: torch.Tensor
    blur: torch.Tensor
    energy: torch.Tensor

    def __init__(
        self, w_dim: int, inputs: int, outputs: int, size: int, up: bool, share: float, clamp: float | None
    ):
        """up: whether the size doubles. share: of the outcome, where it is added to something."""
        super().__init__(w_dim, inputs, outputs, 3, clamp)
        self.up, self.share = up, share
        self.register_buffer("noise", torch.empty(size, size))
        if up:
            self.register_buffer("blur", torch.empty(4, 4))
        self.register_buffer("energy", torch.empty(outputs, inputs), persistent=False)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        style = normalised(self.style(w), self.weight[0].numel())
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            blur = (4 * self.blur.flip(0, 1)).expand(x.shape[1], 1, 4, 4)
            x = F.conv2d(x, blur, padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, self.weight, padding=1)
        scale = (style.square() @ self.energy.T + TINY / self.weight[0].numel()).rsqrt()
        x = x * scale.to(x.dtype)[:, :, None, None] + (self.noise + self.bias[:, None, None])
        return self.bounded(F.leaky_relu(x, 0.2) * (ACTIVATION_GAIN * self.share), self.share)


class ToRgb(Modulated):
    """A modulated 1×1 convolution to colours, as it is."""

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x * self.style(w).to(x.dtype)[:, :, None, None], self.weight, self.bias)
        return self.bounded(x)


class Skip(nn.Module):
    """What goes around a resnet's block: a 1×1 convolution, and twice the size."""

    blur: torch.Tensor

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        self.register_buffer("blur", torch.empty(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return upsampled(F.conv2d(x, self.weight), self.blur) * 0.5**0.5


class Block(nn.Module):
    """What happens at one size: (features, picture) of the size before to those of this one.

    blur: [4, 4], the filter by which the picture is enlarged.
    """

    blur: torch.Tensor

    def __init__(self, architecture: Architecture, place: int):
        """place: 0 for 4×4 pixels, and so on."""
        super().__init__()
        a, size, last = architecture, 4 * 2**place, place == len(architecture.channels) - 1
        outputs, inputs = a.channels[place], a.channels[max(0, place - 1)]
        resnet = a.kind == "resnet" and place > 0
        share = 0.5**0.5 if resnet else 1.0
        self.conv0 = Layer(a.w_dim, inputs, outputs, size, True, 1.0, a.clamp) if place else None
        self.conv1 = Layer(a.w_dim, outputs, outputs, size, False, share, a.clamp)
        self.skip = Skip(inputs, outputs) if resnet else None
        draws = last or a.kind == "skip"
        self.to_rgb = ToRgb(a.w_dim, outputs, a.colours, 1, a.clamp) if draws else None
        self.register_buffer("blur", torch.empty(4, 4))

    @property
    def convolutions(self) -> int:
        """How many styles it uses up; the colours share theirs with the next block."""
        return 1 if self.conv0 is None else 2

    def forward(
        self, x: torch.Tensor, picture: torch.Tensor | None, ws: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        before = x
        if self.conv0 is not None:
            x = self.conv0(x, ws[0])
        x = self.conv1(x, ws[self.convolutions - 1])
        if self.skip is not None:
            x = x + self.skip(before)
        if picture is not None:
            picture = upsampled(picture, self.blur)
        if self.to_rgb is not None:
            colours = self.to_rgb(x, ws[self.convolutions])
            picture = colours if picture is None else picture + colours
        return x, picture


class Synthesis(nn.Module):
    """Styles, [n, w_dim] for each of its layers, to pictures [n, colours, size, size] of about -1..1."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.const = nn.Parameter(torch.empty(architecture.channels[0], 4, 4))
        self.blocks = nn.ModuleList(Block(architecture, i) for i in range(len(architecture.channels)))

    @property
    def n_styles(self) -> int:
        """2 log2(size) - 2."""
        return 2 * len(self.blocks)

    def prepare(self) -> None:
        """To be called when the weights have changed."""
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer.energy = layer.weight.detach().square().sum((2, 3))

    def forward(self, ws: Sequence[torch.Tensor]) -> torch.Tensor:
        x, picture, place = self.const.expand(len(ws[0]), -1, -1, -1), None, 0
        for block in self.blocks:
            assert isinstance(block, Block)
            x, picture = block(x, picture, ws[place : place + 3])
            place += block.convolutions
        assert picture is not None
        return picture
