"""Progress bars: one look for every long job."""

from __future__ import annotations

from tqdm import tqdm


def bar(total: float | None, description: str, unit: str, show: bool = True) -> tqdm:
    """A bar with the rate per second and the time left. total: None if it isn't known."""
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        disable=not show,
        dynamic_ncols=True,
        smoothing=0.1,
    )
