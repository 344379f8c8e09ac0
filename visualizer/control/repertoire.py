"""The repertoire: the presets that can be played, loaded with what they name, and watched for edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from visualizer.audio.codebook import Codebook
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control.banks import Banks
from visualizer.control.preset import Preset
from visualizer.latent.bank import Bank
from visualizer.latent.motion import Motion
from visualizer.latent.poses import Poses

STILLS = (".png", ".jpg")

Model = TypeVar("Model")
Signature = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """A preset with all that is needed to play it.

    place: its number in the repertoire, from 0. targets: [n_clusters, d] float32, one for each cluster.
    own_bank: whether the bank is the one that the preset names. poses: where a figure dances, the bank of
    them, and [n_clusters, POSE_DIM] of each cluster.
    """

    place: int
    preset: Preset
    codebook: Codebook
    bank: Bank
    targets: np.ndarray
    own_bank: bool = True
    poses: tuple[Poses, np.ndarray] | None = None

    def motion(self) -> Motion:
        """A fresh path-maker."""
        return self.preset.motion(self.targets, self.poses and self.poses[1])

    @property
    def example(self) -> tuple[np.ndarray, np.ndarray]:
        """A code of it for a painter, shape and matter."""
        return (self.targets if self.poses is None else self.poses[1])[:1], self.targets[:1]

    def adjusted(self, preset: Preset) -> Look:
        """The same look by a changed preset; only another mapping deals the targets anew."""
        targets, poses = self.targets, self.poses
        if preset.mapping != self.preset.mapping:
            targets = preset.targets(self.bank, self.codebook)
            poses = poses and (poses[0], preset.pose_targets(poses[0], self.codebook))
        return replace(self, preset=preset, targets=targets, poses=poses)


def signature(path: Path) -> Signature | None:
    """What changes when a file is saved; None while there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class _Kept(Generic[Model]):
    """Models read from files, each anew only when its file was saved."""

    def __init__(self, load: Callable[[Path], Model]):
        self._load = load
        self._known: dict[Path, tuple[Signature | None, Model]] = {}

    def load(self, path: Path) -> Model:
        now, known = signature(path), self._known.get(path)
        if known is None or known[0] != now:
            known = self._known[path] = now, self._load(path)
        return known[1]


class Repertoire:
    """The presets of a folder, a single file before them if one is given. For one thread at a time.

    paths: their files, in the order of the keys 1-9.
    """

    def __init__(
        self,
        first: str | None = None,
        folder: Path | None = None,
        only: Sequence[Path] = (),
        banks: Banks | None = None,
        sensitivity: float | None = None,
        songs: bool = False,
        logo: Path | None = None,
    ):
        """first: the preset to begin with, a name or a file. folder: None is that of the shipped presets.
        only: instead of a folder's, these files. banks: which bank each plays; sensitivity: of each to the
        sound; None is its own. songs: whether all tell the songs; logo: of all; None is each one's own.

        Raises UserError if there is no such preset.
        """
        folder = folder or assets.folder("presets")
        self.paths = list(dict.fromkeys(only)) or sorted(folder.glob("*.toml"))
        self.start = 0
        if first is not None:
            path = presets.find(first)
            if any(path.resolve() == other.resolve() for other in self.paths):
                self.start = [other.resolve() for other in self.paths].index(path.resolve())
            else:
                self.paths.insert(0, path)
        if not self.paths:
            raise UserError(f"there are no presets in {folder}; give one with --preset FILE.toml.")
        self._seen: dict[Path, Signature | None] = {path: signature(path) for path in self.paths}
        self._codebooks, self._banks = _Kept(Codebook.load), _Kept(Bank.load)
        self._poses = _Kept(Poses.load)
        self._choice, self._sensitivity = banks or Banks(), sensitivity
        self._titles = songs, logo

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called, each once: a file of somebody's own may be named like a shipped one."""
        stems = [path.stem for path in self.paths]
        return tuple(
            f"{stem} {place + 1}" if stem in stems[:place] else stem for place, stem in enumerate(stems)
        )

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, place: int) -> Look:
        """Read a preset and what it names; models that are unchanged are kept. Raises UserError."""
        path = self.paths[place]
        preset = presets.load(path).with_sensitivity(self._sensitivity).with_titles(*self._titles)
        codebook = self._codebooks.load(presets.resolve(preset.codebook.file, path, "codebook.file"))
        file = presets.resolve(preset.bank.file, path, "bank.file")
        preset, bank = self._choice.choose(preset, path, self._banks.load)
        own = bank is self._banks.load(file)
        poses = None
        if preset.poses is not None:
            held = self._poses.load(presets.resolve(preset.poses.file, path, "poses.file"))
            poses = held, preset.pose_targets(held, codebook)
        return Look(place, preset, codebook, bank, preset.targets(bank, codebook), own, poses)

    def edited(self) -> list[int]:
        """The presets whose files were saved since the last call."""
        places = []
        for place, path in enumerate(self.paths):
            now = signature(path)
            # Editors that replace a file leave none for a moment: it counts when it is back.
            if now is not None and now != self._seen[path]:
                self._seen[path] = now
                places.append(place)
        return places

    def still(self, place: int) -> Path | None:
        """The picture beside the preset's file, named like it, if there is one."""
        for suffix in STILLS:
            path = self.paths[place].with_suffix(suffix)
            if path.is_file():
                return path
        return None
