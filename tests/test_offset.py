"""Offsets: pictures that wait for sound that is late, and how long, device by device."""

import pytest

from visualizer.audio.listener import Event
from visualizer.audio.offset import Late, offset_s
from visualizer.common.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_events_come_later():
    heard = []

    class Ring:
        push = heard.append

    Late(Ring, 0.12).push(Event(3.0, 7, -20.0, 0.5))
    assert heard == [Event(3.12, 7, -20.0, 0.5)]


def test_it_is_remembered_for_the_device():
    assert offset_s("output Headphones", None) == 0
    assert offset_s("output Headphones", 180) == 0.18
    assert offset_s("output Headphones", None) == 0.18
    assert offset_s("output default", None) == 0
    offset_s("output Headphones", 0)
    assert offset_s("output Headphones", None) == 0


def test_a_record_that_somebody_spoilt_is_forgotten(home):
    (home / "visualizer").mkdir()
    (home / "visualizer" / "offsets.json").write_text("{not json")
    assert offset_s("input default", None) == 0
    assert offset_s("input default", 50) == 0.05 == offset_s("input default", None)


def test_where_nothing_can_be_remembered(home):
    (home / "visualizer").write_text("a file")
    assert offset_s("input default", None) == 0
    with pytest.raises(UserError, match="choose another path"):
        offset_s("input default", 50)
