"""Judges that no generator learned from: what they see in pictures, kept for photos, and distances in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import scipy.linalg
import torch
from convert_lite import package_state
from inception import Inception
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.learning import photo, pictures
from visualizer.learning.classifier import Classifier
from visualizer.learning.efficientnet import EfficientNetLite
from visualizer.neural.generator import PICTURE_SIZE
from visualizer.neural.inference import fast_dtype

BATCH = 16
# Photos after which what was seen of them is written down.
KEPT_EVERY = 20 * BATCH


class Judge:
    """One network compiled for one core; calling it gives features [n, d] of [n, 256, 256, 3] uint8."""

    def __init__(self, name: str, net: nn.Module):
        self.name = name
        net.eval().requires_grad_(False)
        shape = (BATCH, 3, PICTURE_SIZE, PICTURE_SIZE)
        fast = fast_dtype(torch.device("cpu")) == torch.bfloat16
        with torch.no_grad():
            graph = ov.convert_model(net, example_input=torch.zeros(shape), input=[shape])
        settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16" if fast else "f32"}
        self._network = ov.Core().compile_model(graph, "CPU", settings)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return in_batches(self._look, images)

    def _look(self, images: np.ndarray) -> np.ndarray:
        tensor = pictures.to_tensor(images).contiguous().numpy()
        return next(iter(self._network(tensor).values())).copy()


class Pooled(nn.Module):
    """EfficientNet-Lite2 up to its pooled features, [n, 1280]."""

    def __init__(self, net: EfficientNetLite):
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net.pooled(self.net.features(Classifier.normalise(images))[-1])


def first() -> tuple[Judge, nn.Linear]:
    """EfficientNet-Lite2, from its package, and what tells the classes from its features."""
    net = EfficientNetLite("lite2")
    net.load_state_dict(package_state("lite2"))
    return Judge("EfficientNet-Lite2", Pooled(net)), net.classify.requires_grad_(False)


def second(path: Path) -> Judge:
    """Inception-v3, from what `tests/inception.py` wrote."""
    return Judge("Inception-v3", Inception.load(path))


def in_batches(look: Callable[..., np.ndarray], *inputs: np.ndarray) -> np.ndarray:
    """Rows that `look` has of inputs of any number, given batches of one size: the last is filled up."""
    rows, n = [], len(inputs[0])
    for i in range(0, n, BATCH):
        places = np.minimum(np.arange(i, i + BATCH), n - 1)
        rows.append(look(*(x[places] for x in inputs))[: n - i])
    return np.concatenate(rows)


def cache_folder() -> Path:
    """Where this user's caches belong."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visualizer-measuring"


def kept(
    folder: Path, name: str, paths: Sequence[Path], look: Callable[[np.ndarray], np.ndarray], size: int = 256
) -> np.ndarray:
    """[n, ...]: what `look` sees in photos [m, size, size, 3] uint8, each looked at once and then kept.

    Kept in a file of that name in the folder, for as long as the photo's file stays as it is. An
    interrupted run loses at most the last few hundred looks.
    """
    file = folder / f"{name}.safetensors"
    known: dict[str, torch.Tensor] = {}
    if file.is_file():
        tensors, metadata = weights.load(file, "looks at photos")
        known = dict(zip(metadata["photos"].split("\n"), tensors["looks"]))
    keys = [_key(path) for path in paths]
    missing = [(key, path) for key, path in dict(zip(keys, paths)).items() if key not in known]
    with bar(len(missing), f"looking at photos, {name}", "photo", bool(missing)) as progress_bar:
        for i in range(0, len(missing), KEPT_EVERY):
            chunk = missing[i : i + KEPT_EVERY]
            looks = look(np.stack([photo.read(path, size) for _, path in chunk]))
            known |= zip((key for key, _ in chunk), torch.from_numpy(looks))
            folder.mkdir(parents=True, exist_ok=True)
            table = {"looks": torch.stack([*known.values()])}
            weights.save(file, "looks at photos", table, {"photos": "\n".join(known)}, half=False)
            progress_bar.update(len(chunk))
    return torch.stack([known[key] for key in keys]).numpy()


def _key(path: Path) -> str:
    """A photo's file as it is now."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error}); leave it out.") from error
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"


def principal(reference: np.ndarray, dimensions: int) -> Callable[[np.ndarray], np.ndarray]:
    """The projection of features to the principal dimensions of a reference's."""
    centre = reference.mean(0)
    axes = np.linalg.svd(reference - centre, full_matrices=False)[2][:dimensions]
    return lambda features: (features - centre).astype(np.float64) @ axes.T.astype(np.float64)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of rows (Heusel et al. 2017)."""
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), np.cov(x.T)) for x in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2 * root))


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n]: of rows with rows."""
    return np.sum(a * b, 1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def agreement(photos: np.ndarray, made: np.ndarray, k: int) -> float:
    """How often the first choice of logits for the photo is among the first k for the picture."""
    first_choice = photos.argmax(1, keepdims=True)
    return float((np.argsort(-made, 1)[:, :k] == first_choice).any(1).mean())
