"""The generator as an OpenVINO graph: the same arithmetic, compiled for the processor at hand.

OpenVINO joins each convolution with what follows it and computes in bfloat16 where the processor does so
natively, which draws about twice as many pictures a second as the plain network does in PyTorch. The graph is
built from the network's own weights, node by node: no tracing, no file in between.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from torch import nn

from visualizer.neural.generator import CODE_CHANNELS, CODE_SIZE, Generator, UpBlock

LEAK = 0.2


def constant(values: object) -> ov.Node:
    """float32."""
    return ops.constant(np.asarray(values, np.float32))


def linear(x: ov.Node, layer: nn.Linear) -> ov.Node:
    """A layer of this kind; so are those that follow."""
    y = ops.matmul(x, constant(layer.weight.detach()), False, True)
    return ops.add(y, constant(layer.bias.detach()))


def conv(x: ov.Node, layer: nn.Conv2d) -> ov.Node:
    """Padded such that nothing but the stride makes the map smaller."""
    assert layer.bias is not None
    strides, pads = list(layer.stride), [size // 2 for size in layer.kernel_size]
    y = ops.convolution(x, constant(layer.weight.detach()), strides, pads, pads, [1, 1])
    return ops.add(y, constant(layer.bias.detach()[None, :, None, None]))


def transposed_conv(x: ov.Node, layer: nn.Module) -> ov.Node:
    """Of stride 2, with a 4×4 filter."""
    assert isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None
    weight = constant(layer.weight.detach())
    y = ops.convolution_backprop_data(x, weight, [2, 2], pads_begin=[1, 1], pads_end=[1, 1], dilations=[1, 1])
    return ops.add(y, constant(layer.bias.detach()[None, :, None, None]))


def leaky(x: ov.Node) -> ov.Node:
    """Joined with the layer before it."""
    return ops.prelu(x, constant([LEAK]))


def leaky_with_next(x: ov.Node) -> ov.Node:
    """The same, joined with the arithmetic after it; behind a transposed convolution it would stand alone."""
    return ops.maximum(x, ops.multiply(x, constant(LEAK)))


def _block(x: ov.Node, style: ov.Node, block: UpBlock) -> ov.Node:
    x = leaky_with_next(transposed_conv(x, block.conv1))
    scale, shift = steering(style, block)
    return steered(x, scale, shift, block)


def steering(style: ov.Node, block: UpBlock) -> list[ov.Node]:
    """Scale and shift, [n, c, 1, 1] each."""
    parts = ops.split(linear(style, block.modulate), ops.constant(1), 2).outputs()
    return [ops.unsqueeze(part, ops.constant([2, 3])) for part in parts]


def steered(x: ov.Node, scale: ov.Node, shift: ov.Node, block: UpBlock) -> ov.Node:
    """As `UpBlock.steered`."""
    x = ops.add(ops.multiply(x, ops.add(scale, constant(1))), shift)
    x = leaky(conv(x, block.conv2))
    if block.refined:
        x = ops.add(x, leaky(conv(x, block.conv3)))
    return x


def without_mesh(x: ov.Node) -> ov.Node:
    """`generator.without_mesh` of what is yet to be shuffled, [n, 12, h, w] to the same, but its channels are
    (row, column, colour) and not (colour, row, column).

    Between the four interleaved pictures of each colour the mean of neighbours is a 2×2 convolution, of a
    quarter of the pixels and without a copy of them.
    """
    for axis in (2, 3):
        x = ops.concat([_before_the_first(x, axis), x], axis)
    mean = np.zeros((2, 2, 3, 3, 2, 2, 2, 2), np.float32)
    for colour, row, column, up, left in np.ndindex(3, 2, 2, 2, 2):
        (back, its_row), (aside, its_column) = divmod(row - up, 2), divmod(column - left, 2)
        mean[row, column, colour, colour, its_row, its_column, 1 + back, 1 + aside] = 0.25
    return ops.convolution(x, constant(mean.reshape(12, 12, 2, 2)), [1, 1], [0, 0], [0, 0], [1, 1])


def _before_the_first(x: ov.Node, axis: int) -> ov.Node:
    """What repeats the outermost pixels: the first row or column, the even pixels for the odd ones."""
    first = ops.slice(x, *(ops.constant([i]) for i in (0, 1, 1, axis)))
    channels = np.arange(12).reshape(3, 2, 2)
    even = channels[:, [0, 0]] if axis == 2 else channels[:, :, [0, 0]]
    return ops.gather(first, ops.constant(even.ravel()), ops.constant(1))


def build(generator: Generator, n: int) -> ov.Model:
    """A graph of shape and matter [n, 4096] float32 to pictures that `shuffled` makes whole.

    generator: with its normalisation and upsampling folded into the convolutions.
    """
    shape, matter = (ops.parameter([n, generator.code_dim], np.float32, name) for name in ("shape", "matter"))
    style = leaky(linear(matter, generator.style))
    x = ops.reshape(shape, ops.constant([n, CODE_CHANNELS, CODE_SIZE, CODE_SIZE]), False)
    for block in generator.blocks:
        assert isinstance(block, UpBlock)
        x = _block(x, style, block)
    return ov.Model([squares(conv(x, generator.to_rgb))], [shape, matter], "generator")


def squares(x: ov.Node) -> ov.Node:
    """What is yet to be shuffled, [n, 12, h, w] logits, as [n, h, w, 12] uint8."""
    x = ops.sigmoid(without_mesh(x))
    x = ops.add(ops.multiply(x, constant(255)), constant(0.5))
    return ops.transpose(ops.convert(ops.floor(x), "u8"), ops.constant([0, 2, 3, 1]))


def shuffled(squares: np.ndarray) -> np.ndarray:
    """Squares of 2×2 pixels [n, h, w, 12] uint8 to pictures [n, 2h, 2w, 3].

    Two pixels at a time, which takes a quarter of the time that OpenVINO takes for single ones.
    """
    n, height, width, _ = squares.shape
    pairs = squares.view("V6").reshape(n, height, width, 2).swapaxes(2, 3)
    return pairs.copy().view(np.uint8).reshape(n, 2 * height, 2 * width, 3)
