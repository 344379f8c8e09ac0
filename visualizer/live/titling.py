"""Titling: what is to be read over the picture, drawn backstage before the render thread shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from visualizer.picture.titles.blocks import complaint
from visualizer.picture.titles.layer import Titles

if TYPE_CHECKING:
    from visualizer.live.backstage import Backstage
    from visualizer.live.hearing import Hearing
    from visualizer.picture.stage import Stage


class Titling:
    """Has the stage show titles of songs, and what somebody writes; for the render thread."""

    def __init__(self, stage: Stage, backstage: Backstage):
        self._stage, self._backstage = stage, backstage
        self._song = ""

    def follow(self, hearing: Hearing) -> None:
        """Tell the song that plays, when it is another one."""
        song = hearing.heading
        if song and song != self._song:
            self._song = song
            self._prepare(song, lambda titles: titles.sing(song))

    def say(self, words: str) -> None:
        """Show words until their time is over; none hide those that are seen."""
        self._prepare(words, lambda titles: titles.say(words))

    def _prepare(self, words: str, then: Callable[[Titles], None]) -> None:
        titles, shape = self._stage.titles, self._stage.shape

        def prepare() -> None:
            titles.prepare(titles.caption, titles.emblem, shape, words)
            if sentence := complaint(words):
                self._backstage.warn(sentence)
            self._backstage.tell(lambda: then(titles))

        self._backstage.do(prepare)
