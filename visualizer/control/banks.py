"""Which bank a preset plays: its own, one given instead, or one made up for the generator at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control.preset import BankTable, Preset
from visualizer.latent.bank import Bank
from visualizer.latent.space import Space


class Banks:
    """The banks of a show."""

    def __init__(
        self,
        given: Path | None = None,
        space: Space | None = None,
        made_up: Callable[[], Bank] | None = None,
        figure: Space | None = None,
    ):
        """given: plays in all presets instead of theirs. space: what the generator draws from, None for
        whatever there is. made_up: makes a bank for presets whose bank is a shipped one of another space.
        figure: what the figure is made of; where a given bank holds none of it, presets in which it dances
        keep their own."""
        self._given, self._space, self._made_up = given, space, made_up
        self._figure = figure
        self._made: Bank | None = None

    def choose(
        self, preset: Preset, path: Path, load: Callable[[Path], Bank] = Bank.load
    ) -> tuple[Preset, Bank]:
        """The preset as it can be played, and its bank. path: the preset's; load: reads a bank.

        Where another bank plays than the preset's own, and has none of the classes, groups or styles that the
        preset names, all of it plays. Raises UserError if it isn't there or is for another generator.
        """
        own = presets.resolve(preset.bank.file, path, "bank.file")
        if preset.poses is not None:
            return self._for_figure(preset, own, load)
        file = self._given or own
        bank = load(file)
        if self._given is not None:
            self._check(bank, file)
            return self._with_all_if_need_be(preset, bank), bank
        shipped = file.parent.resolve() == assets.folder("models").resolve()
        if shipped and self._made_up and self._space and not self._space.holds(bank):
            self._made = self._made or self._made_up()
            return preset.model_copy(update={"bank": BankTable(file=preset.bank.file)}), self._made
        self._check(bank, file)
        return preset, bank

    def _for_figure(self, preset: Preset, own: Path, load: Callable[[Path], Bank]) -> tuple[Preset, Bank]:
        if self._given is not None:
            bank = load(self._given)
            if self._figure is None or self._figure.holds(bank):
                return self._with_all_if_need_be(preset, bank), bank
        bank = load(own)
        if self._figure is not None:
            self._figure.check(bank, own)
        return preset, bank

    def _check(self, bank: Bank, file: Path) -> None:
        if self._space is not None:
            self._space.check(bank, file)

    @staticmethod
    def _with_all_if_need_be(preset: Preset, bank: Bank) -> Preset:
        table = preset.bank
        try:
            bank.choose(table.classes, table.groups, table.styles)
        except UserError:
            return preset.model_copy(update={"bank": BankTable(file=table.file)})
        return preset
