"""The stage: every way to the controls at once, on a real engine, and a machine at all of them."""

import os
import threading
import time

import pytest
from machine import HEAVY, NAMES, Machine
from screen import wait_for

from visualizer.common.addresses import Address

pytestmark = pytest.mark.alone

SECONDS = 6
ANY = Address("127.0.0.1", 0)


def test_a_machine_turns_everything_at_once(monkeypatch, tmp_path):
    pytest.importorskip("pythonosc", reason="pip install '.[stage]'")
    pytest.importorskip("aiohttp", reason="pip install '.[stage]'")
    import pygame

    from visualizer.live.engine import Engine
    from visualizer.live.loading import Wishes
    from visualizer.live.ways import StageWishes
    from visualizer.output.display import NoDisplay
    from visualizer.output.window import Window

    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    try:
        window = Window("test", (320, 200))
    except NoDisplay as error:
        pytest.skip(str(error))

    def press(name):
        key = pygame.key.key_code(name)
        text = name if len(name) == 1 else ""
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=key, unicode=text, scancode=0, mod=0))

    stage = StageWishes(osc=ANY, remote=ANY, remote_fixed=True)
    found = {}
    with window:
        live = Engine(window, Wishes(compute="cpu", stage=stage), time.perf_counter())

        def user():
            try:
                wait_for(lambda: live.statistics.frames > 3)
                osc, page = live._ways
                # Without a sound card there is nothing to go to; and the tune would be made again and again.
                with Machine(live.desk, osc.address, page.url, press=press, without=HEAVY) as machine:
                    versions = live.desk.version
                    time.sleep(SECONDS)
                    found["changes"] = live.desk.version - versions
                found["machine"] = machine
                found["threads"] = threading.active_count()
                for way in ("osc", "page"):
                    # Whatever it was left at: a control still obeys.
                    live.desk.way("test").order("brightness", {"osc": 0.5, "page": 1.0}[way])
                    wait_for(lambda: not live.hud.shows("help") or press("h"), 20)
                wait_for(lambda: live.desk.values["brightness"] == 1.0, 20)
            finally:
                window.closed = True

        hands = threading.Thread(target=user)
        hands.start()
        statistics = live.run(seconds=180)
        hands.join()
        os.chdir("/")
    machine = found["machine"]
    assert machine.failures == []
    assert found["changes"] > 100 and statistics.frames > 20
    assert len(machine.turned["osc"] | machine.turned["page"]) > 0.7 * len(
        [n for n in NAMES if n not in HEAVY]
    )
    assert live._parts.physics.errors == 0 and live.desk.lost == 0
    for way in live._ways:
        assert way.errors == 0 and not way._thread.is_alive()
        assert way.spent < 0.5 * SECONDS  # it leaves the processor to the picture
