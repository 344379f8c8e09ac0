"""The figure as an OpenVINO graph, as `openvino_graph` has the generator.

Its maps come from outside: in the numbers that are fast here, places would be off by a pixel.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from torch import nn

from visualizer.neural.figure import EDGE, LIMBS, MAP_SIZE, MARKS, N_MAPS, Figure, FigureBlock
from visualizer.neural.openvino_graph import (
    constant,
    conv,
    leaky,
    leaky_with_next,
    linear,
    squares,
    steered,
    steering,
    transposed_conv,
)


def build(figure: Figure, n: int) -> ov.Model:
    """A graph of maps [n, N_MAPS, 64, 64], matter [n, 4096] and the figure's start [n, 256, 4, 4], float32,
    to pictures that `openvino_graph.shuffled` makes whole.

    The start is no constant here: what OpenVINO works out of one beforehand, it then adds to in place, so
    that each picture began where the last one ended.

    figure: with its upsampling folded into the convolutions.
    """
    maps = ops.parameter([n, N_MAPS, MAP_SIZE, MAP_SIZE], np.float32, "maps")
    matter = ops.parameter([n, figure.style.in_features], np.float32, "matter")
    style, ground = (leaky(linear(matter, layer)) for layer in (figure.style, figure.ground))
    poses, bodies = _read(figure, maps)
    start = ops.parameter([n, *figure.start.shape], np.float32, "start")
    x: ov.Node = start
    for block, pose, body in zip(figure.blocks, poses, bodies):
        assert isinstance(block, FigureBlock)
        x = _block(x, style, ground, pose, body, block)
    return ov.Model([squares(conv(x, figure.to_rgb))], [maps, matter, start], "figure")


def _read(figure: Figure, maps: ov.Node) -> tuple[list[ov.Node], list[ov.Node]]:
    """As `Figure.read`."""
    poses: list[ov.Node] = []
    x = maps
    for layer in figure.pose:
        assert isinstance(layer, nn.Conv2d)
        x = leaky(conv(x, layer))
        poses.insert(0, x)
    at = len(LIMBS) + len(MARKS)
    body = ops.slice(maps, *(ops.constant([i]) for i in (at, at + 1, 1, 1)))
    body = ops.sigmoid(ops.multiply(body, constant(EDGE)))
    bodies = [body]
    for _ in poses[1:]:
        bodies.insert(0, ops.avg_pool(bodies[0], [2, 2], [0, 0], [0, 0], [2, 2], False))
    return [*poses, _enlarged(poses[-1])], [*bodies, _enlarged(body)]


def _enlarged(x: ov.Node) -> ov.Node:
    """Twice as large, its pixels lines between."""
    size, axes = ops.constant([2 * MAP_SIZE, 2 * MAP_SIZE]), ops.constant([2, 3])
    return ops.interpolate(x, size, "linear_onnx", "sizes", [0, 0], [0, 0], "half_pixel", axes=axes)


def _block(
    x: ov.Node, style: ov.Node, ground: ov.Node, pose: ov.Node, body: ov.Node, block: FigureBlock
) -> ov.Node:
    x = leaky_with_next(ops.add(transposed_conv(x, block.conv1), conv(pose, block.join)))
    within, around = (steering(s, block) for s in (style, ground))
    scale, shift = (ops.add(a, ops.multiply(ops.subtract(w, a), body)) for w, a in zip(within, around))
    return steered(x, scale, shift, block)
