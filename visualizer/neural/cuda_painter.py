"""Painting with CUDA: one recorded graph for each batch size, and nothing waits but who needs the pictures.

A picture takes less time than PyTorch needs to launch its forty kernels one by one; a CUDA graph launches
them all at once. Codes and pictures live in buffers that never move, as graphs demand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from visualizer.neural.generator import CODE_DIM, PICTURE_SIZE, Generator, fold_norms
from visualizer.neural.layout import channels_last

# Before recording, cuDNN tries its algorithms and PyTorch takes its memory.
WARM_UP = 3


@dataclass
class Recorded:
    """One batch size: its graph, the buffers that it reads and writes, and their pinned twins on the host."""

    graph: torch.cuda.CUDAGraph
    codes: torch.Tensor
    pictures: torch.Tensor
    host_codes: torch.Tensor
    host_pictures: torch.Tensor


class CudaPainter:
    """float16, channels last, normalisation folded, CUDA graphs, one stream."""

    def __init__(self, generator: Generator, device: torch.device, dtype: torch.dtype = torch.float16):
        self.device = device
        self.dtype = dtype
        self.name = f"CUDA graph {str(dtype).removeprefix('torch.')}"
        self._generator = channels_last(fold_norms(generator).to(device, dtype))
        self._stream = torch.cuda.Stream(device)
        self._recorded: dict[int, Recorded] = {}

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes [n, 4096] float32 to pictures [n, 256, 256, 3] uint8 sRGB on the host."""
        recorded = self._paint(codes)
        with torch.cuda.stream(self._stream):
            recorded.host_pictures.copy_(recorded.pictures, non_blocking=True)
        self._stream.synchronize()
        return recorded.host_pictures.numpy().copy()

    def on_device(self, codes: np.ndarray) -> torch.Tensor:
        """Codes [n, 4096] float32 to pictures [n, 256, 256, 3] uint8 that never leave the card.

        The caller's stream waits for them; they are overwritten by the next call.
        """
        recorded = self._paint(codes)
        torch.cuda.current_stream(self.device).wait_stream(self._stream)
        return recorded.pictures

    @torch.inference_mode()
    def _paint(self, codes: np.ndarray) -> Recorded:
        n = len(codes)
        if n not in self._recorded:
            self._recorded[n] = self._record(n)
        recorded = self._recorded[n]
        # The copy below may still be reading what was staged for the last call.
        self._stream.synchronize()
        recorded.host_codes.copy_(torch.from_numpy(codes))
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
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

        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
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
