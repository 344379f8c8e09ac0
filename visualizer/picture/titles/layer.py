"""The layer of titles: what comes and goes over the frames, and leaves every other pixel as it is."""

from __future__ import annotations

import logging

import torch

from visualizer.common.errors import UserError
from visualizer.control.captions import CaptionTable, LogoTable
from visualizer.picture.fade import Fade
from visualizer.picture.titles.blocks import Block, Title, clean, draw

log = logging.getLogger("visualizer")


def caption(table: CaptionTable, words: str) -> Title | None:
    """Words as a preset's caption has them; None for none."""
    words = clean(words)
    if not words:
        return None
    return Title(words, "", table.where, table.size, table.seconds, table.fade)


def logo(table: LogoTable) -> Title | None:
    """A preset's logo, None if it has none."""
    if not table.file:
        return None
    return Title("", table.file, table.where, table.size, table.seconds, table.fade)


class Slot:
    """One place for titles: the next one comes when the one before is gone."""

    def __init__(self) -> None:
        self._wanted: Title | None = None
        self._shown: Title | None = None
        self._fade = Fade()
        self._left = 0.0
        self._drawn: tuple[tuple, torch.Tensor, torch.Tensor, Block] | None = None

    @property
    def wanted(self) -> Title | None:
        """What is to be seen, or was, until its time was over."""
        return self._wanted

    def show(self, title: Title | None) -> None:
        """Have a title come, or go; the same once more stays as long again."""
        if title is not None and title == self._shown:
            self._left = title.seconds
        self._wanted = title

    def step(self, dt: float) -> float:
        """Move on by dt seconds; how much of `__call__` is to be seen, 0..1."""
        if self._wanted != self._shown and self._fade.level <= 0:
            self._shown, self._drawn = self._wanted, None
            if self._shown is not None:
                self._fade, self._left = Fade(self._shown.fade), self._shown.seconds
        if self._shown is None:
            return 0.0
        stays = self._shown.seconds == 0 or self._left > 0
        self._left -= dt
        self._fade.wanted = stays and self._wanted == self._shown
        return self._fade.step(dt)

    def __call__(self, frame: torch.Tensor, alpha: float) -> None:
        """Lay it over a frame [h, w, 3] uint8, which is written to."""
        assert self._shown is not None
        shape = (frame.shape[0], frame.shape[1], frame.device)
        if self._drawn is None or self._drawn[0] != shape:
            try:
                block = draw(self._shown, *frame.shape[:2])
            except UserError as error:  # its file is gone, and it was to be drawn in another size
                log.warning("%s", error)
                self._wanted = self._shown = None
                return
            light, keep = (torch.as_tensor(part).to(frame.device) for part in (block.light, block.keep))
            # What rounds is added once.
            self._drawn = shape, light + 0.5, keep, block
        _, light, keep, block = self._drawn
        part = frame[block.top : block.top + keep.shape[0], block.left : block.left + keep.shape[1]]
        if alpha < 1:
            light, keep = (light - 0.5) * alpha + 0.5, 1 - (1 - keep) * alpha
        part.copy_(torch.addcmul(light, part, keep))


class Titles:
    """A preset's caption and its logo, the songs' titles, and whatever somebody has written.

    For the render thread, `prepare` excepted. caption, emblem: what the preset says of them. with_logo:
    whether its logo is shown.
    """

    def __init__(self) -> None:
        self._words, self._logo = Slot(), Slot()
        self.caption, self.emblem = CaptionTable(), LogoTable()
        self.with_logo = True
        self._song = ""

    @staticmethod
    def prepare(table: CaptionTable, emblem: LogoTable, shape: tuple[int, int], words: str = "") -> None:
        """Draw what takes long, for frames of a shape; on any thread. words: that will be said.

        Raises UserError if the logo can't be read.
        """
        for title in (caption(table, words or table.text), logo(emblem)):
            if title is not None:
                draw(title, *shape)

    def dress(self, table: CaptionTable, emblem: LogoTable) -> None:
        """Another preset begins, with a caption and a logo, or none."""
        before, self.caption, self.emblem = self.caption, table, emblem
        if table.text and table != before:
            self.say(table.text)
        elif not table.text and before.text and self._words.wanted == caption(before, before.text):
            self._words.show(None)
        if table.song and not before.song and not table.text and self._song:
            self.say(self._song)

    def sing(self, song: str) -> None:
        """Another song begins: its title and artist, a line each; "" for none."""
        self._song = song
        if self.caption.song and song:
            self.say(song)

    def say(self, words: str) -> None:
        """Show words as the preset's caption has them; none hide those that are seen."""
        self._words.show(caption(self.caption, words))

    def __call__(self, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """A frame [h, w, 3] uint8 with what is to be seen, dt seconds after the last; itself if that is
        nothing."""
        wanted = logo(self.emblem) if self.with_logo else None
        if wanted != self._logo.wanted:
            self._logo.show(wanted)
        seen = [(slot, alpha) for slot in (self._logo, self._words) if (alpha := slot.step(dt)) > 0]
        if seen:
            frame = frame.clone()  # it may be a view of a picture that is drawn again
            for slot, alpha in seen:
                slot(frame, alpha)
        return frame
