"""Tiny StyleGANs with random weights, pickled as their authors' programs pickle them.

Their classes write themselves as a call of `torch_utils.persistence._reconstruct_persistent_obj` with the
class's source text, here left out, and the object's fields. Sizes and filters are not those of trained
networks, but every number matters: filters are asymmetric, biases and noise are not zero, clamps bite.
"""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch
from torch import nn

W, Z = 12, 10


class Part:
    """An object of a persistent class; kind: the class's name; parameters and buffers: tensors, some None."""

    def __init__(self, kind, parameters=(), buffers=(), parts=(), **fields):
        self.kind, self.fields = kind, fields
        self.parameters = {
            k: None if t is None else nn.Parameter(t, False) for k, t in dict(parameters).items()
        }
        self.buffers, self.parts = dict(buffers), dict(parts)

    def __getitem__(self, name):
        """A tensor, in float64."""
        return (self.parameters | self.buffers)[name].numpy().astype(np.float64)

    def __reduce__(self):
        hooks = {name: OrderedDict() for name in ("_backward_hooks", "_forward_hooks", "_state_dict_hooks")}
        state = {
            "training": False,
            "_parameters": self.parameters,
            "_buffers": self.buffers,
            "_non_persistent_buffers_set": set(),
            **hooks,
            "_is_full_backward_hook": None,
            "_modules": self.parts,
            **self.fields,
            "_init_args": (),
            "_init_kwargs": EasyDict(w_dim=W, extra=np.array([1, 2])),
        }
        meta = {"type": "class", "version": 6, "module_src": "", "class_name": self.kind, "state": state}
        return _reconstruct_persistent_obj, (meta,)


class EasyDict(dict):
    """A dict of another name."""


def _reconstruct_persistent_obj(meta):
    raise AssertionError("nobody may call this")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
EasyDict.__module__ = "dnnlib.util"


@contextmanager
def their_modules():
    """Meanwhile their names can be imported, as whoever pickles needs it."""
    names = {
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
        "dnnlib.util": {"EasyDict": EasyDict},
    }
    modules = {name.split(".")[0]: ModuleType(name.split(".")[0]) for name in names}
    for name, contents in names.items():
        modules[name] = ModuleType(name)
        vars(modules[name]).update(contents)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def pickled(generator, protocol=4, **others) -> bytes:
    """The file that a training program writes."""
    data = {"G": None, "D": None, "G_ema": generator, "augment_pipe": None, **others}
    data["training_set_kwargs"] = EasyDict(class_name="training.dataset.ImageFolderDataset", resolution=16)
    with their_modules():
        return pickle.dumps(data, protocol)


class Weights:
    """A source of random tensors."""

    def __init__(self, seed):
        self._rng = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, scale=1.0):
        return scale * torch.randn(*shape, generator=self._rng)

    def taps(self, *shape):
        """A filter, all positive, which sums up to 1 and is the same from no side."""
        taps = 0.2 + torch.rand(*shape, generator=self._rng)
        return taps / taps.sum()


def dense(weights, inputs, outputs, bias=1.0, multiplier=1.0, activation="linear"):
    return Part(
        "FullyConnectedLayer",
        {
            "weight": weights(outputs, inputs, scale=1 / multiplier),
            "bias": bias + weights(outputs, scale=0.3),
        },
        activation=activation,
        weight_gain=np.float64(multiplier / inputs**0.5),
        bias_gain=multiplier,
    )


def mapping(weights, classes, layers=2):
    parts = {"embed": dense(weights, classes, W, 0.0)} if classes else {}
    sizes = [Z + (W if classes else 0)] + [W] * layers
    for i in range(layers):
        parts[f"fc{i}"] = dense(weights, sizes[i], W, 0.0, 0.01, "lrelu")
    fields = {"z_dim": Z, "c_dim": classes, "w_dim": W, "num_layers": layers}
    return Part("MappingNetwork", {}, {"w_avg": weights(W, scale=0.3)}, parts, **fields)


# --- StyleGAN2 ----------------------------------------------------------------------------------------


def layer2(weights, inputs, outputs, size, up, clamp):
    return Part(
        "SynthesisLayer",
        {
            "weight": weights(outputs, inputs, 3, 3),
            "noise_strength": torch.tensor(0.3),
            "bias": weights(outputs, scale=0.2),
        },
        {"resample_filter": weights.taps(4, 4), "noise_const": weights(size, size)},
        {"affine": dense(weights, W, inputs)},
        up=up,
        use_noise=True,
        activation="lrelu",
        conv_clamp=clamp,
        act_gain=np.float64(2**0.5),
    )


def to_rgb2(weights, inputs, colours, clamp):
    return Part(
        "ToRGBLayer",
        {"weight": weights(colours, inputs, 1, 1), "bias": weights(colours, scale=0.2)},
        parts={"affine": dense(weights, W, inputs)},
        conv_clamp=clamp,
        weight_gain=np.float64(1 / inputs**0.5),
    )


def stylegan2(kind="skip", classes=0, clamp=None, channels=(6, 5, 4), colours=3, seed=0):
    """channels: at 4, 8, … pixels."""
    weights, blocks = Weights(seed), {}
    for i, outputs in enumerate(channels):
        size, last = 4 * 2**i, i == len(channels) - 1
        inputs = channels[i - 1] if i else 0
        parts = {"conv0": layer2(weights, inputs, outputs, size, 2, clamp)} if i else {}
        parts["conv1"] = layer2(weights, outputs, outputs, size, 1, clamp)
        if kind == "skip" or last:
            parts["torgb"] = to_rgb2(weights, outputs, colours, clamp)
        if kind == "resnet" and i:
            tensors = {"weight": weights(outputs, inputs, 1, 1)}, {"resample_filter": weights.taps(4, 4)}
            parts["skip"] = Part("Conv2dLayer", *tensors, weight_gain=np.float64(1 / inputs**0.5), up=2)
        const = {} if i else {"const": weights(outputs, 4, 4)}
        buffers = {"resample_filter": weights.taps(4, 4)}
        blocks[f"b{size}"] = Part(
            "SynthesisBlock", const, buffers, parts, architecture=kind, in_channels=inputs
        )
    synthesis = Part("SynthesisNetwork", parts=blocks, img_resolution=size, img_channels=colours, w_dim=W)
    parts = {"synthesis": synthesis, "mapping": mapping(weights, classes)}
    return Part("Generator", parts=parts, z_dim=Z, c_dim=classes, w_dim=W, img_resolution=size)


# --- StyleGAN3 ----------------------------------------------------------------------------------------


def layer3(weights, inputs, outputs, sizes, factors, kernel, radial, colours, clamp):
    """sizes: before and after; factors: up and down."""
    (before, after), (up, down) = sizes, factors
    up_taps, down_taps = (1 if f == 1 else 3 * f for f in factors)
    total = (after - 1) * down + 1 - (before + kernel - 1) * up + up_taps + down_taps - 2
    first = (total + up) // 2
    down_shape = (down_taps, down_taps) if radial else (down_taps,)
    return Part(
        "SynthesisLayer",
        {"weight": weights(outputs, inputs, kernel, kernel), "bias": weights(outputs, scale=0.2)},
        {
            "magnitude_ema": torch.tensor(1.7),
            "up_filter": weights.taps(up_taps) if up > 1 else None,
            "down_filter": weights.taps(*down_shape) if down > 1 else None,
        },
        {"affine": dense(weights, W, inputs)},
        is_torgb=colours,
        conv_clamp=clamp,
        up_factor=up,
        down_factor=down,
        padding=[first, total - first] * 2,
    )


def stylegan3(radial=False, classes=0, clamp=None, seed=0):
    weights, kernel = Weights(seed), 1 if radial else 3
    transform = torch.tensor([[0.8, -0.5, 0.1], [0.6, 0.9, -0.2], [0.0, 0.0, 1.0]])
    waves = Part(
        "SynthesisInput",
        {"weight": weights(7, 7)},
        {"transform": transform, "freqs": weights(7, 2, scale=3.0), "phases": weights(7)},
        {"affine": dense(weights, W, 4)},
        w_dim=W,
        channels=7,
        size=np.array([14, 14]),
        sampling_rate=8,
        bandwidth=2.0,
    )
    plans = [
        (7, 6, (14, 14), (2, 2), kernel, radial, False),
        (6, 5, (14, 22), (4, 2), kernel, radial, False),
        (5, 4, (22, 16), (2, 2), kernel, False, False),
        (4, 3, (16, 16), (1, 1), 1, False, True),
    ]
    names = [f"L{i}_{plan[2][1]}_{plan[1]}" for i, plan in enumerate(plans)]
    parts = {"input": waves} | {n: layer3(weights, *plan, clamp) for n, plan in zip(names, plans)}
    fields = {"layer_names": names, "output_scale": 0.25, "img_resolution": 16, "img_channels": 3, "w_dim": W}
    synthesis = Part("SynthesisNetwork", parts=parts, **fields)
    parts = {"synthesis": synthesis, "mapping": mapping(weights, classes)}
    return Part("Generator", parts=parts, z_dim=Z, c_dim=classes, w_dim=W, img_resolution=16)
