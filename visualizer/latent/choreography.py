"""A choreography: how a particle dances. Imports nothing that takes long, for presets to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from visualizer.latent.particle import Law

MoveOn = Literal["sound", "onset", "beat", "bar"]
Follow = Literal["all", "bass", "middle", "treble"]


@dataclass(frozen=True)
class Choreography:
    """How a particle dances.

    law: of movement. hold: least seconds between two targets. move_on: what it moves with; see `Cues`.
    follow: the range whose strikes count. reach: how far from the scene's vector towards the cluster's it
    goes, 0..1; 1 leaves the scene behind. kick: how far the strongest strike pushes it, as a part of the way
    from the scene's vector to the cluster's; others push by the square of their strength, and those that it
    moves with don't. swell: by how much more than usual it reaches where the music is loudest, and less where
    it is softest, as a part of reach. carry: above 0 it goes its way only as the sound rises, whose strongest
    moment carries it over so much of what is left; 0 lets it go at once.
    """

    law: Law
    hold: float = 0.0
    move_on: MoveOn = "sound"
    follow: Follow = "all"
    reach: float = 1.0
    kick: float = 0.0
    swell: float = 0.0
    carry: float = 0.0
