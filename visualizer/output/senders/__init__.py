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


def make(kind: Kind, size: tuple[int, int]) -> Sender:
    """A receiver of frames that sends them on, at a width and height in pixels."""
    module = importlib.import_module(f"visualizer.output.senders.{kind}")
    sender: Sender = module.Sender(size)
    return sender


def lacks(kind: Kind) -> str:
    """Why it can't be sent to on this machine, a sentence; "" if it can, as far as can be told before."""
    lack: str = importlib.import_module(f"visualizer.output.senders.{kind}").lacks()
    return lack
