"""A private PulseAudio with a virtual sound card, for tests of real capture and playback.

The null sink `vmic` is the loudspeaker and its monitor the microphone: what is played into it is
recorded again. Debian packages: libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils.
"""

import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ASOUNDRC = "pcm.!default {{ type pulse server {server} }}\nctl.!default {{ type pulse server {server} }}\n"


@contextmanager
def punctual(pid: int = 0):
    """Real-time priority, which a desktop gives its sound server, for all threads of a process.

    Tests that watch the clock then pass on a busy machine, too. Where it is not allowed, nothing happens.
    """
    threads = [int(t) for t in os.listdir(f"/proc/{pid or 'self'}/task")]
    former = {t: (os.sched_getscheduler(t), os.sched_getparam(t)) for t in threads}
    try:
        for t in threads:
            os.sched_setscheduler(t, os.SCHED_RR, os.sched_param(5))
    except PermissionError:
        pass
    try:
        yield
    finally:
        for t, (policy, priority) in former.items():
            with suppress(OSError):
                os.sched_setscheduler(t, policy, priority)


def drain(ring) -> list:
    """All that waits in a ring."""
    events = []
    while (event := ring.pop()) is not None:
        events.append(event)
    return events


def until(condition, seconds: float, what: str) -> float:
    """Wait for a condition; return how long it took."""
    begun = time.perf_counter()
    while not condition():
        assert time.perf_counter() - begun < seconds, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)
    return time.perf_counter() - begun


class Pulse:
    """The server, its one sound card and what can happen to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.server = f"unix:{folder}/native"
        self.environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder),
            "PULSE_SERVER": self.server,
        }
        self._module = ""
        self._songs = []

    def start(self) -> None:
        """Start the server and plug the card in."""
        self.folder.chmod(0o700)
        script = self.folder / "test.pa"
        script.write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.folder}/native\n"
        )
        (self.folder / ".asoundrc").write_text(ASOUNDRC.format(server=f'"{self.server}"'))
        with open(self.folder / "pulse.log", "w") as log:
            self.process = subprocess.Popen(
                [
                    "pulseaudio",
                    "-n",
                    "-F",
                    str(script),
                    "--daemonize=no",
                    "--exit-idle-time=-1",
                    "--use-pid-file=no",
                ],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while self._pactl("info", check=False).returncode:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.1)
        self._hurried = ExitStack()
        self._hurried.enter_context(punctual(self.process.pid))
        self.plug()

    def log(self) -> str:
        return (self.folder / "pulse.log").read_text()

    def _pactl(self, *arguments, check=True):
        return subprocess.run(
            ["pactl", *arguments],
            env={**os.environ, **self.environment},
            check=check,
            capture_output=True,
            text=True,
            timeout=20,
        )

    def plug(self, rate: int = 44100) -> None:
        """Plug the card in, as the default in both directions."""
        assert not self._module
        answer = self._pactl("load-module", "module-null-sink", "sink_name=vmic", f"rate={rate}")
        self._module = answer.stdout.strip()
        self._pactl("set-default-sink", "vmic")
        self._pactl("set-default-source", "vmic.monitor")

    def unplug(self) -> None:
        """Pull the card out."""
        self._pactl("unload-module", self._module)
        self._module = ""

    @contextmanager
    def another_card(self, name: str):
        """A second card, the default while it is there."""
        described = f"sink_properties=device.description={name}"
        module = self._pactl("load-module", "module-null-sink", f"sink_name={name}", described).stdout.strip()
        self._pactl("set-default-source", f"{name}.monitor")
        yield
        self._pactl("set-default-source", "vmic.monitor")
        self._pactl("unload-module", module)

    def play(self, path, sink: str = "vmic") -> subprocess.Popen:
        """Play a sound file into the card."""
        song = subprocess.Popen(
            ["paplay", f"--device={sink}", "--latency-msec=150", str(path)],
            env={**os.environ, **self.environment},
            stderr=subprocess.DEVNULL,
        )
        self._songs.append(song)
        return song

    def hush(self) -> None:
        """Stop what is being played."""
        for song in self._songs:
            song.terminate()
            song.wait()
        self._songs.clear()

    def stop(self, how: int = signal.SIGTERM) -> None:
        """how: the signal that ends it."""
        self.hush()
        self.process.send_signal(how)
        self.process.wait(timeout=10)
        self._hurried.close()
        self._module = ""


@contextmanager
def pulse_server(folder: Path):
    """A running server; this process's environment points to it meanwhile."""
    pulse = Pulse(folder)
    pulse.start()
    former = {name: os.environ.get(name) for name in pulse.environment}
    os.environ.update(pulse.environment)
    try:
        yield pulse
    finally:
        for name, value in former.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        pulse.stop()
