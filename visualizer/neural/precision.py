"""Which numbers networks compute with on a device: the fastest that it computes natively."""

from __future__ import annotations

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """float16 on CUDA, bfloat16 where the processor computes it natively, else float32.

    A processor held to an older instruction set (`ATEN_CPU_CAPABILITY=avx2`) is taken for an older one.
    """
    if device.type == "cuda":
        return torch.float16
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    allowed = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if allowed and (native() or tiles()) else torch.float32


def fast_numbers(device: torch.device) -> torch.autocast:
    """A context in which networks compute in bfloat16, if that is fast; its range also holds gradients."""
    dtype = torch.bfloat16 if device.type == "cuda" else fast_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
