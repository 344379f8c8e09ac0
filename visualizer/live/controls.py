"""Controls: what keys and clicks do. The actions themselves stand in `control.actions`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from visualizer.control import keys
from visualizer.output.window import Window

if TYPE_CHECKING:
    from visualizer.live.loading import Parts
    from visualizer.live.programme import Programme
    from visualizer.output.hud import Hud


class Controls:
    """Acts on the window's events. still_wanted: what is seen is to be saved."""

    def __init__(self, window: Window, hud: Hud):
        self.still_wanted = False
        self._window, self._hud = window, hud
        self._parts: Parts | None = None
        self._programme: Programme | None = None
        self._leaving = keys.Leaving()

    def begin(self, parts: Parts, programme: Programme) -> None:
        """From now on, all keys do something."""
        self._parts, self._programme = parts, programme

    def take(self, events: list) -> None:
        """Act on pygame's events."""
        import pygame

        for event in events:
            if event.type == pygame.KEYDOWN:
                press = keys.press(pygame.key.name(event.key), event.unicode, event.scancode)
                if press is not None:
                    self._act(press)
            elif event.type == pygame.KEYUP and event.key == pygame.K_ESCAPE:
                self._leaving.release()
            elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
                place = self._hud.preset_at(*event.pos)
                if place is not None and self._programme is not None:
                    self._programme.play(place)
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._leaving.release()
        if self._leaving.held(time.perf_counter()):
            self._window.closed = True

    def _act(self, press: keys.Press) -> None:
        match press.action:
            case "quit":
                if self._leaving.press(time.perf_counter(), self._window.fullscreen):
                    self._window.closed = True
                else:
                    self._hud.say("press Esc again to quit", seconds=keys.Leaving.TWICE_S)
            case "fullscreen":
                self._window.toggle_fullscreen()
                self._window.show_pointer(self._hud.shows("strip"))
            case "help" | "info" | "strip":
                self._hud.toggle(press.action)
                self._window.show_pointer(self._hud.shows("strip"))
            case action if self._parts is not None and self._programme is not None:
                self._play(self._parts, self._programme, action, press.number)

    def _play(self, parts: Parts, programme: Programme, action: str, number: int) -> None:
        hud = self._hud
        match action:
            case "preset":
                programme.play(number - 1)
            case "next" | "previous":
                programme.step(1 if action == "next" else -1)
            case "random":
                programme.play_any()
            case "freeze":
                parts.physics.freeze(not parts.physics.frozen)
                hud.say("locked" if parts.physics.frozen else "free again")
            case "faster" | "slower":
                programme.respond(slower=action == "slower")
            case "less bounce" | "more bounce":
                programme.bounce(more=action == "more bounce")
            case "mapping":
                programme.remap()
            case "demo":
                hud.say("the demo tune" if parts.hearing.toggle_demo() else "back to what it heard before")
            case "blackout":
                parts.stage.blackout.toggle()
            case "still":
                self.still_wanted = True
