"""What there is to choose from: sound devices, processors, displays."""

from __future__ import annotations

from visualizer.audio.portaudio import list_devices
from visualizer.common.errors import UserError
from visualizer.output import senders
from visualizer.output.window import displays


def what_there_is() -> str:
    """A page for people; what can't be asked says why in its place."""
    return "\n".join(
        ["Sound (--device)", *_sound(), "Networks (--compute)", *_processors(), *_displays(), *_programs()]
    )


def _sound() -> list[str]:
    try:
        devices = list_devices()
    except UserError as error:
        return [f"  {error}"]
    lines = []
    for device in devices:
        default = (">" if device.default_input else " ") + ("<" if device.default_output else " ")
        channels = f"{device.inputs} in, {device.outputs} out"
        lines.append(f"{default}{device.index:3} {device.name}, {device.host} ({channels})")
    return lines or ["  none"]


def _processors() -> list[str]:
    import torch

    cards = [f"  cuda {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return [f"  cpu {torch.get_num_threads()} threads", *cards]


def _programs() -> list[str]:
    return [
        "Other programs (--send)",
        *(f"  {kind:7} {senders.of(kind).lacks() or 'ready'}" for kind in senders.KINDS),
    ]


def _displays() -> list[str]:
    lines = [f"{i:5} {width}x{height}" for i, (width, height) in enumerate(displays())]
    return ["Displays (--monitor)", *(lines or ["  none"])]
