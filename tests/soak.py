"""A soak: the whole live engine on a real microphone and a real window, for as long as you like.

    python tests/soak.py --minutes 20
    python tests/soak.py --minutes 30 --machine     # which turns every control, over all ways at once
    python tests/soak.py --minutes 30 --machine --record     # and records all of it meanwhile
    python tests/soak.py --minutes 480 --all     # also a set list, a microphone, phones and recordings that
                                                 # come and go, a window that changes its size
    python tests/soak.py --costs --minutes 1     # what MIDI, OSC, the page and a recording cost, one by one
    python tests/soak.py --read soak.log         # the table of a soak that was killed, or still goes on

Plays music into a virtual sound card (PulseAudio), listens to it, and shows the pictures in a window on a
virtual screen (Xvfb). The show is a process of its own, so that whatever ends it is told, with the figures so
far; they are kept in a file as they come, with what the show wrote about errors beside it (.err). Figures are
of what comes after the warm-up.

Debian packages: as for tests/pulse.py, tests/screen.py and tests/jack.py.
"""

import argparse
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import wave
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).parent.parent))

import pytest
import soak_figures as figures
from jack import Box, jack_server
from machine import Machine
from pulse import pulse_server
from screen import x_server

from visualizer.common import assets
from visualizer.common.addresses import Address

WARM_UP_S, EVERY_S = 25.0, 10.0
# The machine and whatever else troubles the show begins when that is loaded.
TROUBLE_S = 15.0
# Without a new frame, or a word, for so long, it hangs.
STUCK_S = 90.0
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# X's names of keys that are not their own.
KEYS = {
    "space": "space", "tab": "Tab", "left": "Left", "right": "Right", "f1": "F1", "f11": "F11", "+": "plus",
    "=": "equal", "-": "minus", "[": "bracketleft", "]": "bracketright", ",": "comma", ".": "period",
    "?": "question",
}  # fmt: skip


class Stopped(Exception):
    """Somebody ends the soak."""


class Process:
    """What the system tells of a process."""

    def __init__(self, pid):
        self._folder = Path(f"/proc/{pid}")

    def resident(self):
        """Megabytes in memory, (all, of it its own)."""
        numbers = (self._folder / "statm").read_text().split()
        return int(numbers[1]) * PAGE / 1e6, (int(numbers[1]) - int(numbers[2])) * PAGE / 1e6

    def spent(self):
        """Seconds of the processor's."""
        words = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICK

    def threads(self):
        return len(list((self._folder / "task").iterdir()))

    def files(self):
        return len(list((self._folder / "fd").iterdir()))

    def encoders(self):
        """Processes that record it, by their number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if parent == self._folder.name and b"output.encoder" in (folder / "cmdline").read_bytes():
                    found[folder.name] = Process(folder.name)
        return found


def busy():
    """Seconds of the processor's that all programs have used."""
    ticks = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    return sum(int(ticks[i]) for i in (0, 1, 2, 5, 6)) / TICK


def killed_for_memory():
    """How many processes this machine has killed for want of memory."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


class Log:
    """Where all of it is kept as it comes: lines of JSON, in a file and here."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.begun = time.perf_counter()
        self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 (as long as the process)
        self._lock = threading.Lock()

    def add(self, **line):
        with self._lock:
            self.lines.append(line)
            print(json.dumps(line), file=self._file)

    def tell(self, what, aloud=True):
        """Something happened."""
        self.add(told=what, when=time.perf_counter() - self.begun)
        if aloud:
            print(f"{time.perf_counter() - self.begun:8.0f} s  {what}", flush=True)


class Servers:
    """The sound, the display and MIDI, and the folder where all of it lives."""

    def __init__(self, stack, song):
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        self.song = song or write_tune(self.folder / "tune.wav")
        (self.folder / "pulse").mkdir()
        self.pulse = stack.enter_context(pulse_server(self.folder / "pulse"))
        self.screen = stack.enter_context(x_server())
        self.box, self.processes = None, {"PulseAudio": self.pulse.process, "Xvfb": self.screen.process}
        try:
            self.processes["jackd"] = stack.enter_context(jack_server())
            self.box = Box("machine")
        except pytest.skip.Exception as missing:
            print(f"without MIDI: {missing}", flush=True)

    def streams(self):
        """How many clients and streams the sound server has; None if it doesn't answer."""
        total = 0
        for kind in ("clients", "sink-inputs", "source-outputs"):
            with suppress(subprocess.TimeoutExpired, OSError):
                answer = self.pulse._pactl("list", "short", kind, check=False)
                if answer.returncode == 0:
                    total += len(answer.stdout.splitlines())
                    continue
            return None
        return total

    def resident(self):
        """Megabytes of theirs in memory."""
        total = 0.0
        for process in self.processes.values():
            with suppress(OSError):
                total += Process(process.pid).resident()[0]
        return total


class Hands:
    """Real keys on the screen's window, all by one process of xdotool's."""

    def __init__(self, screen):
        self._screen, self._tool = screen, None
        self._lock = threading.Lock()

    def do(self, line):
        with self._lock:
            if self._tool is None or self._tool.poll() is not None:
                self._tool = subprocess.Popen(
                    ["xdotool", "-"],
                    env=self._screen.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            with suppress(OSError):  # the next line begins another
                print(line, file=self._tool.stdin, flush=True)

    def press(self, key):
        self.do(f"key {KEYS.get(key, key)}")

    def focus(self):
        self.do("search --class ^visualizer$ windowfocus")

    def resize(self, width, height):
        self.do(f"search --class ^visualizer$ windowsize {width} {height}")

    def close(self):
        if self._tool is not None:
            self._tool.kill()
            self._tool.wait()


class Trouble:
    """Does something again and again on a thread of its own, while it is a context; what fails is told."""

    def __init__(self, log, every, job):
        """every: (least, most) seconds in between."""
        self._log, self._every, self._job = log, every, job
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name=job.__name__, daemon=True)

    def _work(self):
        while True:
            try:
                self._job(self._ended.wait)
            except Exception as error:
                self._log.tell(f"{self._job.__name__}: {type(error).__name__}: {error}")
            if self._ended.wait(random.uniform(*self._every)):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(timeout=15)


class Soak:
    """One show and all that is done to it."""

    def __init__(self, wanted, servers, log, ways, only=(), record=False):
        """ways: by which it can be controlled, of "osc", "page", "midi" and "keys". only: see `Machine`."""
        self.wanted, self.servers, self.log, self.record = wanted, servers, log, record
        self.machine = None
        self._only = only
        self._hands = Hands(servers.screen)
        self._osc = Address("127.0.0.1", free_port(socket.SOCK_DGRAM)) if "osc" in ways else None
        self._page = Address("127.0.0.1", free_port(socket.SOCK_STREAM)) if "page" in ways else None
        self._box = servers.box if "midi" in ways else None
        self._press = self._hands.press if "keys" in ways else None
        self._playing = None
        self._spent = {}
        self._films = set()
        self._lines = queue.SimpleQueue()

    # --- what happens to it -----------------------------------------------------------------------

    def _troubles(self):
        """(every so many seconds, what)s."""
        wanted = self.wanted
        yield (0.5, 0.5), self._music
        yield (5, 5), self._focus
        if wanted.microphone:
            yield (30, 90), self._microphone
        if wanted.resize:
            yield (10, 40), self._resize
        if wanted.recordings:
            yield (5, 20), self._recording

    def _music(self, wait):
        if self._playing is None or self._playing.poll() is not None:
            self._playing = self.servers.pulse.play(self.servers.song)
            del self.servers.pulse._songs[:-2]

    def _focus(self, wait):
        self._hands.focus()

    def _microphone(self, wait):
        self.servers.pulse.unplug()
        wait(random.uniform(1, 12))
        self.servers.pulse.plug()
        self.log.tell("the microphone went and came back", aloud=False)

    def _resize(self, wait):
        self._hands.resize(random.randint(200, 1000), random.randint(150, 700))
        self.log.tell("the window's size was changed", aloud=False)
        if random.random() < 0.3:
            wait(8)
            self._hands.resize(*self.size)

    def _recording(self, wait):
        from pythonosc.udp_client import SimpleUDPClient

        client = SimpleUDPClient(*self._osc)
        client.send_message("/visualizer/record", 1)
        wait(random.uniform(20, 60))
        client.send_message("/visualizer/record", 0)
        wait(6)
        self._look_at_films()

    def _look_at_films(self):
        """Read those from end to end that were not yet, and remove them: of months there would be many."""
        for path in sorted(self.servers.folder.glob("*.mp4")):
            if path not in self._films:
                self._films.add(path)
                try:
                    self.log.tell(f"recorded {look_at(path)}", aloud=not self.wanted.recordings)
                except Exception as error:
                    self.log.tell(f"{path.name} can't be read ({type(error).__name__}: {error})")
                path.unlink()

    @property
    def size(self):
        return tuple(int(part) for part in self.wanted.size.split("x"))

    # --- what is seen of it -----------------------------------------------------------------------

    def _sample(self, words):
        """All that is known of it now; words: its own."""
        process = Process(self._show.pid)
        encoders = process.encoders()
        resident, anonymous = process.resident()
        for number, encoder in encoders.items():
            with suppress(OSError):
                self._spent[number] = encoder.spent()
        encoder = 0.0
        for each in encoders.values():
            with suppress(OSError):
                encoder += each.resident()[0]
        self.log.add(
            at=time.perf_counter() - self._begun,
            resident=resident,
            anonymous=anonymous,
            encoder=encoder,
            servers=self.servers.resident(),
            threads=process.threads(),
            files=process.files(),
            streams=self.servers.streams(),
            processor=process.spent(),
            encoding=sum(self._spent.values()),
            busy=busy(),
            cores=os.cpu_count(),
            **words,
        )

    def _listen(self):
        for line in self._show.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _begin(self):
        wanted = self.wanted
        film = self.servers.folder / "show.mp4"
        wishes = {
            "seconds": 60 * wanted.minutes + wanted.warm_up,
            "every": wanted.every,
            "size": self.size,
            "preset": wanted.preset,
            "allow_flashing": wanted.allow_flashing,
            "cycle": 20.0 if wanted.cycle else None,
            "osc": self._osc.port if self._osc else None,
            "page": self._page.port if self._page else None,
            "midi": self._box is not None,
            "record": str(film) if self.record else None,
            "fps": None,
        }
        self._errors = open(f"{self.log.path}.err", "a", encoding="utf-8")  # noqa: SIM115
        self._begun = self.log.begun = time.perf_counter()
        own = {"XDG_CONFIG_HOME": str(self.servers.folder), "DISPLAY": self.servers.screen.display}
        environment = {**os.environ, **own}
        for other in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY"):
            environment.pop(other, None)
        self._show = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("soak_show.py")), json.dumps(wishes)],
            cwd=self.servers.folder,  # for the stills
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        threading.Thread(target=self._listen, name="listening", daemon=True).start()
        return wishes["seconds"]

    def run(self):
        """From its start to its end, however that comes; gives why it ended."""
        seconds = self._begin()
        killed = killed_for_memory()
        try:
            with ExitStack() as troubles:
                end = self._follow(seconds, troubles)
        except BaseException as error:
            self._end_show()
            what = str(error) if isinstance(error, Stopped) else traceback.format_exc()
            self.log.add(end=f"NOT by itself: {what}")
            raise
        finally:
            self._hands.close()
            self.servers.pulse.hush()
        more = killed_for_memory() - killed
        if more:
            end["end"] += f"; meanwhile this machine killed {more} processes for want of memory"
        self.log.add(**end)
        self._look_at_films()
        return end

    def _follow(self, seconds, troubles):
        """Take what comes, until it is over; gives its last words."""
        troubled, told, end = False, set(), {}
        heard = moved = time.perf_counter()
        minute, frames, failures = [], -1, 0
        while True:
            line = ""
            with suppress(queue.Empty):
                line = self._lines.get(timeout=1)
            now = time.perf_counter()
            if not troubled and now - self._begun > TROUBLE_S:
                troubled = True
                self._make_trouble(troubles)
            if line is None:
                break
            for name, server in self.servers.processes.items():
                if server.poll() is not None and name not in told:
                    told.add(name)
                    self.log.tell(f"{name} ENDED ({how(server.returncode)})")
            if self.machine is not None and len(self.machine.failures) > failures:
                way, error = self.machine.failures[failures]
                failures += 1
                self.log.tell(f"the machine's {way} FAILED: {type(error).__name__}: {error}")
            if line:
                heard = now
                words = self._words(line)
                if "end" in words:
                    end = words
                elif words:
                    with suppress(OSError):  # it ends just now
                        self._sample(words)
                    if words["frames"] != frames:
                        frames, moved = words["frames"], now
                    minute.append(self.log.lines[-1])
                    if len(minute) * self.wanted.every > 60:
                        print(figures.minute(minute), flush=True)
                        del minute[:-1]
            if not end and now - min(heard, moved) > STUCK_S:
                silent = "said nothing" if heard < moved else "showed nothing new"
                return {
                    **end,
                    "end": f"it HANGS: it {silent} for {STUCK_S:.0f} s; {self._end_show(signal.SIGABRT)}",
                }
            if now - self._begun > seconds + STUCK_S:
                return {**end, "end": f"it did NOT END in time; {self._end_show(signal.SIGABRT)}"}
        try:
            code = self._show.wait(30)
        except subprocess.TimeoutExpired:
            return {**end, "end": f"it said all and did NOT END; {self._end_show(signal.SIGABRT)}"}
        if code or not end or end.get("early"):
            said = f", it said {end['end']!r}" if end else ""
            end["end"], end["early"] = f"NOT WELL: {how(code)}{said}; {self._last_words()}", True
        return end

    def _make_trouble(self, troubles):
        ways = self._osc, self._page and f"http://{self._page}/", self._box, self._press
        if self._only or self.wanted.machine:
            without = ("record",) if self.record or self.wanted.recordings else ()
            self.machine = troubles.enter_context(Machine(Desk, *ways, without=without, only=self._only))
        elif self._page is not None:
            # Phones alone, that look on.
            self.machine = troubles.enter_context(Machine(Desk, page=ways[1], rate=1.0, only=("help",)))
        for every, job in self._troubles():
            troubles.enter_context(Trouble(self.log, every, job))

    def _words(self, line):
        try:
            return json.loads(line)
        except ValueError:  # some library writes there, too
            self.log.tell(f"it wrote {line.strip()[:200]!r}")
            return {}

    def _end_show(self, number=signal.SIGTERM):
        """End it by a signal; what came of that."""
        self._show.send_signal(number)
        try:
            return f"{how(self._show.wait(20))}; {self._last_words()}"
        except subprocess.TimeoutExpired:
            self._show.kill()
            self._show.wait()
            return f"{signal.Signals(number).name} did not end it, SIGKILL did"

    def _last_words(self):
        """The end of what it wrote about errors."""
        text = Path(self._errors.name).read_text(encoding="utf-8", errors="replace").strip()
        return (
            "the last that it wrote:\n" + "\n".join(text.splitlines()[-40:]) if text else "it wrote nothing"
        )


class Desk:
    """What the machine can choose from."""

    options: ClassVar = {"preset": assets.preset_names(), "input": ["default"], "channels": ["all"]}


def how(code):
    """In words, what a process ended with."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def look_at(film):
    """What there is of a recording: it is read from end to end."""
    import av

    with av.open(str(film)) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0)) / container.streams.audio[0].rate
    with av.open(str(film)) as container:
        count, first, last = 0, None, 0.0
        for frame in container.decode(video=0):
            count, last = count + 1, float(frame.time)
            first = last if first is None else first
    size = film.stat().st_size / 1e6
    return f"{count} frames, {last - (first or 0):.1f} s, {sound:.1f} s of sound, {size:.0f} MB"


def write_tune(path):
    """The demo tune as a file."""
    from visualizer.audio.demo_tune import demo_tune

    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((demo_tune() * 32767).astype("<i2").tobytes())
    return path


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def heed_signals():
    """Whoever ends the soak gets the figures so far."""

    def stop(number, frame):
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)  # what follows takes a few seconds
        raise Stopped(f"the soak got {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


# --- what each way costs ------------------------------------------------------------------------------


COSTS = {
    "a plain show": ((), False),
    "MIDI": (("midi",), False),
    "OSC": (("osc",), False),
    "the page, a phone": (("page",), False),
    "recording": ((), True),
    "all of these": (("midi", "osc", "page"), True),
    "a plain show again": ((), False),
}


def costs(wanted, servers, log):
    """One show after the other, each with one way that is turned 40 times a second; tells a table."""
    rows = []
    for name, (ways, record) in COSTS.items():
        if "midi" in ways and servers.box is None:
            continue
        begin = len(log.lines)
        end = Soak(wanted, servers, log, ways, ("brightness",) if ways else (), record).run()
        some = figures.samples(log.lines[begin:], wanted.warm_up)
        if len(some) < 2:
            log.tell(f"{name}: nothing was measured, {end['end']}")
            continue
        rate, late, _ = figures.frames(some)
        rows.append((name, figures.processor(some), figures.processor(some, "encoding"), rate, late, some))
        print(f"{name}: {rows[-1][1]:.1f} s a minute", flush=True)
    heads = "processor, s a minute", "more", "encoder", "frames/s", "late", "sound to screen"
    line = "{:<20}{:>23}{:>8}{:>9}{:>10}{:>6}{:>17}".format
    print("", line("", *heads), sep="\n", flush=True)
    plain = [spent for name, spent, *_ in rows if "plain" in name]
    for name, spent, encoding, rate, late, some in rows:
        more = f"{spent - sum(plain) / len(plain):+.1f}" if plain else "?"
        latency = figures.spread(sample["latencies"] for sample in some[1:])
        latency = "no sound" if latency is None else f"{latency[0]:.0f}/{latency[1]:.0f} ms"
        print(line(name, f"{spent:.1f}", more, f"{encoding:.1f}", f"{rate:.2f}", late, latency), flush=True)


# --- the command --------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, metavar="S")
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="S", help="how often it is looked at")
    parser.add_argument("--log", type=Path, help="where all figures are kept as they come")
    parser.add_argument("--read", type=Path, metavar="LOG", help="only tell the table of this log")
    parser.add_argument("--song", type=Path, help="what to play; the demo tune if none is given")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--preset", default="garden")
    parser.add_argument("--allow-flashing", action="store_true")
    parser.add_argument("--machine", action="store_true", help="turn every control at random meanwhile")
    parser.add_argument("--record", action="store_true", help="record what is shown and heard meanwhile")
    parser.add_argument("--recordings", action="store_true", help="or record now and then")
    parser.add_argument("--cycle", action="store_true", help="presets change by themselves")
    parser.add_argument("--phone", action="store_true", help="a phone comes and goes")
    parser.add_argument("--microphone", action="store_true", help="the microphone comes and goes")
    parser.add_argument("--resize", action="store_true", help="the window's size changes")
    parser.add_argument("--all", action="store_true", help="all of these, and the machine")
    parser.add_argument("--costs", action="store_true", help="instead, what each way costs")
    wanted = parser.parse_args()
    if wanted.read:
        return figures.show(figures.table(figures.read(wanted.read)))
    if wanted.all:
        for name in ("machine", "cycle", "phone", "microphone", "resize"):
            setattr(wanted, name, True)
        wanted.recordings = not wanted.record
    path = wanted.log or Path(tempfile.gettempdir()) / f"visualizer-soak-{os.getpid()}.log"
    heed_signals()
    log = Log(path.absolute())
    print(f"all figures are kept in {path}", flush=True)
    log.add(begun={"warm_up": wanted.warm_up, "options": " ".join(sys.argv[1:]), "minutes": wanted.minutes})
    threading.excepthook = lambda failure: log.tell(f"in {failure.thread}: {failure.exc_value!r}")
    end = {}
    try:
        with ExitStack() as stack:
            servers = Servers(stack, wanted.song)
            if wanted.costs:
                return costs(wanted, servers, log)
            ways = set()
            if wanted.machine:
                ways |= {"osc", "page", "midi", "keys"}
            if wanted.phone:
                ways.add("page")
            if wanted.recordings:
                ways.add("osc")
            end = Soak(wanted, servers, log, ways, record=wanted.record).run()
    except Stopped:
        pass
    except BaseException as error:
        log.tell(f"the soak itself broke: {type(error).__name__}: {error}")
        raise
    finally:
        if not wanted.costs:
            figures.show(figures.table(log.lines))
    good = end and not end.get("early") and "first_picture" in end and not figures.errors(log.lines)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
