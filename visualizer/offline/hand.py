"""A hand of a crew: what each process of a cluster is asked to do. Its painter is the last studio's."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from visualizer import __version__
from visualizer.neural.inference import Painter
from visualizer.offline import engine
from visualizer.offline.album import Cut
from visualizer.offline.studio import Size, Studio

# How often it tells how far it is, and looks whether anybody still waits.
TELLING_S = 1.0

_one_at_a_time = threading.RLock()
_ready: tuple[Studio, Painter] | None = None


class Forsaken(Exception):
    """Nobody waits any more for what is being made."""


def version() -> str:
    """Of the program that runs there."""
    return __version__


def keep(studio: Studio) -> Studio:
    """As the result of a task a studio travels once, from hand to hand, and anew when a hand is lost."""
    return studio


def _painter(studio: Studio, sharing: int) -> Painter:
    global _ready
    if _ready is None or _ready[0] is not studio:
        _ready = studio, studio.painter(sharing)
    return _ready[1]


def paint(studio: Studio, sharing: int, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Pictures [n, h, w, 3] uint8 for each batch of codes. sharing: how many hands the machine has."""
    with _one_at_a_time:
        painter = _painter(studio, sharing)
        return [painter(*codes) for codes in batches]


def film(
    studio: Studio,
    sharing: int,
    song: bytes,
    title: str,
    sizes: Sequence[Size],
    cut: Cut,
    remark: str,
    topic: str,
) -> tuple[engine.Report, list[bytes]]:
    """Videos of a song of which the file is given, one of each size. topic: under which progress is told."""
    from distributed import get_worker

    worker = get_worker()
    with _one_at_a_time, tempfile.TemporaryDirectory(dir=worker.local_directory) as folder:
        # The end of its name helps to find out what it is.
        path = Path(folder) / f"song{Path(title).suffix}"
        path.write_bytes(song)
        one = cut.of(path)
        one.name = title
        videos = {Path(folder) / f"{i}.mp4": size for i, size in enumerate(sizes)}
        report = studio.film(
            one,
            videos,
            engine.painted_by(_painter(studio, sharing)),
            tell=_telling(worker, topic),
            keep_cut=False,
            remark=remark,
        )
        return report, [video.read_bytes() for video in videos]


def _telling(worker, topic: str) -> Callable[[int], None]:
    key = worker.get_current_task()
    frames, told = 0, time.monotonic()

    def tell(more: int) -> None:
        nonlocal frames, told
        frames += more
        if time.monotonic() - told < TELLING_S:
            return
        told = time.monotonic()
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Forsaken
        worker.log_event(topic, frames)

    return tell
