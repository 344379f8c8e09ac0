"""Painting a figure, and a troupe: whatever a code's shape is, a picture's or a body's, is painted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch

from visualizer.latent import body
from visualizer.neural.figure import Figure, Maps
from visualizer.neural.figures import Figures
from visualizer.neural.generator import fold_upsampling
from visualizer.neural.inference import Painter, Painting, make_painter
from visualizer.neural.layout import channels_last
from visualizer.neural.precision import fast_dtype


class TorchFigurePainter:
    """Plain PyTorch, any device."""

    def __init__(self, figure: Figure, device: torch.device, dtype: torch.dtype | None = None):
        """dtype: None chooses the fastest that the device computes natively, and exactly enough."""
        self.device, self.dtype = device, dtype or fast_dtype(device)
        self.name = f"PyTorch {str(self.dtype).removeprefix('torch.')}"
        self._figure = channels_last(fold_upsampling(figure).to(device, self.dtype))
        self._figure.maps = Maps().to(device)

    @torch.inference_mode()
    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """Pictures [n, 256, 256, 3] uint8 of poses [n, POSE_DIM] and codes [n, 4096]."""
        assert matter is not None
        points = torch.from_numpy(body.on_stage(shape)).to(self.device)
        pictures = self._figure(points, torch.from_numpy(matter).to(self.device, self.dtype))
        pictures = pictures.permute(0, 2, 3, 1).float().mul(255).add(0.5)
        return pictures.to(torch.uint8).contiguous().cpu().numpy()


class OpenVinoFigurePainter:
    """A figure compiled for this processor, once for each number of pictures asked for."""

    def __init__(self, figure: Figure, precision: str | None = None, threads: int | None = None):
        """precision, threads: as of `OpenVinoPainter`."""
        import openvino as ov

        self._core = ov.Core()
        if precision is None:
            precision = "bf16" if fast_dtype(torch.device("cpu")) == torch.bfloat16 else "f32"
        self.name = f"OpenVINO {({'bf16': 'bfloat16', 'f32': 'float32'})[precision]}"
        self._settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._figure, self._maps = fold_upsampling(figure), Maps()
        self._start = figure.start.detach()[None].numpy()
        self._lock = threading.Lock()
        self._requests: dict[int, ov.InferRequest] = {}

    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """See `TorchFigurePainter`."""
        from visualizer.neural.figure_graph import build
        from visualizer.neural.openvino_graph import shuffled

        assert matter is not None
        n = len(shape)
        with torch.inference_mode():
            maps = self._maps(torch.from_numpy(body.on_stage(shape))).numpy()
        with self._lock:
            if n not in self._requests:
                compiled = self._core.compile_model(build(self._figure, n), "CPU", self._settings)
                self._requests[n] = compiled.create_infer_request()
            inputs = [maps, np.ascontiguousarray(matter), np.tile(self._start, (n, 1, 1, 1))]
            made = self._requests[n].infer(inputs, share_outputs=True)[0]
            return shuffled(made)


def make_figure_painter(figure: Figure, device: torch.device, threads: int | None = None) -> Painter:
    """The fastest painter for a device. threads: of the CPU, at most; None leaves it to the library."""
    if device.type == "cpu":
        try:
            return OpenVinoFigurePainter(figure, threads=threads)
        except ImportError:  # there is no OpenVINO for this processor
            pass
    return TorchFigurePainter(figure, device)


class Troupe:
    """Paints codes with a generator's painter, and those whose shape is a pose with a figure's."""

    def __init__(self, painter: Painting, figure: Callable[[], Painting]):
        """figure: makes its painter, when the first pose comes."""
        self._painter, self._make = painter, figure
        self._figure: Painting | None = None
        self._making = threading.Lock()

    def __call__(self, shape: np.ndarray, matter: np.ndarray) -> np.ndarray | torch.Tensor:
        """See `inference.Painter`."""
        if shape.shape[1] != body.POSE_DIM:
            return self._painter(shape, matter)
        with self._making:
            self._figure = self._figure or self._make()
        return self._figure(shape, matter)


def company(device: torch.device, threads: int | None = None) -> Troupe:
    """The shipped light generator and the shipped figure, for whatever preset."""
    from visualizer.neural import generators

    painter = make_painter(generators.load(), device, threads)
    return Troupe(painter, lambda: make_painter(Figures().figure, device, threads))
