"""The demo tune from a process of its own: neither loading nor a show waits for its arithmetic."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future
from functools import cache

import numpy as np


@cache
def begin_demo_tune() -> Future[np.ndarray]:
    """Have `demo_tune` calculated, the first time it is called; the tune is the future's result."""
    tune: Future[np.ndarray] = Future()

    def work() -> None:
        try:
            tune.set_result(_from_child())
        except BaseException as error:
            tune.set_exception(error)

    # Nobody waits at the end for a tune that wasn't needed.
    threading.Thread(target=work, name="demo tune", daemon=True).start()
    return tune


def _from_child() -> np.ndarray:
    # -P: what lies in the folder where a person works is no part of this.
    command = [sys.executable, "-P", "-m", "visualizer.audio.demo_process"]
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        from visualizer.audio.demo_tune import demo_tune

        return demo_tune()
    return np.frombuffer(child.stdout, np.float32).reshape(-1, 2)


if __name__ == "__main__":
    from visualizer.audio.demo_tune import demo_tune

    sys.stdout.buffer.write(demo_tune().tobytes())
