"""A show that starts with the session: the unit, as systemd reads it."""

import configparser
import os
import shutil
import subprocess
import sys

import pytest
from program import ENVIRONMENT, ran, started
from test_cli import assert_one_sentence, nothing_left

from visualizer.cli.gallery import quoted


def read(text):
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(text)
    return unit


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has systemd")
def test_the_unit(tmp_path):
    (tmp_path / "100% ours").mkdir()
    environment = {**ENVIRONMENT, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    arguments = ("service", "--", "--fullscreen", "--preset", "horizon")
    with started(*arguments, cwd=tmp_path / "100% ours", environment=environment) as process:
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    path = tmp_path / "config/systemd/user/visualizer.service"
    assert str(path) in out and "systemctl --user enable --now visualizer" in out
    assert nothing_left(path.parent, path.name)
    unit = read(path.read_text())
    command = unit["Service"]["ExecStart"]
    assert command.endswith('"-m" "visualizer" "--log" "-" "live" "--fullscreen" "--preset" "horizon"')
    assert command.startswith(f'"{sys.executable}"')
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["WorkingDirectory"].endswith("100%% ours")
    assert unit["Install"]["WantedBy"] == "graphical-session.target"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    runtime = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(path)], capture_output=True, text=True, env=runtime
    )
    complaints = [line for line in verdict.stderr.splitlines() if "visualizer.service" in line]
    assert not complaints, verdict.stderr


def test_what_live_would_refuse_is_refused_now(tmp_path):
    assert_one_sentence(ran("service", "--", "--fulscreen", cwd=tmp_path), "--fulscreen")
    assert_one_sentence(
        ran("service", "--print", "--", "--preset", "horizn", cwd=tmp_path), "horizn", "horizon"
    )
    assert nothing_left(tmp_path)


def test_words_reach_the_program_as_they_are():
    """As systemd undoes it: quotes, back slashes, specifiers and variables."""
    word = quoted('a "b" \\ 50% $HOME')
    assert word == '"a \\"b\\" \\\\ 50%% $$HOME"'


def test_the_log_goes_to_the_journal(tmp_path):
    with started("--log", "-", "check", "missing.mp4", cwd=tmp_path) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "INFO visualizer" in errors and "ERROR visualizer: missing.mp4" in errors
