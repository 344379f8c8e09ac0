"""The second judge, for measuring alone: half of Inception-v3 (Szegedy et al. 2015, arXiv:1512.00567).

It is of another family than the first judge and than the networks that a generator learns from. Its weights
are those of the npm package `nsfwjs` (MIT), which keeps them as Keras's description of the layers and
numbers of 8 bits in base64, both wrapped in JavaScript:

    npm pack nsfwjs@4.3.0
    python tests/inception.py nsfwjs-4.3.0.tgz inception.safetensors

Only what the package left as ImageNet had taught it is taken. Its last blocks learned to find bare skin,
and forgot for it: of 272 pictures of 17 kinds the nearest neighbour was of the same kind for 49 % by what
is taken, for 30 % by the last block. The network is built from the package's description, so that what
isn't written here can't be written wrongly.
"""

import base64
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError

FOLDER = "package/dist/models/inception_v3/"
SHARDS = 6
# The last layer before the package's own training begins.
LAST = "mixed5"
# One step of the network: what is done, its name, the names of what it is done to, its settings.
Step = tuple[str, str, list[str], dict[str, Any]]


class Inception(nn.Module):
    """Pictures [n, 3, h, w], sRGB in 0..1, to [n, 768] features, batch normalisation folded."""

    def __init__(self, steps: list[Step]):
        super().__init__()
        self.steps = steps
        self.convs = nn.ModuleDict(
            {
                name: nn.Conv2d(s["inputs"], s["outputs"], s["kernel"], s["stride"], s["padding"])
                for op, name, _, s in steps
                if op == "conv"
            }
        )

    @classmethod
    def load(cls, path: Path) -> "Inception":
        """Read what `convert` wrote. Raises UserError if there is nothing such."""
        tensors, metadata = weights.load(path, "inception")
        net = cls(json.loads(metadata["steps"]))
        net.load_state_dict(tensors)
        return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def layers(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """The output of every step, by name."""
        done = {"input_1": pictures}
        for op, name, sources, settings in self.steps:
            x = [done[source] for source in sources]
            if op == "conv":
                done[name] = F.relu(self.convs[name](x[0]))
            elif op == "max":
                done[name] = F.max_pool2d(x[0], settings["kernel"], settings["stride"])
            elif op == "mean":
                done[name] = F.avg_pool2d(x[0], 3, 1, 1, count_include_pad=False)
            else:
                done[name] = torch.cat(x, 1)
        return done

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layers(pictures)[LAST].mean((2, 3))


def convert(package: Path) -> tuple[list[Step], dict[str, torch.Tensor]]:
    """The steps and the weights from the package's .tgz. Raises UserError if it is another file."""
    try:
        with tarfile.open(package) as archive:
            model, *shards = (
                archive.extractfile(f"{FOLDER}{name}.min.js").read().decode()  # type: ignore[union-attr]
                for name in ("model", *(f"group1-shard{i + 1}of{SHARDS}" for i in range(SHARDS)))
            )
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{package} isn't the package ({error}); fetch it: npm pack nsfwjs@4.3.0") from error
    described = from_javascript(model)
    stored = b"".join(base64.b64decode(max(re.findall(r'"([^"]*)"', shard), key=len)) for shard in shards)
    arrays = dequantised(described["weightsManifest"][0]["weights"], stored)
    return folded(described["modelTopology"]["model_config"]["config"]["layers"], arrays)


def from_javascript(source: str) -> Any:
    """What a minified module of one object literal exports."""
    literal = source[source.index("exports={") + len("exports=") :]
    literal = re.sub(r"([{,])([A-Za-z_]\w*):", r'\1"\2":', literal)
    literal = literal.replace("!0", "true").replace("!1", "false")
    literal = re.sub(r"([\[:,-])\.(\d)", r"\g<1>0.\2", literal)
    return json.JSONDecoder().raw_decode(literal)[0]


def dequantised(entries: list[dict[str, Any]], stored: bytes) -> dict[str, np.ndarray]:
    """Arrays by name of TensorFlow.js's 8-bit numbers; each array has a scale and a minimum."""
    arrays, at = {}, 0
    for entry in entries:
        size = int(np.prod(entry["shape"]))
        integers = np.frombuffer(stored, np.uint8, size, at).reshape(entry["shape"])
        quantisation = entry["quantization"]
        arrays[entry["name"]] = integers * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
        at += size
    assert at == len(stored)
    return arrays


def folded(
    layers: list[dict[str, Any]], arrays: dict[str, np.ndarray]
) -> tuple[list[Step], dict[str, torch.Tensor]]:
    """Steps and weights; a convolution, its normalisation and its ReLU are one step."""
    steps: list[Step] = []
    tensors: dict[str, torch.Tensor] = {}
    stands_for: dict[str, str] = {}
    for layer in layers:
        name, kind, config = layer["name"], layer["class_name"], layer["config"]
        sources = [stands_for.get(node[0], node[0]) for inbound in layer["inbound_nodes"] for node in inbound]
        if kind == "Conv2D":
            kernel = arrays[f"{name}/kernel"]
            height, width, inputs, outputs = kernel.shape
            padding = [height // 2, width // 2] if config["padding"] == "same" else [0, 0]
            assert config["strides"] == [1, 1] or padding == [0, 0]
            settings = {"inputs": inputs, "outputs": outputs, "kernel": [height, width]}
            steps.append(
                ("conv", name, sources, {**settings, "stride": config["strides"], "padding": padding})
            )
            tensors[f"convs.{name}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        elif kind == "BatchNormalization":
            conv, scale = sources[0], (arrays[f"{name}/moving_variance"] + config["epsilon"]) ** -0.5
            tensors[f"convs.{conv}.weight"] *= torch.from_numpy(scale)[:, None, None, None]
            bias = arrays[f"{name}/beta"] - arrays[f"{name}/moving_mean"] * scale
            tensors[f"convs.{conv}.bias"] = torch.from_numpy(bias)
            stands_for[name] = conv
        elif kind == "Activation":
            stands_for[name] = sources[0]
        elif kind == "MaxPooling2D":
            settings = {"kernel": config["pool_size"], "stride": config["strides"]}
            steps.append(("max", name, sources, settings))
        elif kind == "AveragePooling2D":
            assert (config["pool_size"], config["strides"], config["padding"]) == ([3, 3], [1, 1], "same")
            steps.append(("mean", name, sources, {}))
        elif kind == "Concatenate":
            steps.append(("join", name, sources, {}))
        if name == LAST:
            break
    return steps, tensors


def write(package: Path, path: Path) -> None:
    """Convert the package to a file that `Inception.load` reads. Raises UserError if it can't be."""
    steps, tensors = convert(package)
    metadata = {"steps": json.dumps(steps), "source": "npm nsfwjs 4.3.0, MIT, Inception-v3 up to mixed5"}
    weights.save(path, "inception", tensors, metadata, half=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
