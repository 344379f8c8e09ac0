"""The synthesis network of StyleGAN3, of both kinds (Karras et al. 2021, arXiv:2106.12423), in plain torch.

Every layer works on signals that are bounded in frequency: its rectifier acts on a picture enlarged through a
low-pass filter, and another filter takes away what it added before the size goes down again. So details move
with the things that they are on, and do not stick to the screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.neural.stylegan.mapping import Dense
from visualizer.neural.stylegan.stylegan2 import TINY, normalised

# Across anything that is made on the way: 1024 pixels, their margin, and twice that in front of a rectifier.
MOST_PIXELS = 4096


@dataclass(frozen=True)
class LayerPlan:
    """inputs, outputs: channels. kernel: pixels across. up, down: around the rectifier.

    padding: left, right, top, bottom, enlarged. up_taps, down_taps: of their filters, 0 for none; radial:
    the second has two dimensions. colours: whether this is the layer that makes them.
    """

    inputs: int
    outputs: int
    kernel: int
    up: int
    down: int
    padding: tuple[int, int, int, int]
    up_taps: int
    down_taps: int
    radial: bool
    colours: bool

    def enlarged(self, size: int, before: int, after: int) -> int:
        """Pixels across between the two filters, of so many in front of the convolution."""
        return (size + self.kernel - 1) * self.up + before + after - max(0, self.up_taps - 1)

    def reduced(self, size: int, before: int, after: int) -> int:
        """Pixels across of the outcome."""
        return (self.enlarged(size, before, after) - max(0, self.down_taps - 1) - 1) // self.down + 1


@dataclass(frozen=True)
class Architecture:
    """channels, width, height, sampling_rate, bandwidth: of the input. scale: of the outcome. clamp: bound of
    all activations, None for none."""

    w_dim: int
    channels: int
    width: int
    height: int
    sampling_rate: float
    bandwidth: float
    layers: tuple[LayerPlan, ...]
    size: int
    scale: float = 0.25
    clamp: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what can't be, or is too large for any machine."""
        if not 0 <= 2 * self.bandwidth < self.sampling_rate:
            raise ValueError("its input has an impossible bandwidth")
        sizes = [(self.width, self.height), *self.sizes()]
        if not all(1 <= n <= MOST_PIXELS for size in sizes for n in size):
            raise ValueError("its layers have impossible sizes")
        if sizes[-1] != (self.size, self.size):
            raise ValueError("its layers make pictures of another size than it says")

    @property
    def colours(self) -> int:
        """3, or 1 for grey."""
        return self.layers[-1].outputs

    def sizes(self) -> list[tuple[int, int]]:
        """(width, height) of all that is made on the way, and at last of the picture."""
        width, height, made = self.width, self.height, []
        for plan in self.layers:
            (left, right), (top, bottom) = plan.padding[:2], plan.padding[2:]
            made.append((plan.enlarged(width, left, right), plan.enlarged(height, top, bottom)))
            width, height = plan.reduced(width, left, right), plan.reduced(height, top, bottom)
            made.append((width, height))
        return made


def enlarged(x: torch.Tensor, taps: torch.Tensor | None, up: int, padding: Sequence[int]) -> torch.Tensor:
    """[n, c, h, w], `up` - 1 zeros after each pixel, padded, and convolved with a filter along both axes."""
    if taps is None:
        return F.pad(x, list(padding))
    n, channels = len(taps), x.shape[1]
    left, right, top, bottom = padding
    filters = up * taps
    # A transposed convolution is all of it at once, but for the edges.
    x = F.conv_transpose2d(x, filters.expand(channels, 1, 1, n), stride=(1, up), groups=channels)
    x = F.pad(x, [left + 1 - n, right + up - n, 0, 0])
    filters = filters[:, None].expand(channels, 1, n, 1)
    x = F.conv_transpose2d(x, filters, stride=(up, 1), groups=channels)
    return F.pad(x, [0, 0, top + 1 - n, bottom + up - n])


def reduced(x: torch.Tensor, taps: torch.Tensor | None, down: int) -> torch.Tensor:
    """[n, c, h, w], convolved with a filter, [n] along both axes or [n, n], and one pixel in `down` of it."""
    if taps is None:
        return x[:, :, ::down, ::down]
    channels = x.shape[1]
    if taps.ndim == 2:
        return F.conv2d(x, taps.flip(0, 1).expand(channels, 1, -1, -1), stride=down, groups=channels)
    taps = taps.flip(0)
    x = F.conv2d(x, taps[:, None].expand(channels, 1, -1, -1), stride=(down, 1), groups=channels)
    return F.conv2d(x, taps.expand(channels, 1, 1, -1), stride=(1, down), groups=channels)


class Waves(nn.Module):
    """The input: waves that w turns and moves, [n, w_dim] to [n, channels, height, width].

    frequencies: [channels, 2]; phases: [channels]; transform: [3, 3], how all pictures are turned and moved;
    places: [height, width, 2].
    """

    frequencies: torch.Tensor
    phases: torch.Tensor
    transform: torch.Tensor
    places: torch.Tensor

    def __init__(self, architecture: Architecture):
        super().__init__()
        a = self.architecture = architecture
        self.pose = Dense(a.w_dim, 4)
        self.weight = nn.Parameter(torch.empty(a.channels, a.channels))
        self.register_buffer("frequencies", torch.empty(a.channels, 2))
        self.register_buffer("phases", torch.empty(a.channels))
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("places", torch.empty(a.height, a.width, 2), persistent=False)

    def prepare(self) -> None:
        """To be called when the weights have changed."""
        a, rate = self.architecture, self.architecture.sampling_rate
        x, y = (0.5 * (2 * torch.arange(n) + 1 - n) / rate for n in (a.width, a.height))
        self.places = torch.stack([x.expand(a.height, -1), y[:, None].expand(-1, a.width)], -1)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        a = self.architecture
        cos, sin, right, down = (self.pose(w) / self.pose(w)[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        # First moved, then turned, and then both again as all pictures are.
        turn = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        move = -(turn @ torch.stack([right, down], 1)[:, :, None])
        move = turn @ self.transform[:2, 2:] + move
        turn = turn @ self.transform[:2, :2]
        phases = self.phases + (self.frequencies @ move)[:, :, 0]
        frequencies = self.frequencies @ turn
        # What got too fast for these pixels fades out.
        over = (frequencies.norm(dim=2) - a.bandwidth) / (a.sampling_rate / 2 - a.bandwidth)
        turns = frequencies @ self.places.flatten(0, 1).T + phases[:, :, None]
        waves = torch.sin(2 * math.pi * turns) * (1 - over).clamp(0, 1)[:, :, None]
        return (self.weight @ waves).view(-1, a.channels, a.height, a.width)


class Layer(nn.Module):
    """A modulated convolution and a rectifier without aliasing.

    gain: [], of the input, which keeps its size near 1. energy: [outputs, inputs], the sum of each filter's
    squares.
    """

    gain: torch.Tensor
    energy: torch.Tensor
    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None

    def __init__(self, w_dim: int, plan: LayerPlan, clamp: float | None):
        super().__init__()
        self.plan, self.clamp = plan, clamp
        self.style = Dense(w_dim, plan.inputs)
        self.weight = nn.Parameter(torch.empty(plan.outputs, plan.inputs, plan.kernel, plan.kernel))
        self.bias = nn.Parameter(torch.zeros(plan.outputs))
        self.register_buffer("gain", torch.ones(()))
        down_shape = (plan.down_taps, plan.down_taps) if plan.radial else (plan.down_taps,)
        self.register_buffer("up_filter", torch.empty(plan.up_taps) if plan.up_taps else None)
        self.register_buffer("down_filter", torch.empty(*down_shape) if plan.down_taps else None)
        self.register_buffer("energy", torch.empty(plan.outputs, plan.inputs), persistent=False)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        plan, style = self.plan, self.style(w)
        if not plan.colours:
            style = normalised(style, self.weight[0].numel())
        x = x * (style * self.gain).to(x.dtype)[:, :, None, None]
        x = F.conv2d(x, self.weight, padding=plan.kernel - 1)
        if not plan.colours:
            scale = (style.square() @ self.energy.T + TINY).rsqrt()
            x = x * scale.to(x.dtype)[:, :, None, None]
        x = enlarged(x + self.bias[:, None, None], self.up_filter, plan.up, plan.padding)
        if not plan.colours:
            x = F.leaky_relu(x, 0.2) * 2**0.5
        if self.clamp is not None:
            x = x.clamp(-self.clamp, self.clamp)
        return reduced(x, self.down_filter, plan.down)


class Synthesis(nn.Module):
    """Styles, [n, w_dim] each for input and layers, to pictures [n, colours, size, size] of about -1..1."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.waves = Waves(architecture)
        self.layers = nn.ModuleList(
            Layer(architecture.w_dim, plan, architecture.clamp) for plan in architecture.layers
        )

    @property
    def n_styles(self) -> int:
        """One more than layers."""
        return 1 + len(self.layers)

    def prepare(self) -> None:
        """To be called when the weights have changed."""
        self.waves.prepare()
        for layer in self.layers:
            assert isinstance(layer, Layer)
            layer.energy = layer.weight.detach().square().sum((2, 3))

    def forward(self, ws: Sequence[torch.Tensor]) -> torch.Tensor:
        x = self.waves(ws[0]).to(self.layers[0].weight.dtype)
        for layer, w in zip(self.layers, ws[1:]):
            x = layer(x, w)
        return x * self.architecture.scale
