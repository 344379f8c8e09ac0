"""The C library's heap: what lies free goes back to the system when it is asked to."""

import ctypes
import os
from pathlib import Path

import pytest

from visualizer.common import heap


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_what_lies_free_between_what_is_in_use_goes_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    size, n = 64_000, 1000
    blocks = [libc.malloc(size) for _ in range(n)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    kept = blocks[::20]
    for block in set(blocks) - set(kept):
        libc.free(block)
    before = resident()
    heap.trim()
    assert resident() < before - 0.7 * size * n
    for block in kept:
        libc.free(block)
