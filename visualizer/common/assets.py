"""Where the shipped models and presets are: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def folder(name: str) -> Path:
    """The folder "models" or "presets"."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def model(name: str) -> Path:
    """A shipped model's file, e.g. "generator.safetensors"."""
    return folder("models") / name


def preset_names() -> list[str]:
    """The shipped presets' names, sorted."""
    return sorted(p.stem for p in folder("presets").glob("*.toml"))
