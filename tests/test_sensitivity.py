"""--sensitivity: every command that shows or renders has it, and it plays instead of the presets' own."""

import pytest
from click.testing import CliRunner

from visualizer.cli import main, options
from visualizer.common.errors import UserError
from visualizer.control.repertoire import Repertoire
from visualizer.control.table import BY_NAME


def asked(monkeypatch, tmp_path, *arguments):
    """What the engines are asked for by a command."""
    heard = {}

    def show(source, **wishes):
        heard.update(wishes)

    def open_parts(preset, codebook, seed, banks, sensitivity, *_):
        heard.update(sensitivity=sensitivity)
        raise UserError("enough.")

    monkeypatch.setattr("visualizer.live.run_live", show)
    monkeypatch.setattr("visualizer.offline.engine.open_parts", open_parts)
    monkeypatch.setattr("visualizer.audio.demo_process.begin_demo_tune", lambda: None)
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(main, arguments)
    return heard["sensitivity"]


@pytest.mark.parametrize(
    "command", [("live",), ("play", "song.wav"), ("render", "song.wav", "-o", "clip.mp4"), ("demo",)]
)
def test_the_option_reaches_the_engines(monkeypatch, tmp_path, song, command):
    command = [str(song) if word == "song.wav" else word for word in command]
    assert asked(monkeypatch, tmp_path, *command, "--sensitivity", "0.3") == 0.3
    assert asked(monkeypatch, tmp_path, *command) is None


def test_all_presets_have_it():
    repertoire = Repertoire("reef", sensitivity=0.3)
    assert [repertoire.load(place).preset.hearing.sensitivity for place in (0, 8)] == [0.3, 0.3]
    assert Repertoire("reef").load(8).preset.hearing.sensitivity == 1
    from visualizer.offline import engine

    preset, _, motion = engine.open_parts("garden", sensitivity=0.3)
    assert preset.hearing.sensitivity == motion._sensitivity == 0.3


def test_the_option_and_the_control_have_one_range():
    import click

    option = next(p for p in options.sensitivity(click.Command("x")).params if p.name == "sensitivity")
    control = BY_NAME["sensitivity"]
    assert (option.type.min, option.type.max) == (control.low, control.high)
