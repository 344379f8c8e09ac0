"""Packages that only some need: imported when they are asked for, and missed politely."""

from __future__ import annotations

import importlib
from types import ModuleType

from visualizer.common.errors import UserError


def wanted(module: str, package: str, option: str, extra: str = "stage") -> ModuleType:
    """A module of an extra. Raises UserError that says how to install it. option: what asked for it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"{option} needs the Python package {package} ({error}); install it with "
            f"pip install 'visualizer[{extra}]' or pip install {package}."
        ) from None
