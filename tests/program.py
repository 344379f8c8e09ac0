"""The program in a process of its own, as a user starts it."""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import PIPE

# The checkout's package, installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@contextmanager
def started(
    *arguments, module="visualizer", code=None, cwd=None, environment=ENVIRONMENT, under=(), **streams
):
    """A running `visualizer` with arguments, another module, or some code; killed if left running.

    under: a command that runs the one that follows it; streams: stdin and others of `subprocess.Popen`.
    """
    _heed_signals()
    what = ["-m", module] if code is None else ["-c", code]
    command = [*under, sys.executable, *what, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, **{"stdout": PIPE, "stderr": PIPE, "text": True, **streams}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _heed_signals():
    """Background jobs of a shell ignore them, and so does the program where it ended in this process; what is
    started from here would, too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def ran(*arguments, seconds=300, **how):
    """What came of it: returncode, stdout and stderr. seconds: after which it hangs; how: as of `started`."""
    if sys.platform == "linux" and how.keys() <= {"cwd"}:
        return _forked(list(map(str, arguments)), how.get("cwd") or os.getcwd(), seconds)
    with started(*arguments, **how) as process:
        stdout, stderr = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _forked(arguments, cwd, seconds):
    """`ran`, without the seconds that imports take; see nursery.py."""
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        outputs = {"stdout": stdout.name, "stderr": stderr.name}
        request = {"arguments": arguments, "cwd": str(cwd), "seconds": seconds, **outputs}
        nursery = _nursery()
        print(json.dumps(request), file=nursery.stdin, flush=True)
        code = int(nursery.stdout.readline())
        result = subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())
    assert code != -signal.SIGALRM, f"it hangs: {result}"
    return result


@cache
def _nursery():
    command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
    nursery = subprocess.Popen(command, env=ENVIRONMENT, stdin=PIPE, stdout=PIPE, text=True)
    atexit.register(nursery.communicate)
    return nursery
