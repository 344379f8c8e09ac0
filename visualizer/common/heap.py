"""What the C library does with freed memory, where that is glibc; elsewhere nothing happens.

By itself it hands large blocks back to the kernel at once, and small ones hardly ever.
"""

from __future__ import annotations

import contextlib
import ctypes

# From malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep() -> None:
    """Keep what is freed: a training step, which needs the same blocks again, spent a tenth of its time on
    handing them back."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def trim() -> None:
    """Hand back what lies free between what is in use: in a show of months it would become more and more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
