"""Convert the beat networks once from BeatNet's wheel:

pip download --no-deps BeatNet==1.1.3 && python tests/convert_beat.py BeatNet-*.whl models/beat.safetensors

The wheel holds pickles, read here with `weights_only=True`; the program itself reads only the safetensors
file that this script writes.
"""

import io
import sys
import zipfile

import torch

from visualizer.common import weights

# Those trained without GTZAN and without the Ballroom set: their mean does better than each, and than all
# three's.
MODELS = (1, 2)


def quantised(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[n, m] numbers as int8 and a scale [m]."""
    scale = columns.abs().amax(0) / 127
    return (columns / scale).round().to(torch.int8), scale


def converted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One network's weights by this project's names, matrices with their outputs last."""
    dense, dense_scale = quantised(state["linear0.weight"].T)
    layers = [
        quantised(torch.cat([state[f"lstm.weight_ih_l{i}"], state[f"lstm.weight_hh_l{i}"]], 1).T)
        for i in (0, 1)
    ]
    return {
        "conv.weight": state["conv1.weight"][:, 0],
        "conv.bias": state["conv1.bias"],
        "dense.weight": dense,
        "dense.scale": dense_scale,
        "dense.bias": state["linear0.bias"],
        "lstm.weight": torch.stack([weight for weight, _ in layers]),
        "lstm.scale": torch.stack([scale for _, scale in layers]),
        "lstm.bias": torch.stack([state[f"lstm.bias_ih_l{i}"] + state[f"lstm.bias_hh_l{i}"] for i in (0, 1)]),
        "out.weight": state["linear.weight"],
        "out.bias": state["linear.bias"],
    }


if __name__ == "__main__":
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        networks = [
            converted(
                torch.load(io.BytesIO(wheel.read(f"BeatNet/models/model_{i}_weights.pt")), weights_only=True)
            )
            for i in MODELS
        ]
    metadata = {
        "licence": "CC BY 4.0",
        "source": "PyPI BeatNet 1.1.3 by Mojtaba Heydari, models 1 and 2; matrices rounded to int8",
    }
    stacked = {name: torch.stack([network[name] for network in networks]) for name in networks[0]}
    weights.save(sys.argv[2], "beat network", stacked, metadata, half=False)
