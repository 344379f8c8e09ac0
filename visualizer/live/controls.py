"""Controls: what those do that no preset's key is behind. They stand in `control.table`, all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from visualizer.audio.conductor import Conductor
from visualizer.control import keys
from visualizer.control.desk import Desk, Turn
from visualizer.control.kinds import Choice, Unfit, Value
from visualizer.control.set_list import SET_LIST
from visualizer.live.lesson import Lesson
from visualizer.live.pinning import WORDS, Pinning
from visualizer.output.window import Window, key_of

if TYPE_CHECKING:
    from visualizer.live.backstage import Job
    from visualizer.live.inputs import Inputs
    from visualizer.live.loading import Parts
    from visualizer.live.outputs import Outputs
    from visualizer.live.programme import Programme
    from visualizer.live.titling import Titling
    from visualizer.output.hud import Hud

ALL = "all"
# The hud's, which draws too much to be imported here.
PANELS = ("help", "info", "strip", "code")

# Whoever turns a knob reads along; more often than this is nothing written.
SAYING_S = 0.1
# A window that changes its size flashes, whatever it shows.
RESIZE_S = 0.5


class Controls:
    """Acts on the window's events, and on all that is ordered at the desk.

    still_wanted: what is seen is to be saved.
    """

    def __init__(self, window: Window, hud: Hud, desk: Desk, conductor: Conductor, do: Callable[[Job], None]):
        """do: has something done that reads or writes a file."""
        self.still_wanted = False
        self._window, self._hud, self._desk, self._conductor = window, hud, desk, conductor
        self._lesson = Lesson(desk, hud)
        self._pinning = Pinning(window, do)
        self._keys = desk.way("keys", aloud=True)
        self._parts: Parts | None = None
        self._programme: Programme | None = None
        self._inputs: Inputs | None = None
        self._titling: Titling | None = None
        self._outputs: Outputs | None = None
        self._leaving = keys.Leaving()
        self._held = -1  # the place of the key that learns, whatever a layout has there
        self._words = ""
        self._said = self._resized = 0.0

    def begin(
        self, parts: Parts, programme: Programme, inputs: Inputs, titling: Titling, outputs: Outputs
    ) -> None:
        """From now on, all controls do something."""
        self._parts, self._programme, self._inputs = parts, programme, inputs
        self._titling, self._outputs = titling, outputs

    def take(self, events: list) -> None:
        """Act on pygame's events, and on the orders."""
        import pygame

        for event in events:
            if self._pinning.takes(event):
                continue
            if event.type == pygame.KEYDOWN:
                press = keys.press(*key_of(event))
                if press is not None and press.control == "learn":
                    self._held = event.scancode
                    self._keys.order("learn", 1)
                elif press is not None and press.control == "quit":
                    self._leave(time.perf_counter())  # at once: the key may come up in the same frame
                elif press is not None:
                    with suppress(Unfit):  # there is no ninth preset, or nothing to choose from yet
                        self._keys.order(press.control, press.amount, press.verb)
            elif event.type == pygame.KEYUP and event.key == pygame.K_ESCAPE:
                self._leaving.release()
            elif event.type == pygame.KEYUP and event.scancode == self._held:
                self._keys.order("learn", 0)
            elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
                place = self._hud.preset_at(*self._window.place(event.pos))
                if place is not None and self._programme is not None:
                    self._keys.order("preset", place + 1)
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._leaving.release()
        now = time.perf_counter()
        for turn in self._desk.take():
            if self._lesson.takes(turn) or self._window_does(turn, now):
                continue
            elif self._parts is not None and self._programme is not None:
                self._do(self._parts, self._programme, turn)
                self._say(turn)
        if self._leaving.held(now):
            self._window.closed = True
        self._mirror()
        while self._desk.words:
            self._hud.say(self._desk.words.popleft())
        if self._words and now - self._said >= SAYING_S:
            self._hud.say(self._words)
            self._words, self._said = "", now

    def _leave(self, pressed: float) -> None:
        if self._leaving.press(pressed, self._window.fullscreen):
            self._window.closed = True
        else:
            self._hud.say("press Esc again to quit", seconds=keys.Leaving.TWICE_S)

    def _window_does(self, turn: Turn, now: float) -> bool:
        """What works before anything is loaded; whether it was that."""
        window, hud, name = self._window, self._hud, turn.control.name
        if name == "fullscreen":
            if turn.value != window.fullscreen and now - self._resized >= RESIZE_S:
                self._resized = now
                window.toggle_fullscreen()
        elif name == "rotation":
            if int(turn.value) != window.warp.rotation and now - self._resized >= RESIZE_S:
                self._resized = now
                self._pinning.rotate(int(turn.value))
        elif name == "corners":
            self._pinning.turn(turn.value)
            if turn.value:
                hud.say(WORDS, seconds=8.0)
        elif name in PANELS:
            if name == "code" and hud.code is None:
                hud.say("for the page for phones start with `visualizer live --remote 0.0.0.0`")
            elif turn.value != hud.shows(name):
                hud.toggle(name)
        else:
            return False
        window.show_pointer(hud.shows("strip") or self._pinning.on)
        return True

    def _do(self, parts: Parts, programme: Programme, turn: Turn) -> None:
        control, value = turn.control, turn.value
        if isinstance(control, Value | Choice) and control.setting:
            programme.turn(control.setting, value)
        match control.name:
            case "preset":
                programme.play(self._desk.options["preset"].index(value), turn.way != SET_LIST)
            case "random":
                programme.play_any()
            case "lock":
                parts.physics.freeze(value)
            case "demo":
                if value != parts.hearing.demo:
                    parts.hearing.toggle_demo()
            case "blackout":
                parts.stage.blackout.wanted = value
            case "brightness":
                parts.stage.brightness = value
            case "input" | "channels" if self._inputs is not None:
                if not parts.hearing.listens:
                    self._words = "it doesn't listen now, it plays"
                    return
                device = value if control.name == "input" else self._desk.values["input"]
                self._inputs.choose(device, value if control.name == "channels" else ALL)
                channels = self._desk.values["channels"]
                self._hud.say(
                    f"{device}, {channels} channels" if channels == ALL else f"{device}, {channels}",
                    meter=True,
                )
            case "favourite":
                programme.set_list.mark(value)
            case "cycle" | "shuffle" | "cycle_length" | "cycle_unit":
                pass  # the set list looks
            case "tap":
                tempo = self._conductor.tap(turn.time)
                self._words = f"tempo {tempo:.0f}" if tempo else "tap on, in time"
            case "title" if self._titling is not None:
                self._titling.say(value)
            case "logo":
                parts.stage.titles.with_logo = value
            case "still":
                self.still_wanted = True
            case "record" if self._outputs is not None:
                self._words = self._outputs.record(value)
            case "stream" if self._outputs is not None:
                self._words = self._outputs.stream(value)
        self._desk.settled(control.name, value)

    def _say(self, turn: Turn) -> None:
        if turn.aloud and turn.control.name not in ("preset", "input", "channels"):
            self._words = turn.control.says(turn.value) or self._words

    def _mirror(self) -> None:
        """Let the desk know what changed by itself, or by the mouse."""
        settled, hud = self._desk.settled, self._hud
        settled("learn", self._lesson.on)
        settled("fullscreen", self._window.fullscreen)
        settled("rotation", str(self._window.warp.rotation))
        settled("corners", self._pinning.on)
        for name in PANELS:
            settled(name, hud.shows(name))
        if self._parts is not None:
            settled("demo", self._parts.hearing.demo)
            settled("blackout", self._parts.stage.blackout.wanted)
        if self._outputs is not None:
            settled("record", self._outputs.recording)
            settled("stream", self._outputs.streaming)
