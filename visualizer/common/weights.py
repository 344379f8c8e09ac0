"""Reading and writing safetensors files, the only weight format of this project.

safetensors holds plain arrays and a flat string-to-string header; loading one can run no code.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from visualizer.common.errors import UserError
from visualizer.common.files import shown, unwritable, whole


def load(path: Path | str, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read tensors (floating ones as float32) and metadata of a file written by `save`.

    kind: what the file must hold, e.g. "generator"; any other kind is refused.
    Raises UserError if the file is missing, is no safetensors file or holds another kind.
    """
    path = Path(path)
    _check_file(path, f"{kind} file")
    try:
        with _named(path) as name, safe_open(name, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} can't be read as a {kind} ({error}); "
            f"it must be a .safetensors file made by this program."
        ) from error
    found = metadata.get("kind", "unknown")
    if found != kind:
        raise UserError(f"{path} holds a {found}, but a {kind} is needed here; choose another file.")
    return {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}, metadata


def damaged(path: Path | str, kind: str, what: str) -> UserError:
    """What to tell a person whose file of a kind is not as it was saved; what: a clause."""
    return UserError(f"{path} is no whole {kind} ({what}); use an intact copy, or make it again.")


def check_numbers(path: Path | str, kind: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise UserError if one of a file's arrays holds what is no number, or infinite."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise damaged(path, kind, f"{name} hold what is no number")


@contextmanager
def _named(path: Path) -> Iterator[Path]:
    """The file under a name that the library can read: it wants UTF-8."""
    if shown(path) == str(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "weights"
        link.symlink_to(path.absolute())
        yield link


def _check_file(path: Path, what: str) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a {what}.")
    if not path.is_file():
        raise UserError(f"{path}: no such {what}; check the path.")


def kind(path: Path | str) -> str:
    """What a file holds, e.g. "bank". Raises UserError if it can't be read."""
    path = Path(path)
    _check_file(path, "file")
    try:
        with _named(path) as name, safe_open(name, framework="pt") as file:
            return (file.metadata() or {}).get("kind", "unknown")
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a .safetensors file ({error}); choose another.") from error


def save(
    path: Path | str,
    kind: str,
    tensors: dict[str, torch.Tensor],
    metadata: dict[str, str] | None = None,
    half: bool = True,
) -> None:
    """Write tensors atomically: the old file stays whole until the new one is complete.

    half: store floating tensors as float16, which halves the file.
    Raises UserError if the path can't be written.
    """
    path = Path(path)
    ready = {
        k: (t.half() if half and t.is_floating_point() else t).detach().cpu().contiguous()
        for k, t in tensors.items()
    }
    # What names files may not be UTF-8, which metadata is.
    safe = {key: shown(value) for key, value in (metadata or {}).items()}
    try:
        with whole(path) as part:
            save_file(ready, part, metadata={"kind": kind, **safe})
            part.chmod(0o644)  # save_file makes it private to its owner
    except SafetensorError as error:
        raise unwritable(path, error) from error


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """16 letters that no other tensors have: of their names and numbers, wherever they are."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
