"""Which numbers networks compute with on a device: the fastest that it computes natively."""

from __future__ import annotations

import time
from functools import cache

import torch

# A matrix product of this size, so often each, tells in some twenty milliseconds.
SIZE, TRIES = 512, 8
# Of the time in float32: what gains less isn't worth what is rounded off.
GAIN = 0.85


def fast_dtype(device: torch.device) -> torch.dtype:
    """float16 on CUDA, bfloat16 where the processor is faster by it, else float32.

    A processor held to an older instruction set (`ATEN_CPU_CAPABILITY=avx2`) is taken for an older one.
    """
    if device.type == "cuda":
        return torch.float16
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    allowed = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    fast = allowed and (tiles() or (native() and _faster_in_bfloat16()))
    return torch.bfloat16 if fast else torch.float32


@cache
def _faster_in_bfloat16() -> bool:
    """Whether a matrix product is. Without tiles some processors gain half by it, others lose as much."""
    matrices = [torch.ones(SIZE, SIZE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    times = []
    for _ in range(TRIES):
        for matrix in matrices:
            begun = time.perf_counter()
            torch.mm(matrix, matrix)
            times.append(time.perf_counter() - begun)
    return min(times[1::2]) < GAIN * min(times[::2])


def learning_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where short numbers are fast, for its range holds gradients; else float32."""
    return torch.float32 if fast_dtype(device) == torch.float32 else torch.bfloat16


def fast_numbers(device: torch.device) -> torch.autocast:
    """A context in which networks compute in bfloat16, if that is fast."""
    dtype = learning_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
