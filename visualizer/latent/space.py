"""The space that codes are of: a bank belongs to a generator, or to several that share their codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank


@dataclass(frozen=True)
class Space:
    """What codes a generator draws from.

    dim: numbers in a code. mark: by which spaces of the same size are told apart, "" where it isn't known.
    file: the generator's, for people.
    """

    dim: int
    mark: str
    file: Path

    def holds(self, bank: Bank) -> bool:
        """Whether a bank's codes are of this space, as far as can be known."""
        known = bool(bank.space and self.mark)
        return bank.codes.shape[1] == self.dim and (bank.space == self.mark or not known)

    def check(self, bank: Bank, path: Path) -> None:
        """Raise UserError if a bank's codes are of another space. path: the bank's."""
        if not self.holds(bank):
            raise UserError(
                f"{path} is a bank for another generator than {self.file}; make one for this with "
                f"`visualizer dream --generator {self.file} -o bank.safetensors` and give it with --bank, "
                f"or give the generator that the bank was made for."
            )
