"""A machine that turns every control at random, over all ways at once, and throws garbage in between."""

import asyncio
import json
import random
import socket
import threading
import time

from visualizer.control.kinds import Choice, Text, Value
from visualizer.control.table import BY_NAME, CONTROLS

# What opens devices or windows, or writes files: now and then is enough.
HEAVY = ("demo", "input", "channels", "fullscreen", "still", "favourite", "record", "stream")
NAMES = [control.name for control in CONTROLS if control.remote]
KEYS = {name: control.name for control in CONTROLS for key in control.keys for name in key.names}


class Machine:
    """Turns while the context is open. desk: of the show, to read options from; turned: names, by way."""

    def __init__(
        self, desk, osc=None, page=None, box=None, press=None, rate=40.0, without=(), only=(), seed=0
    ):
        """osc: an address; page: a URL; box: a MIDI controller of test_midi's; press: presses a key by its
        name. rate: turns a second, of each way. without: controls that it leaves alone; only: where given,
        those that it turns, "brightness" for MIDI's."""
        self.turned = {}
        self.failures = []
        self._desk, self._rate, self._without, self._seed = desk, rate, without, seed
        self._names, self._only = only or NAMES, only
        self._ended = threading.Event()
        ways = {"osc": (self._osc, osc), "page": (self._page, page), "midi": (self._midi, box)}
        ways["keys"] = self._keys, press
        self._threads = [
            threading.Thread(target=self._guard, args=(name, way, with_what), name=f"machine {name}")
            for name, (way, with_what) in ways.items()
            if with_what is not None
        ]

    def _guard(self, name, way, with_what):
        self.turned[name] = set()
        try:
            way(random.Random(f"{self._seed}{name}"), with_what, self.turned[name])
        except Exception as error:
            self.failures.append((name, error))

    def _choose(self, rng):
        while True:
            name = rng.choice(self._names)
            if name not in self._without and (name not in HEAVY or rng.random() < 0.02):
                return name

    def _amount(self, rng, name):
        control = BY_NAME[name]
        if isinstance(control, Value):
            return rng.uniform(control.low, control.high)
        if isinstance(control, Choice):
            return rng.choice(list(control.options or self._desk.options.get(name, ())) or [""])
        if isinstance(control, Text):
            return rng.choice(("", "Blue Monday\nNew Order", "春の海", "\u0633\u0644\u0627\u0645"))
        return rng.randint(0, 1)

    def _osc(self, rng, address, turned):
        from pythonosc.udp_client import SimpleUDPClient

        client = SimpleUDPClient(*address)
        client.send_message("/visualizer/subscribe", [])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
            while not self._ended.wait(1 / self._rate):
                name, verb = self._choose(rng), rng.choice(("", "", "/share", "/step"))
                if verb == "/step":
                    amount = rng.randint(-2, 2)
                else:
                    amount = self._amount(rng, name) if verb == "" else rng.random()
                client.send_message(f"/visualizer/{name}{verb}", amount)
                turned.add(name)
                if rng.random() < 0.05:
                    thrower.sendto(rng.randbytes(rng.randint(0, 200)), address)

    def _page(self, rng, url, turned):
        import aiohttp

        async def turn(session):
            async with session.ws_connect(url + "live") as phone:
                left = time.monotonic() + 20  # then it goes away and comes back
                while not self._ended.is_set() and time.monotonic() < left:
                    name = self._choose(rng)
                    order = {"control": name, "verb": "set", "amount": self._amount(rng, name)}
                    await phone.send_str(json.dumps(order) if rng.random() > 0.03 else "{")
                    turned.add(name)
                    try:
                        await asyncio.wait_for(phone.receive(), 1 / self._rate)
                    except TimeoutError:
                        break

        async def come_and_go():
            async with aiohttp.ClientSession() as session:
                while not self._ended.is_set():
                    try:
                        await turn(session)
                    except (aiohttp.ClientError, OSError):  # the show begins later, or is over
                        await asyncio.sleep(0.2)

        asyncio.run(come_and_go())

    def _midi(self, rng, box, turned):
        knobs = [7] if self._only else [1, 5, 7, 10, 64, 71, 72, 74, 91, 92, 93, 94, 95]
        while not self._ended.wait(1 / self._rate):
            if not self._only and rng.random() < 0.2:
                box.send(0x90, rng.randint(30, 60), rng.choice((0, 100)))
            else:
                box.send(0xB0 | rng.randint(0, 15), rng.choice(knobs), rng.randint(0, 127))
            box.send(0xF8)
            turned.add("a knob")

    def _keys(self, rng, press, turned):
        keys = [key for key, name in KEYS.items() if name in NAMES and name not in self._without]
        while not self._ended.wait(4 / self._rate):
            key = rng.choice(keys)
            if key not in ("f", "f11", "d", "a", "j", "s", "v", "o", "w") or rng.random() < 0.02:
                press(key)
                turned.add(key)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=10)
