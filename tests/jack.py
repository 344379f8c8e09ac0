"""MIDI ports without a device: JACK's server with its dummy driver, and a controller that plugs in and out.

Debian package: jackd2.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from screen import wait_for


@contextmanager
def jack_server():
    """JACK's server without a sound card, under a name of its own. Skips the test where it is missing."""
    pytest.importorskip("rtmidi", reason="pip install mido python-rtmidi")
    if shutil.which("jackd") is None:
        pytest.skip("there is no jackd (Debian: apt install jackd2)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_DEFAULT_SERVER", f"visualizer-{os.getpid()}")
        patch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
        patch.setenv("JACK_NO_START_SERVER", "1")
        patch.setenv("RTMIDI_API", "UNIX_JACK")
        # Without real-time priority, and with long periods: nothing here is heard.
        command = ["jackd", "-r", "-d", "dummy", "-p", "2048"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            asked = ["jack_wait", "-c"]
            wait_for(lambda: subprocess.run(asked, capture_output=True).stdout.startswith(b"running"), 20)
            yield server
        finally:
            server.terminate()
            server.wait(timeout=10)


class Box:
    """A controller: knobs, pads and lights."""

    def __init__(self, name):
        import rtmidi

        self.lights = []
        # The end that comes first has the plain name.
        self._in = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name)
        self._in.open_virtual_port("lights")
        self._in.set_callback(lambda event, _: self.lights.append(tuple(event[0])))
        self._out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
        self._out.open_virtual_port("knobs")

    def send(self, *bytes_):
        self._out.send_message(bytes_)

    def unplug(self):
        self._in.delete()
        self._out.delete()
