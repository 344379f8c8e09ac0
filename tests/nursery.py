"""Where the tests' programs are born: a process that has imported all that takes seconds to import.

It forks a child for every request, a line of JSON on stdin, and writes its exit code to stdout. The child is
from there on what `python -m visualizer` is, with its own arguments, folder and outputs.
"""

import importlib
import json
import os
import runpy
import signal
import sys

SLOW = (
    "visualizer.audio.fitting",
    "visualizer.bench.run",
    "visualizer.learning.dreaming",
    "visualizer.learning.encoding",
    "visualizer.learning.training",
    "visualizer.offline.engine",
    "visualizer.offline.flash_fix",
)


def serve():
    for name in SLOW:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for the tests
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments, cwd, stdout, stderr, seconds):
    """Be the program. stdout, stderr: files that are there; seconds: after which it is ended by SIGALRM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(seconds)
    for number, path, way in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, os.O_WRONLY),
        (2, stderr, os.O_WRONLY),
    ):
        os.dup2(os.open(path, way), number)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    try:
        runpy.run_module("visualizer", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)  # to take down all that was imported would take longer than most commands


if __name__ == "__main__":
    serve()
