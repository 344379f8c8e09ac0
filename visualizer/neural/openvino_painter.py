"""Painting with OpenVINO: on the CPU, about twice as fast as the plain network in PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import openvino as ov
import torch

from visualizer.latent import body
from visualizer.neural import figure_graph, openvino_graph
from visualizer.neural.figure import Figure, Maps
from visualizer.neural.generator import Generator, fold_upsampling
from visualizer.neural.openvino_graph import shuffled
from visualizer.neural.precision import fast_dtype
from visualizer.neural.stylegan.imported import StyleGan
from visualizer.neural.stylegan.openvino_graph import translated


class Compiled:
    """A network compiled for this processor, once for each number of pictures asked for; for any thread."""

    def __init__(
        self,
        build: Callable[[int], ov.Model],
        finish: Callable[[np.ndarray], np.ndarray],
        precision: str | None,
        threads: int | None,
    ):
        """build: the graph for a number of pictures. finish: a copy of what it makes, as whole pictures.
        precision: "f32" or "bf16"; None is bf16 where the processor computes it natively, and faster.
        threads: at most; None leaves it to OpenVINO."""
        self._build, self._finish = build, finish
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
        self._lock = threading.Lock()
        self._requests: dict[int, ov.InferRequest] = {}

    def _draw(self, *inputs: np.ndarray) -> np.ndarray:
        """Pictures [n, h, w, 3] uint8 of a graph's inputs [n, ...] float32."""
        n = len(inputs[0])
        # A request serves one caller at a time; stills are painted while the show goes on.
        with self._lock:
            if n not in self._requests:
                compiled = self._core.compile_model(self._build(n), "CPU", self._settings)
                self._requests[n] = compiled.create_infer_request()
            given = [np.ascontiguousarray(values) for values in inputs]
            made = self._requests[n].infer(given, share_outputs=True)[0]
            return self._finish(made)  # a copy: the next call writes over what was made


class OpenVinoPainter(Compiled):
    """Paints with a generator."""

    def __init__(
        self, generator: Generator | StyleGan, precision: str | None = None, threads: int | None = None
    ):
        """precision, threads: as of `Compiled`."""
        if isinstance(generator, Generator):
            folded = fold_upsampling(generator)
            super().__init__(partial(openvino_graph.build, folded), shuffled, precision, threads)
            return
        if precision is None and generator.plan.version == 3:
            precision = "f32"  # its many filters for one channel each take thrice as long in bf16
        super().__init__(partial(translated, generator), np.copy, precision, threads)

    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """See `inference.Painter`."""
        matter = shape if matter is None else matter
        assert shape.shape == matter.shape
        return self._draw(shape, matter)


class OpenVinoFigurePainter(Compiled):
    """Paints a figure."""

    def __init__(self, figure: Figure, precision: str | None = None, threads: int | None = None):
        """precision, threads: as of `Compiled`."""
        folded = fold_upsampling(figure)
        super().__init__(partial(figure_graph.build, folded), shuffled, precision, threads)
        self._maps = Maps()
        self._start = figure.start.detach()[None].numpy()

    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """See `figure_painter.TorchFigurePainter`."""
        assert matter is not None
        with torch.inference_mode():
            maps = self._maps(torch.from_numpy(body.on_stage(shape))).numpy()
        return self._draw(maps, matter, np.tile(self._start, (len(shape), 1, 1, 1)))
