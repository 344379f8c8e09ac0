"""The show of a soak, in a process of its own; what it measures of itself goes to the standard output.

One JSON object a line: every so many seconds, and at its end, which tells why it ended. sys.argv[1] is the
wishes, see `main`. What goes wrong is on the standard error, crashes of libraries included; SIGABRT has it
tell there what each thread is at.
"""

import ctypes
import faulthandler
import json
import logging
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

# Before numpy and torch come: as `visualizer` itself has it.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from visualizer.common.record import Record

# Histograms: this many to a second, up to so many seconds; what is longer is in the last.
FINE, LONGEST_S = 2000, 2.0
MAKERS = ("glGenTextures", "glGenBuffers", "glGenFramebuffers", "glGenVertexArrays", "glCreateProgram")

MALLOC = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)


class Counted(Record):
    """A record that also counts, since the last look, how often each number came."""

    def __init__(self):
        super().__init__()
        self._counts = np.zeros(int(FINE * LONGEST_S) + 1, np.int64)
        self._seen = self._counts.copy()

    def add(self, number):
        super().add(number)
        self._counts[min(len(self._counts) - 1, max(0, int(number * FINE)))] += 1

    def news(self):
        """{milliseconds: how often} since the last call."""
        counts = self._counts.copy()
        new, self._seen = counts - self._seen, counts
        return {f"{1000 * i / FINE:g}": int(new[i]) for i in np.flatnonzero(new)}


class Malloc(ctypes.Structure):
    """What mallinfo2 of the GNU library gives."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLOC)


def allocated():
    """Megabytes that are allocated in C, None where nobody knows: what a leak raises, and no fragments do."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    tell.restype = Malloc
    found = tell()
    return (found.uordblks + found.hblkhd) / 1e6


def count_gl():
    """{maker: how many objects it has made}, from now on; nothing is given back before the show's end."""
    from visualizer.output.graphics import GL

    made = dict.fromkeys(MAKERS, 0)

    def counting(name, make):
        def call(*arguments):
            made[name] += arguments[0] if arguments else 1
            return make(*arguments)

        return call

    for name in MAKERS:
        setattr(GL, name, counting(name, getattr(GL, name)))
    return made


class Errors(logging.Handler):
    """Counts what the program logs as errors, and writes it where crashes are written, too."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.count = 0
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s: %(message)s"))

    def emit(self, record):
        self.count += record.levelno >= logging.ERROR
        print(self.format(record), file=sys.stderr, flush=True)


def say(**words):
    print(json.dumps(words), flush=True)


def watch(live, statistics, errors, made, every):
    """Tell every so many seconds how the show goes, until this process ends."""
    begun, number = time.perf_counter(), 0
    while True:
        number += 1
        time.sleep(max(0.0, begun + number * every - time.perf_counter()))
        engine = live[0] if live else None
        words = {
            "shown": time.perf_counter() - begun,
            "frames": statistics.frames,
            "late": statistics.late,
            "dropped": statistics.dropped,
            "intervals": statistics.intervals.news(),
            "latencies": statistics.latencies.news(),
            "head_start": statistics.head_start,
            "errors": errors.count,
            "allocated": allocated(),
            "blocks": sys.getallocatedblocks(),
            "gl": sum(made.values()),
        }
        if engine is not None:
            each = [*engine._ways, *engine.outlets]
            words["ways"] = {way.name.split(" ")[0]: (way.spent, way.errors) for way in each}
            words["lost"] = engine.desk.lost
            if engine._parts is not None:
                words["errors"] += engine._parts.physics.errors
        say(**words)


def main():
    """Show. Wishes: seconds, every, size, preset, allow_flashing, cycle (seconds or None), osc and page
    (ports or None), midi, record (a file or None), fps (or None)."""
    faulthandler.enable()
    wanted = json.loads(sys.argv[1])
    log, errors = logging.getLogger("visualizer"), Errors()
    log.addHandler(errors)

    from visualizer.common.addresses import Address
    from visualizer.control.set_list import Set
    from visualizer.live import engine, run_live
    from visualizer.live.statistics import Statistics
    from visualizer.live.ways import StageWishes

    live = []

    class Watched(engine.Engine):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            live.append(self)

    def excepthook(failure):
        log.error("in %s", failure.thread, exc_info=failure.exc_value)

    threading.excepthook = excepthook
    engine.Engine = Watched
    made = count_gl()
    cycle, osc, page, record = (wanted[name] for name in ("cycle", "osc", "page", "record"))
    stage = StageWishes(
        set=Set(length=cycle, on=True) if cycle else Set(),
        osc=Address("127.0.0.1", osc) if osc else None,
        remote=Address("127.0.0.1", page) if page else None,
        remote_fixed=True,
        midi=wanted["midi"],
        record=Path(record) if record else None,
        fps=Fraction(wanted["fps"]) if wanted["fps"] else None,
    )
    statistics = Statistics(intervals=Counted(), latencies=Counted())
    watching = live, statistics, errors, made, wanted["every"]
    threading.Thread(target=watch, args=watching, name="soak", daemon=True).start()
    begun = time.perf_counter()
    run_live(
        preset=wanted["preset"],
        size=tuple(wanted["size"]),
        seconds=wanted["seconds"],
        allow_flashing=wanted["allow_flashing"],
        statistics=statistics,
        stage=stage,
    )
    early = begun + wanted["seconds"] - time.perf_counter() > 1
    callback = statistics.callback_share
    say(
        end="somebody closed its window" if early else "its time was up",
        early=early,
        first_picture=statistics.first_picture,
        shut_down=statistics.shut_down,
        painting=statistics.paintings.spread(),
        composing=statistics.composing.spread(),
        callback=callback,
    )


if __name__ == "__main__":
    main()
