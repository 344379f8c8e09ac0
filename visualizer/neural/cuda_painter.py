"""Painting with CUDA: one recorded graph for each batch size, on a stream of its own.

A picture takes less time than PyTorch needs to launch its forty kernels one by one; a CUDA graph launches
them all at once. Codes and pictures live in buffers that never move, as graphs demand. Only the thread that
paints waits for the card: whatever else draws there goes on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch

from visualizer.neural.generator import CODE_DIM, PICTURE_SIZE, Generator, fold_norms
from visualizer.neural.layout import channels_last

# Before recording, the libraries make their handles and workspaces, and cuDNN tries its algorithms.
WARM_UP = 3


@dataclass
class Recorded:
    """One batch size: its graph, the buffers that it reads and writes, and their pinned twins on the host.

    codes: [n, 4096] float32; pictures: [n, 256, 256, 3] uint8.
    """

    graph: torch.cuda.CUDAGraph
    codes: torch.Tensor
    pictures: torch.Tensor
    host_codes: torch.Tensor
    host_pictures: torch.Tensor


class CudaPainter:
    """float16, channels last, normalisation folded, CUDA graphs, one stream; for any thread.

    Whether folding the upsampling, as the processor's painters do, is faster on a card was never measured.
    """

    def __init__(self, generator: Generator, device: torch.device, dtype: torch.dtype = torch.float16):
        """dtype: of the numbers. Raises RuntimeError, of torch's many kinds, if the card can't do it."""
        self.device = device
        self.dtype = dtype
        self.name = f"CUDA graph {str(dtype).removeprefix('torch.')}"
        self._generator = channels_last(fold_norms(generator).to(device, dtype))
        self._stream = torch.cuda.Stream(device)
        self._recorded: dict[int, Recorded] = {}
        # The buffers serve one caller at a time; stills are painted while the show goes on.
        self._lock = threading.Lock()

    @torch.inference_mode()
    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes [n, 4096] float32 to pictures [n, 256, 256, 3] uint8 sRGB on the host."""
        with self._lock, torch.cuda.stream(self._stream):
            recorded = self._paint(codes)
            recorded.host_pictures.copy_(recorded.pictures, non_blocking=True)
            self._stream.synchronize()
            return recorded.host_pictures.numpy().copy()

    @torch.inference_mode()
    def on_device(self, codes: np.ndarray) -> torch.Tensor:
        """Codes [n, 4096] float32 to pictures [n, 256, 256, 3] uint8 sRGB that never leave the card."""
        with self._lock, torch.cuda.stream(self._stream):
            pictures = self._paint(codes).pictures.clone()
            # The caller draws from them on a stream of its own: until then their memory is theirs.
            pictures.record_stream(torch.cuda.default_stream(self.device))
            self._stream.synchronize()
        return pictures

    def _paint(self, codes: np.ndarray) -> Recorded:
        """Begin on the painter's stream, which must have nothing left to do."""
        n = len(codes)
        if n not in self._recorded:
            self._recorded[n] = self._record(n)
        recorded = self._recorded[n]
        recorded.host_codes.copy_(torch.from_numpy(codes))
        recorded.codes.copy_(recorded.host_codes, non_blocking=True)
        recorded.graph.replay()
        return recorded

    def _record(self, n: int) -> Recorded:
        size = (n, PICTURE_SIZE, PICTURE_SIZE, 3)
        codes = torch.zeros(n, CODE_DIM, device=self.device)
        pictures = torch.empty(size, dtype=torch.uint8, device=self.device)

        def draw() -> None:
            made = self._generator(codes.to(self.dtype)).permute(0, 2, 3, 1)
            pictures.copy_(made.float().mul(255).add(0.5))

        # The weights may have been copied on another stream.
        torch.cuda.synchronize(self.device)
        # Shapes never change: the fastest algorithms are worth the search.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            for _ in range(WARM_UP):
                draw()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):
                draw()
        return Recorded(
            graph,
            codes,
            pictures,
            torch.empty(n, CODE_DIM, pin_memory=True),
            torch.empty(size, dtype=torch.uint8, pin_memory=True),
        )
