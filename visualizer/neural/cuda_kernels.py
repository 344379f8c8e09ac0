"""Our own kernels for the graphics card, compiled for it when they are first needed.

The compiler is NVRTC, a library that comes with a torch for CUDA: nothing needs to be installed but the
cuda-bindings package (`pip install 'visualizer[cuda]'`). Compiling takes a fraction of a second.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import ModuleType

import torch

from visualizer.common.cuda_answers import checked

SOURCE = Path(__file__).with_name("kernels.cu")
NAMES = ("modulate", "rectify", "shuffle")
BLOCK = 256
EIGHT = 8


class NoKernels(Exception):
    """Kernels can't be compiled or loaded here; the message says why."""


def _bindings() -> tuple[ModuleType, ModuleType]:
    try:
        from cuda.bindings import driver, nvrtc
    except ImportError as error:
        raise NoKernels(f"cuda-bindings can't be loaded ({error})") from None
    return driver, nvrtc


def _check(answer: tuple) -> tuple:
    return checked(answer, NoKernels)


def compiled(source: bytes, capability: tuple[int, int]) -> bytes:
    """Machine code for cards of a compute capability, e.g. (9, 0). Raises NoKernels, in NVRTC's words."""
    _, nvrtc = _bindings()
    try:
        (program,) = _check(nvrtc.nvrtcCreateProgram(source, SOURCE.name.encode(), 0, [], []))
    except RuntimeError as error:  # the library itself is not there
        raise NoKernels(f"NVRTC can't be loaded ({error})") from None
    options = [b"--gpu-architecture=sm_%d%d" % capability, b"--std=c++17"]
    (failure,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if int(failure) != 0:
        (size,) = _check(nvrtc.nvrtcGetProgramLogSize(program))
        words = b" " * size
        _check(nvrtc.nvrtcGetProgramLog(program, words))
        raise NoKernels(f"NVRTC says {words.decode(errors='replace').strip()}")
    (size,) = _check(nvrtc.nvrtcGetCUBINSize(program))
    code = b" " * size
    _check(nvrtc.nvrtcGetCUBIN(program, code))
    return code


class Kernels:
    """The kernels of kernels.cu on one card, launched on torch's current stream. Tensors are float16."""

    def __init__(self, device: torch.device):
        """Raises NoKernels if they can't be had here."""
        self._driver, _ = _bindings()
        with torch.cuda.device(device):
            torch.cuda.synchronize()  # now there is a context to load them into
            self._code = compiled(SOURCE.read_bytes(), torch.cuda.get_device_capability())
            (module,) = _check(self._driver.cuModuleLoadData(self._code))
            self._functions = {
                name: _check(self._driver.cuModuleGetFunction(module, name.encode()))[0] for name in NAMES
            }

    def _launch(self, name: str, threads: int, *arguments: torch.Tensor | int | None) -> None:
        values = [a.data_ptr() if isinstance(a, torch.Tensor) else a or 0 for a in arguments]
        types = [ctypes.c_int if isinstance(a, int) else ctypes.c_void_p for a in arguments]
        blocks = -(-threads // BLOCK)
        stream = torch.cuda.current_stream().cuda_stream
        launch = self._driver.cuLaunchKernel
        packed = tuple(values), tuple(types)
        _check(launch(self._functions[name], blocks, 1, 1, BLOCK, 1, 1, 0, stream, packed, 0))

    def modulate(
        self, phases: torch.Tensor, bias: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        """Bias, leaky rectifier and modulation of four phases, put together.

        phases: [n, 4 c, h + 1, w + 1], channels last; bias: [c]; scale, shift: [n, c], rows of one tensor.
        Returns [n, c, 2 h, 2 w], channels last.
        """
        n, channels, height, width = phases.shape
        assert phases.is_contiguous(memory_format=torch.channels_last) and channels % (4 * EIGHT) == 0
        assert scale.stride() == shift.stride() and scale.stride(1) == 1
        channels, height, width = channels // 4, height - 1, width - 1
        out = torch.empty(
            (n, channels, 2 * height, 2 * width),
            dtype=phases.dtype,
            device=phases.device,
            memory_format=torch.channels_last,
        )
        eights, row = channels // EIGHT, scale.stride(0) // EIGHT
        sizes = (n, height, width, eights, row)
        self._launch("modulate", out.numel() // EIGHT, phases, bias, scale, shift, out, *sizes)
        return out

    def rectify(self, values: torch.Tensor, bias: torch.Tensor, before: torch.Tensor | None = None) -> None:
        """Bias and leaky rectifier, in place, and `before` added to the outcome.

        values, before: [n, c, h, w], channels last; bias: [c].
        """
        assert values.is_contiguous(memory_format=torch.channels_last) and len(bias) % EIGHT == 0
        assert before is None or before.stride() == values.stride()
        eights = values.numel() // EIGHT
        self._launch("rectify", eights, values, bias, before, eights, len(bias) // EIGHT)

    def shuffle(self, subpixels: torch.Tensor, bias: torch.Tensor, out: torch.Tensor) -> None:
        """From the last convolution to pictures, as `generator.Generator` ends.

        subpixels: [n, 12, h, w], channels last; bias: [12]; out: [n, 2 h, 2 w, 3] uint8, is overwritten.
        """
        n, channels, height, width = subpixels.shape
        assert channels == 12 and subpixels.is_contiguous(memory_format=torch.channels_last)
        assert out.is_contiguous() and out.shape == (n, 2 * height, 2 * width, 3)
        self._launch("shuffle", out.numel() // 3, subpixels, bias, out, n, height, width)
