"""Ableton Link: two programs on one machine, in a network of the test's own that leads nowhere."""

import json
import subprocess
import sys

import pytest
from program import ENVIRONMENT

PEERS = """
import asyncio, json, sys, threading, time
import aalink
from visualizer.audio.conductor import Conductor
from visualizer.audio.rhythm import NO_BEAT
from visualizer.control.desk import Desk
from visualizer.control.link import Link

def beat():
    return conductor.beat(time.perf_counter(), NO_BEAT)

async def wait(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return bool(condition())

async def other():
    peer = aalink.Link(133.0)
    peer.quantum, peer.start_stop_sync_enabled = 4, True
    told["alone"] = beat().tempo
    peer.enabled = True
    told["met"] = await wait(lambda: link.peers == 1 and abs(beat().tempo - peer.tempo) < 0.1)
    await asyncio.sleep(0.3)
    apart = []
    for _ in range(40):
        await asyncio.sleep(0.017)
        now = beat()
        there = peer.phase
        apart.append((now.position + now.phase - there + 2) % 4 - 2)
    told["apart"] = sorted(map(abs, apart))[20]
    peer.tempo = 96.0
    told["followed"] = await wait(lambda: abs(beat().tempo - 96) < 0.1)
    peer.playing = True
    told["plays"] = await wait(lambda: link._playing) and beat().tempo > 0
    peer.playing = False
    told["stopped"] = await wait(lambda: beat().tempo == 0)
    peer.playing = True
    told["started"] = await wait(lambda: beat().tempo > 0)
    peer.enabled = False
    told["left"] = await wait(lambda: beat().tempo == 0)

told, desk, conductor = {}, Desk(), Conductor()
link = Link(desk, conductor)
link.start()
time.sleep(0.5)
asyncio.run(other())
link.stop()
told["errors"], told["words"] = link.errors, list(desk.words)
print(json.dumps(told))
"""


def test_two_programs_find_each_other_and_stay_together(nowhere):
    pytest.importorskip("aalink", reason="pip install aalink")
    done = subprocess.run(
        [*nowhere, sys.executable, "-c", PEERS], env=ENVIRONMENT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["alone"] == 0 and told["errors"] == 0, told
    assert all(told[name] for name in ("met", "followed", "plays", "stopped", "started", "left")), told
    assert told["apart"] < 0.05, told  # of a beat
    assert "Link: 1 joined" in told["words"]
