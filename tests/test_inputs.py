"""Which inputs can be chosen, and that the choice is kept; and extras that aren't installed."""

import pytest

from visualizer.audio.portaudio import Device
from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.control.desk import Desk
from visualizer.live import inputs
from visualizer.live.inputs import Inputs, channels_of, remember, remembered

DEVICES = [
    Device(0, "Built-in", "ALSA", 2, 0, 48000.0, True, False),
    Device(1, "Scarlett", "ALSA", 6, 0, 48000.0, False, False),
    Device(2, "Loudspeaker", "ALSA", 0, 2, 48000.0, False, True),
]


class Listening:
    """What the inputs ask of the hearing."""

    device, channels, listens = None, (), True

    def __init__(self):
        self.heard = []

    def listen_to(self, device, channels):
        self.heard.append((device, channels))


class AtOnce:
    """A backstage that does everything at once."""

    def do(self, job):
        job()

    tell = do


@pytest.fixture
def sound(monkeypatch, tmp_path):
    """Three devices, and nothing remembered."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(inputs, "list_devices", lambda: DEVICES)
    monkeypatch.setattr("visualizer.audio.portaudio.list_devices", lambda: DEVICES)


def test_devices_and_channels_in_turn(sound):
    hearing, desk = Listening(), Desk()
    chosen = Inputs(hearing, desk, AtOnce())
    assert desk.options["input"] == ("default", "Built-in", "Scarlett")
    assert desk.options["channels"] == ("all", "1", "2")  # of the default
    keys = desk.way("keys")
    for control in ("input", "input", "channels", "channels"):
        keys.order(control, 1, "step")
        (turn,) = desk.take()
        device = turn.value if control == "input" else desk.values["input"]
        chosen.choose(device, turn.value if control == "channels" else "all")
    assert hearing.heard == [("Built-in", ()), ("Scarlett", ()), ("Scarlett", (1, 2)), ("Scarlett", (3, 4))]
    assert desk.values["input"] == "Scarlett" and desk.values["channels"] == "3,4"
    assert remembered() == ("Scarlett", (3, 4))
    assert Inputs(Listening(), Desk(), AtOnce())


def test_what_is_no_longer_there_is_not_waited_for(sound, tmp_path):
    assert remembered() == (None, ())
    for device, channels in (("Gone", ()), ("Built-in", (3, 4))):
        remember(device, channels)
        assert remembered() == (None, ())
    remember("default", (2,))
    assert remembered() == (None, (2,))
    (tmp_path / "visualizer" / "input.toml").write_text("device = [")
    assert remembered() == (None, ())


def test_channels():
    assert channels_of(1) == ("all",)
    assert channels_of(2) == ("all", "1", "2")
    assert channels_of(5) == ("all", "1,2", "3,4", "1", "2", "3", "4", "5")
    assert len(channels_of(64)) == 1 + 8 + 16


def test_a_missing_extra_is_one_sentence_with_the_command():
    words = r"^--osc needs the Python package python-osc .*pip install python-osc\.$"
    with pytest.raises(UserError, match=words):
        wanted("no_such_module_at_all", "python-osc", "--osc")
