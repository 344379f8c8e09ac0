"""Presets: what they say, and what is said about wrong ones."""

import pytest

from visualizer.audio.codebook import Codebook
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import preset
from visualizer.latent.bank import Bank
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
    assert look.law() == Gravity(0.5, 0.25)
    bank = Bank.load(assets.model("bank.safetensors"))
    assert look.motion(look.targets(bank, CODEBOOK)).hold == pytest.approx(0.09)
    assert preset.load(write(tmp_path, 'title = "Plain"')).law() == Spring(0.4, 0.1)


@pytest.mark.parametrize(
    "text, words",
    [
        ("title = [1\nx", ["not valid TOML", "line 2"]),
        ("", ["'title'", "missing"]),
        ('title = "x"\ncolour = 1', ["'colour'", "bank", "particle"]),
        ('title = "x"\n[particle]\nbounc = 0.1', ["'particle.bounc'", "bounce", "response_ms"]),
        ('title = "x"\n[particle]\nbounce = 2', ["particle.bounce", "2", "less than or equal to 0.9"]),
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
