"""Measuring: medians of calls that take turns, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

WARM_UP = 3
LEAST = 3


def wait(device: torch.device | None) -> None:
    """Until the device has done what it was told."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def side_by_side(
    calls: dict[str, Callable[[], object]], seconds: float, device: torch.device | None = None
) -> dict[str, float]:
    """Median seconds of each call. They are made in turns, for about `seconds` in all, thrice at least."""
    for call in calls.values():
        begun = time.perf_counter()
        for _ in range(WARM_UP):
            call()
            wait(device)
            if time.perf_counter() - begun > seconds / 4:
                break
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(len(t) for t in times.values()) < LEAST:
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            wait(device)
            times[name].append(time.perf_counter() - begun)
    return {name: median(t) for name, t in times.items()}
