"""To other programs: what is shown goes to a virtual camera, to NDI, to Spout or to Syphon.

Each is a module with a `Sender`; its package is an extra, which is imported when somebody asks for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from visualizer.output.senders.sender import Sender

Kind = Literal["camera", "ndi", "spout", "syphon"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def of(kind: Kind) -> type[Sender]:
    """What sends frames on; made with a width and height in pixels, it is a receiver of them."""
    found: type[Sender] = importlib.import_module(f"visualizer.output.senders.{kind}").Sender
    return found
