"""The ways to the controls that a show has besides its keys; each is opened only if it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from visualizer.common.addresses import Address
from visualizer.control.desk import Desk
from visualizer.control.service import Service


@dataclass(frozen=True)
class StageWishes:
    """What the user asked for. osc: where to listen; osc_to: who else is told."""

    osc: Address | None = None
    osc_to: tuple[Address, ...] = ()


NOTHING = StageWishes()


def open_ways(wishes: StageWishes, desk: Desk) -> list[Service]:
    """What was asked for, ready to start. Raises UserError if that can't be had."""
    ways: list[Service] = []
    if wishes.osc is not None:
        from visualizer.control.osc import Osc

        ways.append(Osc(desk, wishes.osc, wishes.osc_to))
    return ways
