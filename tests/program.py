"""The program in a process of its own, as a user starts it."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

# The checkout's package, installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@contextmanager
def started(*arguments, module="visualizer", code=None, cwd=None, environment=ENVIRONMENT):
    """A running `visualizer` with arguments, another module, or some code; killed if left running."""
    what = ["-m", module] if code is None else ["-c", code]
    process = subprocess.Popen(
        [sys.executable, *what, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ran(*arguments, seconds=300, **how):
    """What came of it: returncode, stdout and stderr. seconds: after which it hangs; how: as of `started`."""
    with started(*arguments, **how) as process:
        stdout, stderr = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
