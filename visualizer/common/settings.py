"""Where what people chose is kept from show to show."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def folder() -> Path:
    """This user's folder for it; it need not be there yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "visualizer"
