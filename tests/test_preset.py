"""Presets: what they say, and what is said about wrong ones."""

import numpy as np
import pytest

from visualizer.audio.codebook import Codebook
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import preset
from visualizer.latent.bank import Bank
from visualizer.latent.choreography import Choreography
from visualizer.latent.particle import Gravity, Spring

CODEBOOK = Codebook.load(assets.model("codebook.safetensors"))


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", assets.preset_names())
def test_every_shipped_preset_works(name):
    path = preset.find(name)
    look = preset.load(path)
    bank = Bank.load(preset.resolve(look.bank.file, path, "bank.file"))
    motion = look.motion(look.targets(bank, CODEBOOK))
    assert look.title and look.description
    assert motion.targets.shape == (100, 4096)
    assert len(bank.choose(look.bank.classes, look.bank.groups)) >= 30


def test_there_are_at_least_three():
    assert len(assets.preset_names()) >= 3


def test_what_a_preset_says_is_done(tmp_path):
    text = 'title = "Mine"\n[particle]\nlaw = "gravity"\nresponse_ms = 500\nbounce = 0.25\nhold_ms = 90\n'
    look = preset.load(write(tmp_path, text))
    assert look.shape.choreography() == Choreography(Gravity(0.5, 0.25), 0.09) and look.matter is None
    bank = Bank.load(assets.model("bank.safetensors"))
    code = look.motion(look.targets(bank, CODEBOOK)).code(0.0)
    assert np.array_equal(code.shape, code.matter)


def test_shape_and_matter_dance_as_they_are_told(tmp_path):
    text = """
        title = "Mine"
        [shape]
        response_ms = 150
        bounce = 0.3
        hold_ms = 0
        move_on = "beat"
        follow = "bass"
        reach = 0.6
        kick = 0.2
        swell = 0.1
        [matter]
        law = "gravity"
        response_ms = 2000
        """
    look = preset.load(write(tmp_path, text))
    assert look.shape.choreography() == Choreography(Spring(0.15, 0.3), 0, "beat", "bass", 0.6, 0.2, 0.1)
    assert look.matter.choreography().law == Gravity(2.0, 0.0)
    as_one = preset.load(write(tmp_path, 'title = "One"\nmatter = "shape"\n[shape]\nbounce = 0.3\n'))
    assert as_one.matter is None
    turned = as_one.having({"shape.kick": 0.4, "matter.kick": 0.4})
    assert turned.shape.kick == 0.4 and turned.shape.bounce == 0.3 and turned.matter is None


@pytest.mark.parametrize(
    "text, words",
    [
        ("title = [1\nx", ["not valid TOML", "line 2"]),
        ("", ["'title'", "missing"]),
        ('title = "x"\nmatter = "stone"', ["matter", "stone", '"shape"']),
        ('title = "x"\n[matter]\nmove_onn = 1', ["'matter.move_onn'", "move_on", "reach"]),
        ('title = "x"\n[particle]\n[shape]\nbounce = 0.1', ["[particle]", "[shape]", "leave it out"]),
        ('title = "x"\n[drive.beat]\nzooom = 1', ["'drive.beat.zooom'", "zoom"]),
        ('title = "x"\ncolour = 1', ["'colour'", "bank", "particle"]),
        ('title = "x"\n[particle]\nbounc = 0.1', ["'particle.bounc'", "bounce", "response_ms"]),
        ('title = "x"\n[particle]\nbounce = 2', ["particle.bounce", "2", "less than or equal to 0.9"]),
        ('title = "x"\n[hearing]\nsensitivity = nan', ["hearing.sensitivity", "nan"]),
        ('title = "x"\n[hearing]\nsensitivity = 5', ["hearing.sensitivity", "5", "less than or equal to 4"]),
        ('title = "x"\n[particle]\nresponse_ms = "fast"', ["particle.response_ms", "fast", "number"]),
        ('title = "x"\n[particle]\nlaw = "wind"', ["particle.law", "wind", "'spring' or 'gravity'"]),
        ('title = "x"\n[display]\nfit = true', ["display.fit", "mirror"]),
        ('title = "x"\n[drive.onset]\nzooom = 0.1', ["'drive.onset.zooom'", "zoom, hue", "vignette"]),
        ('title = "x"\n[drive.onset]\nzoom = 9', ["drive.onset.zoom", "9", "less than or equal to 2"]),
    ],
)
def test_errors_name_the_file_the_key_and_what_is_allowed(tmp_path, text, words):
    with pytest.raises(UserError) as error:
        preset.load(write(tmp_path, text))
    for word in ["mine.toml", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "table, words", [('classes = ["daisi"]', ["daisi", "daisy"]), ('groups = ["brids"]', ["brids", "birds"])]
)
def test_what_the_bank_does_not_hold(tmp_path, table, words):
    look = preset.load(write(tmp_path, f'title = "x"\n[bank]\n{table}\n'))
    with pytest.raises(UserError) as error:
        look.targets(Bank.load(assets.model("bank.safetensors")), CODEBOOK)
    for word in words:
        assert word in str(error.value)


def test_a_bank_beside_the_preset_comes_first(tmp_path):
    path = write(tmp_path, 'title = "x"')
    assert preset.resolve("bank.safetensors", path, "bank.file") == assets.model("bank.safetensors")
    (tmp_path / "bank.safetensors").touch()
    assert preset.resolve("bank.safetensors", path, "bank.file") == tmp_path / "bank.safetensors"


def test_a_file_that_a_preset_names_and_is_nowhere(tmp_path):
    with pytest.raises(UserError, match=r"mine\.toml: bank\.file = 'zoo\.safetensors': there is no"):
        preset.resolve("zoo.safetensors", tmp_path / "mine.toml", "bank.file")
