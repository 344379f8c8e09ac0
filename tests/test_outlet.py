"""Outlets: shown frames go to receivers, and no receiver can hold the show up or end it."""

import threading
import time

import numpy as np
import pytest
import torch
from screen import wait_for

from visualizer.common.errors import UserError
from visualizer.live.outputs import Outputs
from visualizer.live.ways import StageWishes
from visualizer.output import outlet, senders
from visualizer.output.outlet import Receiver


class Kept(Receiver):
    """Keeps what it gets. gate: it takes nothing while that is closed; broken: how often it fails."""

    name, hears = "the test", True

    def __init__(self, broken=0, returns=False, rate=None):
        self.frames, self.sounds, self.calls = [], [], []
        self.gate = threading.Event()
        self.gate.set()
        self.broken, self.returns, self.rate = broken, returns, rate

    def open(self):
        self.calls.append("open")

    def show(self, pixels, when):
        self.gate.wait()
        if self.broken:
            self.broken -= 1
            raise UserError("the test is broken; mend it.")
        self.frames.append((pixels, when))

    def hear(self, samples, begin, sr):
        self.sounds.append((samples, begin, sr))

    def close(self):
        self.calls.append("close")


def frame(number):
    return torch.full((4, 6, 3), number % 256, dtype=torch.uint8)


def on(outlets, receiver):
    added = outlets.add(receiver)
    wait_for(lambda: added.state == "on", 5, 0.002)
    return added


def test_each_receiver_gets_all_frames_and_the_sound_in_order(outlets):
    first, second = Kept(), Kept()
    ended = [on(outlets, first), on(outlets, second)]
    block = np.ones((5, 1), np.float32)
    for number in range(8):
        outlets.show(frame(number), number / 60)
        outlets.hear(block, number / 60, 44100)
        block[:] += 1  # PortAudio's memory is used again, too
    for added in ended:
        outlets.end(added)
        assert added.join(5) and added.state == "over" and added.shown == 8 and not added.left_out
    for kept in (first, second):
        assert [pixels[0, 0, 0] for pixels, _ in kept.frames] == list(range(8))
        assert [when for _, when in kept.frames] == [number / 60 for number in range(8)]
        assert [(s.shape, s[0, 1], sr) for s, _, sr in kept.sounds] == [
            ((5, 2), n + 1, 44100) for n in range(8)
        ]
        assert kept.calls == ["open", "close"]
    assert not outlets


def test_a_stuck_receiver_costs_frames_of_its_own_and_no_time(outlets):
    stuck, well = Kept(), Kept()
    stuck.gate.clear()
    held, free = on(outlets, stuck), on(outlets, well)
    begun = time.perf_counter()
    for number in range(200):
        outlets.show(frame(number), number / 60)
        wait_for(lambda n=number: free.shown == n + 1, 5, 0.0005)
    assert time.perf_counter() - begun < 5
    assert free.left_out == 0 and len(well.frames) == 200
    assert 200 - outlet.FRAMES - 1 <= held.left_out <= 200 - outlet.FRAMES
    stuck.gate.set()
    outlets.end(held)
    assert held.join(5) and held.shown + held.left_out == 200


def test_one_that_fails_is_told_once_and_is_over(outlets, told):
    broken = Kept(broken=1)
    added = on(outlets, broken)
    for number in range(3):
        outlets.show(frame(number), number)
    assert added.join(5) and added.state == "over"
    assert told == ["the test is broken; mend it."] and broken.calls == ["open", "close"]
    outlets.show(frame(3), 3)  # nobody is there any more


def test_one_that_returns_does_so_after_growing_pauses(outlets, told, monkeypatch):
    monkeypatch.setattr(outlet, "PAUSE_S", 0.05)
    coming = Kept(broken=1, returns=True)
    opened = []

    def open_at_third(open_=coming.open):
        opened.append(time.perf_counter())
        if len(opened) in (2, 3):
            raise UserError("nobody answers; wait.")
        open_()

    coming.open = open_at_third
    added = on(outlets, coming)
    outlets.show(frame(0), 0)
    wait_for(lambda: len(opened) == 4 and added.state == "on", 5, 0.002)
    outlets.show(frame(1), 1)
    wait_for(lambda: added.shown == 1, 5, 0.002)
    assert told == ["the test is broken; mend it.", "the test is back."]
    first, second, third = np.diff(opened)
    assert first >= 0.05 and second >= 0.1 and third >= 0.2
    assert coming.frames[0][0][0, 0, 0] == 1 and added.errors == 3


def test_one_that_wants_fewer_frames_gets_them_evenly(outlets):
    slow = Kept(rate=30)
    added = on(outlets, slow)
    rng = np.random.default_rng(0)
    for number in range(240):
        outlets.show(frame(number), number / 60 + rng.uniform(-0.002, 0.002))
        wait_for(lambda: added._frames == added._frames_taken, 5, 0.0005)
    times = np.array([when for _, when in slow.frames])
    assert len(times) == 120 and np.abs(np.diff(times) - 1 / 30).max() < 0.005


def test_a_defect_in_a_receiver_is_told_too(outlets, told):
    defective = Kept()
    defective.show = lambda pixels, when: 1 / 0
    added = on(outlets, defective)
    outlets.show(frame(0), 0)
    assert added.join(5) and told == ["the test broke off (ZeroDivisionError: division by zero)."]


@pytest.mark.parametrize("others", [False, True])
def test_a_show_without_a_window_ends_with_the_last_that_came_of_it(outlets, told, monkeypatch, others):
    gone, well = Kept(broken=1), Kept()
    receivers = {"camera": gone, "ndi": well}
    monkeypatch.setattr(senders, "of", lambda kind: lambda size: receivers[kind])
    wishes = StageWishes(headless=True, send=("camera", "ndi") if others else ("camera",))
    outputs = Outputs(outlets, wishes, lambda: (64, 36), True)
    outputs.begin()
    added = next(iter(outlets))
    wait_for(lambda: added.state == "on", 5, 0.002)
    assert outputs.follow() == ""
    outlets.show(frame(0), 0)
    assert added.join(5)
    if others:
        assert outputs.follow() == "" and [each.receiver for each in outlets] == [well]
    else:
        with pytest.raises(UserError, match="nothing comes of the show any more"):
            outputs.follow()
    assert told == ["the test is broken; mend it."] and not gone.frames
