"""Where what people chose is kept from show to show."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from visualizer.common.errors import UserError
from visualizer.common.files import write_whole


def folder() -> Path:
    """This user's folder for it; it need not be there yet. Raises UserError for a user without a home."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:
        raise UserError("this user has no home folder to keep settings in; set HOME to a folder.") from None
    return base / "visualizer"


def known(name: str) -> dict[str, Any]:
    """What is kept in a file of that folder, TOML or JSON by its name; nothing if it can't be read."""
    with suppress(OSError, ValueError, UserError):
        text = (folder() / name).read_text(encoding="utf-8")
        found = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
        if isinstance(found, dict):
            return found
    return {}


def keep(name: str, values: Mapping[str, Any]) -> None:
    """Write all that is to be known of that name. Raises UserError if it can't be written.

    values: what JSON knows; in TOML only strings, numbers and lists of them, as JSON writes those, too.
    """
    if name.endswith(".json"):
        text = json.dumps(values, indent=1)
    else:
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
        text = "".join(lines)
    write_whole(folder() / name, text.encode(), folders=True)
