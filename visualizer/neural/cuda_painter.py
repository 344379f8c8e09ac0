"""Painting with CUDA: one recorded graph for each batch size, on a stream of its own.

A picture takes less time than PyTorch needs to launch its kernels one by one; a CUDA graph launches them
all at once. Codes and pictures live in buffers that never move, as graphs demand. Only the thread that
paints waits for the card: whatever else draws there goes on.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from visualizer.neural.cuda_generator import CudaGenerator
from visualizer.neural.cuda_kernels import NoKernels
from visualizer.neural.generator import Generator
from visualizer.neural.layout import channels_last
from visualizer.neural.stylegan.imported import StyleGan

# Before recording, the libraries make their handles and workspaces, and cuDNN tries its algorithms.
WARM_UP = 3
Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]
"""From shape and matter [n, d] float32 into pictures [n, h, w, 3] uint8 sRGB, all on the card."""
log = logging.getLogger("visualizer")


@dataclass(frozen=True)
class Recorded:
    """One batch size: its graph, which begins by reading the codes and ends by writing the pictures.

    codes: [2, n, d] float32 in pinned memory of the host, shape and matter; pictures: [n, h, w, 3] uint8 on
    the card.
    """

    graph: torch.cuda.CUDAGraph
    codes: np.ndarray
    pictures: torch.Tensor


class CudaPainter:
    """float16, channels last, CUDA graphs, one stream; for any thread.

    With the cuda-bindings package the kernels between the convolutions are our own.
    """

    def __init__(self, generator: Generator | StyleGan, device: torch.device, own_kernels: bool = True):
        """own_kernels: use them if they can be had. Raises RuntimeError, of torch's many kinds, if the card
        can't paint."""
        self.device = device
        self.name = "CUDA graph float16"
        self._code_dim = generator.code_dim
        self._size = generator.picture_size
        own = None
        if own_kernels and isinstance(generator, Generator):
            own = own_network(generator, device)
        if own is not None:
            self.name += " with own kernels"
        self._network = own or plain_network(generator, device)
        self._stream = torch.cuda.Stream(device)
        self._recorded: dict[int, Recorded] = {}
        # The buffers serve one caller at a time; stills are painted while the show goes on.
        self._lock = threading.Lock()

    # Python's other threads run meanwhile, and each call may have to wait for them: so there are few.

    @torch.inference_mode()
    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """See `inference.Painter`; the pictures are in the host's memory."""
        with self._lock, torch.cuda.stream(self._stream):
            pictures = self._paint(shape, matter)
            # Pinned memory is kept for the next ones by torch when these are gone.
            copy = torch.empty(pictures.shape, dtype=torch.uint8, pin_memory=True)
            copy.copy_(pictures, non_blocking=True)
            self._stream.synchronize()
        return copy.numpy()

    @torch.inference_mode()
    def on_device(self, shape: np.ndarray, matter: np.ndarray | None = None) -> torch.Tensor:
        """See `inference.Painter`; the pictures never leave the card."""
        with self._lock, torch.cuda.stream(self._stream):
            pictures = self._paint(shape, matter).clone()
            # The caller draws from them on a stream of its own: until then their memory is theirs.
            pictures.record_stream(torch.cuda.default_stream(self.device))
            self._stream.synchronize()
        return pictures

    def _paint(self, shape: np.ndarray, matter: np.ndarray | None) -> torch.Tensor:
        """Begin on the painter's stream, which must have nothing left to do."""
        n = len(shape)
        if n not in self._recorded:
            self._recorded[n] = self._record(n)
        recorded = self._recorded[n]
        recorded.codes[0] = shape
        recorded.codes[1] = shape if matter is None else matter
        recorded.graph.replay()
        return recorded.pictures

    def _record(self, n: int) -> Recorded:
        host = torch.zeros(2, n, self._code_dim, pin_memory=True)
        codes = torch.zeros(2, n, self._code_dim, device=self.device)
        pictures = torch.empty(n, self._size, self._size, 3, dtype=torch.uint8, device=self.device)

        def draw() -> None:
            codes.copy_(host, non_blocking=True)
            self._network(codes[0], codes[1], pictures)

        # The weights may have been copied on another stream.
        torch.cuda.synchronize(self.device)
        # Shapes never change: the fastest algorithms are worth the search.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            for _ in range(WARM_UP):
                draw()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # What other threads do on the card meanwhile is no concern of this recording.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                draw()
        return Recorded(graph, host.numpy(), pictures)


def own_network(generator: Generator, device: torch.device) -> Network | None:
    """The network with our kernels; None where they can't be had."""
    try:
        return CudaGenerator(generator, device)
    except NoKernels as reason:
        log.info("the card draws with torch's kernels alone: %s", reason)
        return None


def plain_network(generator: Generator | StyleGan, device: torch.device) -> Network:
    """The network with torch's kernels alone; of a StyleGAN, only the features are in float16."""
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    if isinstance(generator, Generator):
        network = channels_last(copy.deepcopy(generator).to(device, torch.float16))
        dtype = torch.float16
    else:
        network = channels_last(generator.in_half().to(device))
        dtype = torch.float32

    def draw(shape: torch.Tensor, matter: torch.Tensor, pictures: torch.Tensor) -> None:
        made = network(shape.to(dtype), matter.to(dtype)).permute(0, 2, 3, 1)
        pictures.copy_(made.float().mul(255).add(0.5))

    return draw
