"""The desk and its controls: what orders come to, from any thread, and that presets agree."""

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualizer.control import preset as presets
from visualizer.control.desk import WAITING, Desk
from visualizer.control.kinds import Choice, Text, Trigger, Unfit, Value
from visualizer.control.table import BY_NAME, CONTROLS, SETTINGS

PRESETS = ("aurora", "beacon", "cinder")


@pytest.fixture
def desk():
    desk = Desk()
    desk.options["preset"] = PRESETS
    desk.settled("preset", "aurora")
    return desk


def obey(desk):
    """Take the orders as the engine does; {name: value} of what they come to."""
    turns = desk.take()
    for turn in turns:
        desk.settled(turn.control.name, turn.value)
    return {turn.control.name: turn.value for turn in turns}


def test_every_control_is_done_by_the_engine():
    import inspect

    from visualizer.live import controls

    source = inspect.getsource(controls)
    for control in CONTROLS:
        assert control.name in SETTINGS.values() or f'"{control.name}"' in source, control.name


def test_what_controls_say_of_presets_is_so():
    plain = presets.Preset(title="x")
    for setting, name in SETTINGS.items():
        control, value = BY_NAME[name], plain.value(setting)
        assert value == control.initial, setting
        for verb, amount in (("share", 0), ("share", 1), ("step", 1)):
            table, key = setting.split(".")
            there = control.settle(verb, amount, control.initial)
            asked = presets.Preset.model_validate({"title": "x", table: {key: there}})
            assert asked.value(setting) == there == plain.having({setting: there}).value(setting)


def test_names_are_addresses():
    for control in CONTROLS:
        assert control.name.isidentifier() and control.name.islower(), control.name
        assert control.help and not control.help.endswith(".")


@pytest.mark.parametrize(
    "control, verb, amount, becomes",
    [
        ("bounce", "set", 0.3, 0.3),
        ("bounce", "set", 7, 0.9),
        ("bounce", "share", 0.5, 0.45),
        ("bounce", "step", 2, 0.25),
        ("response", "step", -1, 176.0),
        ("response", "share", 0.5, pytest.approx(math.sqrt(20 * 20000), rel=1e-3)),
        ("kaleidoscope", "share", 0.5, 6),
        ("blackout", "step", 1, True),
        ("blackout", "set", "off", False),
        ("blackout", "share", 1.0, True),
        ("mapping", "step", 1, "random"),
        ("mapping", "set", "random", "random"),
        ("mapping", "share", 0.6, "random"),
        ("preset", "set", "cinder", "cinder"),
        ("preset", "set", 2, "beacon"),
        ("preset", "step", -1, "cinder"),
        ("still", "set", None, 1),
        ("still", "set", 127, 1),
    ],
)
def test_orders(desk, control, verb, amount, becomes):
    desk.way("hand").order(control, amount, verb)
    assert obey(desk) == {control: becomes}
    assert desk.values[control] == becomes and obey(desk) == {}


@pytest.mark.parametrize(
    "control, verb, amount, words",
    [
        ("bounse", "set", 1, "no control 'bounse'"),
        ("bounce", "set", "much", "'much' is not a number"),
        ("bounce", "set", math.nan, "nan is not a number"),
        ("bounce", "set", None, "None is not a number"),
        ("bounce", "set", [1], "is not a number"),
        ("bounce", "share", 10**400, "is not a number"),
        ("preset", "set", "zebra", "there are aurora, beacon, cinder"),
        ("preset", "set", 4, "1 to 3"),
        ("blackout", "set", "perhaps", "on or off"),
    ],
)
def test_orders_that_make_no_sense_say_why(desk, control, verb, amount, words):
    with pytest.raises(Unfit, match=words):
        desk.way("hand").order(control, amount, verb)
    assert desk.take() == []


def test_a_buttons_release_does_nothing(desk):
    way = desk.way("hand")
    way.order("still", 0)
    assert obey(desk) in ({}, {"still": 0}) and desk.values["still"] == 0


def test_orders_of_one_frame_come_to_one_turn(desk):
    keys, knobs = desk.way("keys", aloud=True), desk.way("knobs")
    for place in range(90):
        knobs.order("zoom", place / 100, "share")
    for _ in range(4):
        keys.order("preset", 1, "step")
    keys.order("blackout", 1, "step")
    keys.order("blackout", 1, "step")
    turns = {turn.control.name: turn for turn in desk.take()}
    assert turns["zoom"].value == pytest.approx(-0.5 + 0.89 * 2.5) and not turns["zoom"].aloud
    assert turns["preset"].value == "beacon" and turns["preset"].aloud
    assert turns["blackout"].value is False


def test_a_flood_loses_its_own_oldest_and_nothing_else(desk):
    hand, flood = desk.way("hand"), desk.way("flood")
    hand.order("bounce", 0.5)
    for i in range(10 * WAITING):
        flood.order("zoom", i / (10 * WAITING))
    first = obey(desk)  # so many at once would make the frame late
    assert first["bounce"] == 0.5 and first["zoom"] < 1
    while obey(desk):
        pass
    assert desk.values["zoom"] == pytest.approx(1, abs=1e-3)
    assert desk.lost == 9 * WAITING


def test_ways_on_threads_of_their_own(desk):
    names = ["zoom", "bounce", "hue", "grain"]
    ended = []

    def turn(name):
        way = desk.way(name)
        for i in range(3000):
            way.order(name, i / 2999, "share")
        ended.append(name)

    threads = [threading.Thread(target=turn, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    while obey(desk) or len(ended) < len(names):
        pass
    for thread in threads:
        thread.join()
    while obey(desk):  # what came between the last look and the last end
        pass
    assert {name: desk.values[name] for name in names} == {name: BY_NAME[name].high for name in names}


amounts = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=8), st.lists(st.integers())
)


@given(st.sampled_from(CONTROLS), st.sampled_from(["set", "share", "step"]), amounts)
def test_whatever_is_ordered_stays_in_range(control, verb, amount):
    options = PRESETS if control.name == "preset" else ()
    present = control.initial or (PRESETS[0] if options else control.initial)
    try:
        value = control.settle(verb, amount, present, options)
    except Unfit:
        return
    if isinstance(control, Value):
        assert control.low <= value <= control.high
    elif isinstance(control, Choice):
        assert value in (control.options or options)
    elif isinstance(control, Trigger):
        assert value - present in (0, 1)
    elif isinstance(control, Text):
        assert value == (amount or "" if verb == "set" else present)
    else:
        assert value in (True, False)
    assert 0 <= control.share(value, options) <= 1
    assert isinstance(control.says(value), str)
