"""A preset: which vectors, which movement and which picture shape make up a look, as TOML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import toml_file
from visualizer.control.captions import CaptionTable, LogoTable
from visualizer.latent.choreography import Choreography, Follow, MoveOn

if TYPE_CHECKING:
    import numpy as np

    from visualizer.audio.codebook import Codebook
    from visualizer.latent.bank import Bank
    from visualizer.latent.mapping import Pool
    from visualizer.latent.motion import Motion
    from visualizer.latent.particle import Law
    from visualizer.latent.poses import Poses

# The table of controls, and with it the window's first frame, needs the ranges alone: whatever takes long to
# import waits in the methods.


class _Table(BaseModel):
    model_config = toml_file.STRICT


class BankTable(_Table):
    """[bank]: the vectors to draw from."""

    file: str = "bank.safetensors"
    """A bank file: a path beside the preset, or the name of a shipped model."""
    classes: list[str] = []
    """Use these classes of the bank."""
    groups: list[str] = []
    """Use these groups of classes, e.g. "birds"; no class and no group named means all."""
    styles: list[Literal["abstract", "balanced", "concrete"]] = []
    """Use these styles only; none named means all."""


class PosesTable(_Table):
    """[poses]: a figure dances; the bank's vectors are what it is made of."""

    file: str = "poses.safetensors"
    """A bank of poses: a path beside the preset, or the name of a shipped one."""


class CodebookTable(_Table):
    """[codebook]: the names of sounds."""

    file: str = "codebook.safetensors"
    """A codebook file: a path beside the preset, or the name of a shipped model."""


class MappingTable(_Table):
    """[mapping]: which cluster calls up which vector."""

    kind: Literal["similar", "random"] = "similar"
    """similar: similar sounds call up similar pictures; random: any vector for any cluster."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed is another dealing of the vectors."""


class ParticleTable(_Table):
    """[particle]: how the picture moves, as one: shape and matter go together, with every change of sound."""

    law: Literal["spring", "gravity"] = "spring"
    """spring answers at once; gravity sails in wide arcs."""
    response_ms: Annotated[float, Field(ge=20, le=20000)] = 400.0
    """Time to cover nine tenths of the way to a new target, without bounce, in milliseconds."""
    bounce: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    """How far the picture overshoots its target, as a share of the way."""
    hold_ms: Annotated[float, Field(ge=0, le=20000)] = 200.0
    """Shortest time between two targets, in milliseconds."""

    def movement(self) -> Law:
        """The law of movement."""
        from visualizer.latent.particle import Gravity, Spring

        kind = Spring if self.law == "spring" else Gravity
        return kind(self.response_ms / 1000, self.bounce)


class ShapeTable(ParticleTable):
    """[shape]: how that moves which says where things are."""

    response_ms: Annotated[float, Field(ge=20, le=20000)] = 220.0
    """Time to cover nine tenths of the way to a new target, without bounce, in milliseconds."""
    bounce: Annotated[float, Field(ge=0, le=0.9)] = 0.15
    """How far the picture overshoots its target, as a share of the way."""
    hold_ms: Annotated[float, Field(ge=0, le=20000)] = 300.0
    """Shortest time between two targets, in milliseconds."""
    move_on: MoveOn = "onset"
    """onset: with what strikes; beat: arrives with each beat; bar: with each bar; sound: with every change of
    sound. Where there is no beat, onsets stand in, and where nothing strikes, changes of sound."""
    follow: Follow = "all"
    """Which strikes count: of the whole, or below 200 Hz, between, or above 2000 Hz."""
    reach: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How far from the scene's picture towards the sound's it goes: 1 is all the way."""
    kick: Annotated[float, Field(ge=-1, le=1)] = 0.1
    """How far each strike pushes it on that way, and it comes back."""
    swell: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How much further it reaches where it is loudest, and less where softest, as a share of reach."""
    carry: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far a strong strike carries it on its way, as a share of what is left; 0: it goes at once."""

    def choreography(self) -> Choreography:
        """All of it."""
        return Choreography(
            self.movement(),
            self.hold_ms / 1000,
            self.move_on,
            self.follow,
            self.reach,
            self.kick,
            self.swell,
            self.carry,
        )


class MatterTable(ShapeTable):
    """[matter]: how that moves which says what things are made of."""

    response_ms: Annotated[float, Field(ge=20, le=20000)] = 3000.0
    """Time to cover nine tenths of the way to a new target, without bounce, in milliseconds."""
    bounce: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """How far the picture overshoots its target, as a share of the way."""
    hold_ms: Annotated[float, Field(ge=0, le=20000)] = 3000.0
    """Shortest time between two targets, in milliseconds."""
    move_on: MoveOn = "bar"
    """As for shape."""
    reach: Annotated[float, Field(ge=0, le=1)] = 0.7
    """How far from the scene's picture towards the sound's it goes: 1 is all the way."""
    kick: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """How far each strike pushes it on that way, and it comes back."""


class SceneTable(_Table):
    """[scene]: how long the picture stays by one vector of the bank."""

    bars: Annotated[int, Field(ge=0, le=1000)] = 8
    """A scene lasts so many bars, or until a new section of the music begins; 0: sections alone end it."""


class HearingTable(_Table):
    """[hearing]: how it answers to the sound."""

    sensitivity: Annotated[float, Field(ge=0.1, le=4)] = 1.0
    """How strongly it answers to strikes and loudness: below 1 weak ones are ignored, above 1 strong."""


class DisplayTable(_Table):
    """[display]: how the square picture fills the frame."""

    fit: Literal["mirror", "fill", "fit"] = "mirror"
    """mirror continues the picture by its reflections; fill crops it; fit adds black bars."""
    kaleidoscope: Annotated[int, Field(ge=0, le=12)] = 0
    """Number of mirrored sectors around the centre; 0 for none."""
    zoom: Annotated[float, Field(ge=-0.5, le=2)] = 0.0
    """Enlargement: 0 shows the whole picture, 1 the middle half."""
    breathe: Annotated[float, Field(ge=0, le=1)] = 0.0
    """A slow zoom in and out by so much, every 20 seconds."""
    spin: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Turns a minute."""
    hue: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Drift around the colour circle in turns a minute."""
    saturation: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Colourfulness: 0 is grey, 1 as imagined."""
    brightness: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Multiplies the picture: 0 is black."""
    trails: Annotated[float, Field(ge=0, le=0.97)] = 0.0
    """How much of the last picture stays, each thirtieth of a second, drifting outwards."""
    grain: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Film grain."""
    vignette: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Darkening towards the corners."""


Driven = Literal["zoom", "hue", "saturation", "brightness", "trails", "grain", "vignette"]


class DriveTable(_Table):
    """[drive.onset] and others: what the sound adds to the effects, e.g. zoom = 0.1.

    The amount is added in full at the strongest strike, at a beat, or at full loudness; 50 dB below, nothing
    is.
    """

    onset: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """Each strike's push, fading within a fifth of a second."""
    bass: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """That of strikes below 200 Hz."""
    middle: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """That of strikes between 200 and 2000 Hz."""
    treble: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """That of strikes above 2000 Hz."""
    beat: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """Each beat's push, where there is one to trust."""
    loudness: dict[Driven, Annotated[float, Field(ge=-2, le=2)]] = {}
    """The level's push."""


class Preset(_Table):
    """Everything that a preset may say; whatever it leaves out has a default."""

    title: str
    """A name for people."""
    description: str = ""
    """What it looks like, in a sentence."""
    bank: BankTable = BankTable()
    poses: PosesTable | None = None
    """Where it is there, a figure dances from pose to pose."""
    codebook: CodebookTable = CodebookTable()
    mapping: MappingTable = MappingTable()
    particle: ParticleTable | None = None
    """It becomes the shape, which the matter follows."""
    shape: ShapeTable = ShapeTable()
    matter: MatterTable | None = MatterTable()
    """None, which is "shape" in a file: one particle moves both."""
    scene: SceneTable = SceneTable()
    hearing: HearingTable = HearingTable()
    display: DisplayTable = DisplayTable()
    drive: DriveTable = DriveTable()
    caption: CaptionTable = CaptionTable()
    logo: LogoTable = LogoTable()

    @field_validator("matter", mode="before")
    @classmethod
    def _as_the_shape(cls, value: object) -> object:
        if isinstance(value, str) and value != "shape":
            raise ValueError(f'matter = {value!r} won\'t do; it must be "shape", or a table [matter]')
        return None if value == "shape" else value

    @model_validator(mode="after")
    def _moved_once(self) -> Self:
        if self.particle is None:
            return self
        if self.model_fields_set & {"shape", "matter"}:
            raise ValueError(
                "[particle] moves shape and matter as one; leave it out, or [shape] and [matter]"
            )
        shape = ShapeTable(**self.particle.model_dump(), move_on="sound", reach=1.0, kick=0.0)
        return self.model_copy(update={"particle": None, "shape": shape, "matter": None})

    def value(self, setting: str) -> Any:
        """What it says under a key, e.g. "shape.bounce"; None where there is no such table."""
        *tables, key = setting.split(".")
        table: Any = self
        for name in tables:
            table = getattr(table, name)
        return getattr(table, key, None)

    def having(self, changes: Mapping[str, Any]) -> Self:
        """The same with other values, which are not checked again: {"shape.bounce": 0.2}."""
        tables: dict[str, dict[str, Any]] = {}
        for setting, value in changes.items():
            table, key = setting.split(".")
            if getattr(self, table) is not None:
                tables.setdefault(table, {})[key] = value
        return self.model_copy(
            update={name: getattr(self, name).model_copy(update=keys) for name, keys in tables.items()}
        )

    def with_sensitivity(self, sensitivity: float | None) -> Self:
        """The same with another sensitivity, within the range of its key; None leaves it."""
        return self if sensitivity is None else self.having({"hearing.sensitivity": sensitivity})

    def with_titles(self, songs: bool, logo: Path | None) -> Self:
        """The same where each song is told, and with another logo; None leaves it."""
        changes = {"caption.song": True} if songs else {}
        return self.having(changes | ({"logo.file": str(logo)} if logo is not None else {}))

    def targets(self, bank: Bank, codebook: Codebook, seed: int | None = None) -> np.ndarray:
        """[n_clusters, 4096] float32: the vector that each cluster calls up.

        seed: overrides the preset's own. Raises UserError if the bank lacks what the preset names.
        """
        chosen = bank.choose(self.bank.classes, self.bank.groups, self.bank.styles)
        return self._dealt(chosen, codebook, seed)

    def pose_targets(self, poses: Poses, codebook: Codebook, seed: int | None = None) -> np.ndarray:
        """[n_clusters, POSE_DIM] float32: the pose that each cluster calls up. seed: overrides the
        preset's."""
        return self._dealt(poses, codebook, seed)

    def _dealt(self, pool: Pool, codebook: Codebook, seed: int | None) -> np.ndarray:
        from visualizer.latent import mapping

        seed = self.mapping.seed if seed is None else seed
        if self.mapping.kind == "similar":
            return mapping.similar(pool, codebook.centroids, seed, codebook.transitions)
        return mapping.random(pool, len(codebook), seed)

    def motion(self, targets: np.ndarray, poses: np.ndarray | None = None) -> Motion:
        """A fresh path-maker between targets, as of `targets` and, for a figure, of `pose_targets`."""
        from visualizer.latent.motion import Motion

        matter = None if self.matter is None else self.matter.choreography()
        shape, bars, sensitivity = self.shape.choreography(), self.scene.bars, self.hearing.sensitivity
        return Motion(targets, shape, matter, bars, sensitivity, poses)


def find(name: str) -> Path:
    """The file of a preset: a path to a TOML file, or a shipped preset's name.

    Raises UserError if there is none.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise UserError(f"{name}: no such preset file; check the path.")
        return path
    shipped = assets.preset_names()
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, 1, 0.5)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise UserError(f"no preset {name!r}; {hint} {', '.join(shipped)}, or give a .toml file.")
    return assets.folder("presets") / f"{name}.toml"


def load(path: Path) -> Preset:
    """Read and check a preset file.

    Raises UserError that names the file, the key and what is allowed.
    """
    preset = toml_file.load(Preset, path)
    if preset.logo.file:
        return preset.having({"logo.file": str(resolve(preset.logo.file, path, "logo.file"))})
    return preset


def resolve(file: str, preset_path: Path, key: str) -> Path:
    """The path of a model that a preset names under a key: beside the preset, or a shipped one.

    Raises UserError if there is neither.
    """
    beside, shipped = preset_path.parent / file, assets.model(file)
    if not (beside.is_file() or shipped.is_file()):
        raise UserError(
            f"{preset_path}: {key} = {file!r}: there is no such file beside the preset or among the "
            f"shipped ones; check the name."
        )
    return beside if beside.is_file() else shipped
