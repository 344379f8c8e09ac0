"""Ableton Link: tempo, phase and start and stop, together with every other program that is joined.

It speaks to the whole local network, by multicast; so it is joined only when that was asked for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any

from visualizer.audio.conductor import Conductor
from visualizer.common.extras import wanted
from visualizer.control.desk import Desk
from visualizer.control.service import Service

log = logging.getLogger("visualizer")
POLL_S = 0.05
METER = 4
# What it proposes where nobody else is; alone it doesn't lead.
ALONE_BPM = 120.0


class Link(Service):
    """Leads the beat while others are there. peers: how many."""

    def __init__(self, desk: Desk, conductor: Conductor):
        """Raises UserError if the library is missing."""
        super().__init__("Link")
        self._library = wanted("aalink", "aalink", "--link")
        self._desk, self._conductor = desk, conductor
        self.peers = 0
        self._playing = self._stopped_by_others = False

    def serve(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        link = self._library.Link(ALONE_BPM)
        link.quantum = METER
        link.start_stop_sync_enabled = True
        link.enabled = True
        try:
            while not self._stopped.is_set():
                self._follow(link)
                await asyncio.sleep(POLL_S)
                self.spent = time.thread_time()
        finally:
            link.enabled = False
            self._conductor.release(self)

    def _follow(self, link: Any) -> None:
        peers, playing = link.num_peers, link.playing
        if peers != self.peers:
            self.peers = peers
            self._desk.tell(f"Link: {peers} joined" if peers else "Link: nobody else is there")
        if playing != self._playing:
            self._playing, self._stopped_by_others = playing, not playing
        if not peers or self._stopped_by_others:
            self._conductor.release(self)
            return
        before = time.perf_counter()
        beat, phase, tempo = link.beat, link.phase, link.tempo
        now = (before + time.perf_counter()) / 2
        number = math.floor(beat)
        # Bars begin where the phase does, whatever the beats' numbers are.
        number += (math.floor(phase) - number) % METER
        self._conductor.lead(self, tempo, now - (phase % 1) * 60 / tempo, number, METER)
