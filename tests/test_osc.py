"""OSC: another program (python-osc's own client and server) turns controls and is told, over real sockets."""

import socket
import struct
import threading
import time

import numpy as np
import pytest
from screen import wait_for

pytest.importorskip("pythonosc", reason="pip install python-osc")
from pythonosc import osc_bundle_builder, osc_message_builder
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

from visualizer.audio.listener import Event
from visualizer.audio.rhythm import Beat, Section, Strikes
from visualizer.common.addresses import Address, parse_address
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk
from visualizer.control.osc import Osc

ANY = Address("127.0.0.1", 0)


class Show:
    """A desk whose frames are the test's, and an OSC port to it."""

    def __init__(self):
        self.desk = Desk()
        self.desk.options["preset"] = ("aurora", "mandala")
        self.desk.settled("preset", "aurora")
        self.osc = Osc(self.desk, ANY)
        self.osc.start()
        self.client = SimpleUDPClient(*self.osc.address)

    def frame(self):
        turned = self.desk.take()
        for turn in turned:
            self.desk.settled(turn.control.name, turn.value)
        return {turn.control.name: turn.value for turn in turned}

    def until_turned(self):
        return wait_for(self.frame, 20, 0.002)


@pytest.fixture
def show():
    show = Show()
    yield show
    show.osc.stop()
    assert show.osc.errors == 0


@pytest.fixture
def listener():
    """Another program that hears everything: (its port, [(address, values)])."""
    heard, dispatcher = [], Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: heard.append((address, values)))
    server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1], heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "address, value, becomes",
    [
        ("preset", "mandala", {"preset": "mandala"}),
        ("preset", 2, {"preset": "mandala"}),
        ("preset/step", 1, {"preset": "mandala"}),
        ("bounce", 0.25, {"bounce": 0.25}),
        ("bounce", 1, {"bounce": 0.9}),
        ("zoom/share", 1.0, {"zoom": 2.0}),
        ("blackout", True, {"blackout": True}),
        ("blackout", [], {"blackout": True}),
        ("still", [], {"still": 1}),
    ],
)
def test_controls_by_their_addresses(show, address, value, becomes):
    show.client.send_message(f"/visualizer/{address}", value)
    assert show.until_turned() == becomes


def message(address, *values):
    builder = osc_message_builder.OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value)
    return builder.build()


def test_a_bundle_takes_effect_at_once_and_at_its_time(show):
    def bundle(when):
        builder = osc_bundle_builder.OscBundleBuilder(when)
        for name in ("zoom", "bounce", "grain", "trails"):
            builder.add_content(message(f"/visualizer/{name}", 0.4))
        return builder.build()

    show.client.send(bundle(osc_bundle_builder.IMMEDIATELY))
    assert len(show.until_turned()) == 4
    due = time.time() + 0.4
    show.client.send(bundle(due))
    assert len(show.until_turned()) == 4
    assert time.time() >= due - 0.01


def test_garbage_is_ignored_and_counted(show):
    rng = np.random.default_rng(0)
    nested = b"".join(b"#bundle\0" + bytes(8) + struct.pack(">i", 8000 - 20 * i) for i in range(400))
    garbage = [rng.bytes(int(n)) for n in rng.integers(0, 200, 40)]
    garbage += [b"", b"/", nested[:8000], bytes(20000)]
    garbage += [message("/other/bounce", 0.1).dgram, message("/visualizer/bounce", "much").dgram]
    garbage += [message("/visualizer/quit").dgram, message("/visualizer/preset", 0).dgram]
    garbage += [message("/visualizer/subscribe", "you").dgram, message("/visualizer/bounce").dgram]
    garbage += [message("/visualizer/subscribe", show.osc.address.port).dgram]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
        for datagram in garbage:
            thrower.sendto(datagram, show.osc.address)
            time.sleep(0.002)
    wait_for(lambda: show.osc.garbage == len(garbage), 20)
    assert show.frame() == {} and show.osc.errors == 0
    show.client.send_message("/visualizer/bounce", 0.2)
    assert show.until_turned() == {"bounce": 0.2}


def test_what_is_heard_and_turned_is_told(show, listener):
    port, heard = listener
    show.client.send_message("/visualizer/subscribe", port)
    wait_for(
        lambda: {"/visualizer/preset", "/visualizer/blackout", "/visualizer/info"} <= dict(heard).keys(), 20
    )
    time.sleep(0.05)
    before = dict(heard)
    assert before["/visualizer/blackout"] == (0,) and "/visualizer/still" not in before
    heard.clear()
    show.desk.settled("preset", "mandala")
    show.desk.settled("bounce", 0.5)
    for i in range(40):
        strikes = Strikes(0.9, 0.8, 0.0, 0.1) if i == 20 else Strikes()
        beat = Beat(120.0, 0.0, 0.5, 7 + i // 20, 1.0, 4, 3)
        event = Event(100 + i * 0.0116, i // 10, -20.0, 0.1, strikes, beat, Section(0.1, i == 30, i // 30))
        show.desk.hear(event)
    wait_for(lambda: ("/visualizer/section", (1,)) in heard, 20)
    # As in floats of 32 bits.
    told = [
        (address.rpartition("/")[2], tuple(np.round(v, 4) if v != "mandala" else v for v in values))
        for address, values in heard
    ]
    assert ("preset", ("mandala",)) in told and ("bounce", (0.5,)) in told
    assert [values for name, values in told if name == "onset"] == [(0.9, 0.8, 0.0, 0.1)]
    assert [values for name, values in told if name == "beat"] == [(8, 3, 120.0)]
    assert [values[0] for name, values in told if name == "cluster"] == [1, 2, 3]
    assert 4 <= sum(name == "loudness" for name, _ in told) <= 12


def test_a_taken_port_and_odd_addresses_are_one_sentence():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(ANY)
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: can't listen there .* another port"):
            Osc(Desk(), Address("127.0.0.1", port))
    assert parse_address("9000", "--osc") == ("127.0.0.1", 9000)
    assert parse_address("0.0.0.0:9000", "--osc") == ("0.0.0.0", 9000)
    assert parse_address("[::1]:9000", "--osc") == ("::1", 9000) and Address("::1", 9).loopback
    assert parse_address("10.0.0.2", "--remote", 8000) == ("10.0.0.2", 8000)
    for wrong in ("", "host:x", "99999", "nowhere:80", "1.2.3:4", "song.mp3"):
        with pytest.raises(UserError, match="no address"):
            parse_address(wrong, "--osc")
