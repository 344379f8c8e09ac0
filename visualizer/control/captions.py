"""What a preset says of the words and the logo over the picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from visualizer.control import toml_file

Where = Literal[
    "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right"
]


class CaptionTable(BaseModel):
    """[caption]: words over the picture, a line each; the first is the largest."""

    model_config = toml_file.STRICT

    text: Annotated[str, Field(max_length=200)] = ""
    """What it says when the preset begins."""
    song: bool = False
    """Whether each song that begins is told: its title and its artist, by its tags."""
    where: Where = "bottom left"
    """At which edge or corner it stands."""
    size: Annotated[float, Field(ge=0.03, le=0.4)] = 0.09
    """Height of the first line's letters, as a share of the picture's."""
    seconds: Annotated[float, Field(ge=0, le=3600)] = 8.0
    """For how long; 0 is until something else is said."""
    fade: Annotated[float, Field(ge=0.25, le=10)] = 1.0
    """Seconds in which it comes, and goes."""


class LogoTable(BaseModel):
    """[logo]: a picture with transparency over the picture."""

    model_config = toml_file.STRICT

    file: str = ""
    """A PNG file beside the preset; none is no logo."""
    where: Where = "top right"
    """At which edge or corner it stands."""
    size: Annotated[float, Field(ge=0.03, le=0.8)] = 0.14
    """Its height, as a share of the picture's."""
    seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """For how long; 0 is for as long as the preset is on."""
    fade: Annotated[float, Field(ge=0.25, le=10)] = 1.0
    """Seconds in which it comes, and goes."""
