"""From the parts of a StyleGAN's pickle to a network of ours.

What an attribute says is read from the attribute and sizes from the weights: arguments with which the network
was made leave defaults out, which differ from program to program. Constant factors go into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from visualizer.common.errors import UserError
from visualizer.learning.importing.machine import Refused
from visualizer.learning.importing.values import Array, Part, read
from visualizer.neural.stylegan import stylegan2, stylegan3
from visualizer.neural.stylegan.imported import StyleGan, StyleGanPlan
from visualizer.neural.stylegan.mapping import MappingPlan

LARGEST_PICTURE = 2048
# More than any has, so that a hostile file can't ask for all memory.
LARGEST_FACTOR, MOST_TAPS = 8, 64
Tensors = dict[str, torch.Tensor]


def import_network(path: Path) -> StyleGan:
    """The network of a file that NVIDIA's programs saved: the average of its generator's weights.

    Nothing in the file is run. Raises UserError if it holds anything else than such a network's data.
    """
    if path.is_dir() or not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{path}: {what}; give a .pkl file of a StyleGAN.")
    try:
        return from_parts(read(path.read_bytes()))
    except Refused as reason:
        raise UserError(
            f"{path} was not imported, and nothing in it was run: {reason}; give a .pkl file as the "
            f"programs of StyleGAN2-ADA or StyleGAN3 save it."
        ) from None


def from_parts(found: Any) -> StyleGan:
    """A network of what `read` found. Raises Refused."""
    generator = found.get("G_ema") if isinstance(found, dict) else None
    if not isinstance(generator, Part):
        raise Refused("it holds no generator under G_ema")
    mapping, mapping_tensors = _mapping(generator.part("mapping"))
    synthesis = generator.part("synthesis")
    tensors = _inside("mapping", mapping_tensors)
    try:
        architecture, others = (_synthesis3 if "input" in synthesis else _synthesis2)(synthesis)
        if mapping.features[-1] != architecture.w_dim:
            raise Refused("its two networks don't fit each other")
        return StyleGan.filled(StyleGanPlan(mapping, architecture), tensors | _inside("synthesis", others))
    except ValueError as reason:
        raise Refused(str(reason)) from None
    except RuntimeError:
        raise Refused("its layers don't fit each other") from None


def _number(part: Part, name: str, least: float, most: float) -> float:
    value = part.field(name, int, float)
    if not least <= value <= most:
        raise Refused(f"the {name!r} of its {part.kind} is {value}")
    return float(value)


def _whole(part: Part, name: str, least: int, most: int) -> int:
    value = part.field(name, int)
    if not least <= value <= most:
        raise Refused(f"the {name!r} of its {part.kind} is {value}")
    return value


def _clamp(part: Part) -> float | None:
    return None if part.state.get("conv_clamp") is None else _number(part, "conv_clamp", 1e-3, 1e9)


def _dense(part: Part, outputs: int | None = None, gain: float = 1.0) -> Tensors:
    """A fully connected layer, its learning rate's factors and a further one multiplied in."""
    weight = part.tensor("weight", outputs, None)
    bias = part.tensor("bias", len(weight))
    return {
        "weight": weight * (_number(part, "weight_gain", -1e6, 1e6) * gain),
        "bias": bias * (_number(part, "bias_gain", -1e6, 1e6) * gain),
    }


def _inside(name: str, tensors: Tensors) -> Tensors:
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}


def _mapping(part: Part) -> tuple[MappingPlan, Tensors]:
    z_dim, c_dim = _whole(part, "z_dim", 1, 65536), _whole(part, "c_dim", 0, 65536)
    tensors: Tensors = {}
    embedded = 0
    if c_dim:
        tensors |= _inside("embed", _dense(part.part("embed")))
        embedded = len(tensors["embed.bias"])
    features = []
    for i in range(_whole(part, "num_layers", 1, 64)):
        tensors |= _inside(f"layers.{i}", _dense(part.part(f"fc{i}")))
        features.append(len(tensors[f"layers.{i}.bias"]))
    tensors["mean"] = part.tensor("w_avg", features[-1])
    return MappingPlan(z_dim, c_dim, embedded, tuple(features)), tensors


# --- StyleGAN2 ----------------------------------------------------------------------------------------


def _layer2(part: Part, size: int, up: bool) -> Tensors:
    if part.field("activation", str) != "lrelu" or part.field("up", int) != 1 + up:
        raise Refused("it has a layer of an unknown kind")
    weight = part.tensor("weight", None, None, 3, 3)
    tensors = {
        "weight": weight,
        "bias": part.tensor("bias", len(weight)),
        "noise": torch.zeros(size, size),
        **_inside("style", _dense(part.part("affine"), weight.shape[1])),
    }
    if part.field("use_noise", bool):
        tensors["noise"] = part.tensor("noise_const", size, size) * part.tensor("noise_strength")
    if up:
        tensors["blur"] = part.tensor("resample_filter", 4, 4)
    return tensors


def _to_rgb2(part: Part) -> Tensors:
    weight = part.tensor("weight", None, None, 1, 1)
    gain = _number(part, "weight_gain", -1e6, 1e6)
    style = _dense(part.part("affine"), weight.shape[1], gain)
    return {"weight": weight, "bias": part.tensor("bias", len(weight)), **_inside("style", style)}


def _synthesis2(part: Part) -> tuple[stylegan2.Architecture, Tensors]:
    size = _whole(part, "img_resolution", 8, LARGEST_PICTURE)
    if size & (size - 1):
        raise Refused(f"its pictures have {size} pixels, which is no power of two")
    tensors: Tensors = {}
    channels, clamps = [], set()
    blocks = [part.part(f"b{2**i}") for i in range(2, size.bit_length())]
    kind = blocks[0].field("architecture", str)
    for i, block in enumerate(blocks):
        here: Tensors = {"blur": block.tensor("resample_filter", 4, 4)}
        for name, up in (("conv0", True), ("conv1", False)):
            if i or not up:
                here |= _inside(name, _layer2(block.part(name), 4 * 2**i, up))
                clamps.add(_clamp(block.part(name)))
        if kind == "skip" or i == len(blocks) - 1:
            here |= _inside("to_rgb", _to_rgb2(block.part("torgb")))
            clamps.add(_clamp(block.part("torgb")))
        if kind == "resnet" and i:
            skip = block.part("skip")
            weight = skip.tensor("weight", None, None, 1, 1) * _number(skip, "weight_gain", -1e6, 1e6)
            here |= {"skip.weight": weight, "skip.blur": skip.tensor("resample_filter", 4, 4)}
        channels.append(len(here["conv1.bias"]))
        tensors |= _inside(f"blocks.{i}", here)
    if len(clamps) > 1:
        raise Refused("its layers are clamped differently")
    tensors["const"] = blocks[0].tensor("const", channels[0], 4, 4)
    colours = len(tensors[f"blocks.{len(blocks) - 1}.to_rgb.bias"])
    w_dim = tensors["blocks.0.conv1.style.weight"].shape[1]
    return stylegan2.Architecture(w_dim, tuple(channels), _colours(colours), kind, clamps.pop()), tensors


def _colours(n: int) -> int:
    if n not in (1, 3):
        raise Refused(f"its pictures have {n} channels instead of three or one")
    return n


# --- StyleGAN3 ----------------------------------------------------------------------------------------


def _pair(part: Part, name: str) -> tuple[float, float]:
    """A field of one number for both axes, or of two."""
    value = part.state.get(name)
    if isinstance(value, Array):
        value = value.numbers().tolist()
    if type(value) in (int, float):
        value = [value, value]
    if not isinstance(value, list) or len(value) != 2 or any(type(v) not in (int, float) for v in value):
        raise Refused(f"its {part.kind} has no proper {name!r}")
    return value[0], value[1]


def _filter3(part: Part, name: str) -> torch.Tensor | None:
    """One of the two filters of a layer, of one dimension or two; None where it has none."""
    if not part.has_tensor(name):
        return None
    try:
        found = part.tensor(name, None)
    except Refused:
        found = part.tensor(name, None, None)
        if found.shape[0] != found.shape[1]:
            raise
    if len(found) > MOST_TAPS:
        raise Refused(f"the {name!r} of its {part.kind} has {len(found)} taps")
    return found


def _layer3(part: Part) -> tuple[stylegan3.LayerPlan, Tensors]:
    weight = part.tensor("weight", None, None, None, None)
    outputs, inputs, kernel = weight.shape[:3]
    colours = part.field("is_torgb", bool)
    if kernel != weight.shape[3] or kernel not in (1, 3):
        raise Refused("it has filters of an unknown shape")
    padding = part.state.get("padding")
    if not isinstance(padding, list) or len(padding) != 4 or any(type(p) is not int for p in padding):
        raise Refused("it has a layer with an unknown padding")
    left, right, top, bottom = padding
    if max(map(abs, padding)) > 2 * MOST_TAPS:
        raise Refused(f"it has a layer that is padded by {max(map(abs, padding))}")
    up_filter, down_filter = _filter3(part, "up_filter"), _filter3(part, "down_filter")
    if up_filter is not None and up_filter.ndim != 1:
        raise Refused("it has a filter of an unknown shape")
    up, down = (_whole(part, f"{name}_factor", 1, LARGEST_FACTOR) for name in ("up", "down"))
    if (up > 1 and up_filter is None) or (down > 1 and down_filter is None):
        raise Refused("it has a layer without its filter")
    gain = part.tensor("magnitude_ema").rsqrt()
    if not torch.isfinite(gain):
        raise Refused("it has a layer whose input is of no size")
    if colours:
        style = _dense(part.part("affine"), inputs, (inputs * kernel * kernel) ** -0.5)
    else:
        style = _dense(part.part("affine"), inputs)
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
    radial = down_filter is not None and down_filter.ndim == 2
    plan = stylegan3.LayerPlan(
        inputs,
        outputs,
        kernel,
        up,
        down,
        (left, right, top, bottom),
        0 if up_filter is None else len(up_filter),
        0 if down_filter is None else len(down_filter),
        radial,
        colours,
    )
    bias = part.tensor("bias", outputs)
    tensors = {"weight": weight, "bias": bias, "gain": gain, **_inside("style", style)}
    filters = {"up_filter": up_filter, "down_filter": down_filter}
    return plan, tensors | {name: taps for name, taps in filters.items() if taps is not None}


def _layer_names(part: Part) -> Iterator[str]:
    names = part.field("layer_names", list)
    if not 1 <= len(names) <= 64 or not all(isinstance(name, str) for name in names):
        raise Refused("its layers have no proper names")
    return iter(names)


def _synthesis3(part: Part) -> tuple[stylegan3.Architecture, Tensors]:
    waves = part.part("input")
    mix = waves.tensor("weight", None, None)
    channels = len(mix)
    tensors: Tensors = {
        "waves.weight": mix * channels**-0.5,
        "waves.frequencies": waves.tensor("freqs", channels, 2),
        "waves.phases": waves.tensor("phases", channels),
        "waves.transform": waves.tensor("transform", 3, 3),
        **_inside("waves.pose", _dense(waves.part("affine"), 4)),
    }
    width, height = (int(n) for n in _pair(waves, "size"))
    rate, bandwidth = _number(waves, "sampling_rate", 1, 4096), _number(waves, "bandwidth", 0, 4096)
    plans, clamps = [], set()
    for i, name in enumerate(_layer_names(part)):
        plan, here = _layer3(part.part(name))
        plans.append(plan)
        clamps.add(_clamp(part.part(name)))
        tensors |= _inside(f"layers.{i}", here)
    if len(clamps) > 1:
        raise Refused("its layers are clamped differently")
    if [plan.colours for plan in plans] != [False] * (len(plans) - 1) + [True]:
        raise Refused("its colours are not made by its last layer")
    _colours(plans[-1].outputs)
    architecture = stylegan3.Architecture(
        tensors["waves.pose.weight"].shape[1],
        channels,
        width,
        height,
        rate,
        bandwidth,
        tuple(plans),
        _whole(part, "img_resolution", 8, LARGEST_PICTURE),
        _number(part, "output_scale", 1e-3, 1e3),
        clamps.pop(),
    )
    return architecture, tensors
