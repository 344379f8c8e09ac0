"""What is kept from show to show is written whole or not at all, and a user without a home can do without."""

import json
import pwd
import runpy
import tomllib

import pytest

from visualizer.common import settings
from visualizer.common.errors import UserError
from visualizer.picture.titles import fonts

CHOSEN = {"device": 'Müller\'s "8i6" \\ 音', "channels": [3, 4], "gain": 0.5}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "visualizer"


@pytest.mark.parametrize("name, read", [("a.toml", tomllib.loads), ("a.json", json.loads)])
def test_what_is_kept_is_known(folder, name, read):
    assert settings.known(name) == {}
    settings.keep(name, CHOSEN)
    assert settings.known(name) == CHOSEN == read((folder / name).read_text(encoding="utf-8"))
    for spoilt in (b"[", b'"a"', b"\xff"):
        (folder / name).write_bytes(spoilt)
        assert settings.known(name) == {}


def test_what_was_kept_stays_if_nothing_can_be_written(folder):
    settings.keep("a.toml", CHOSEN)
    (folder / ".a.toml.part").mkdir()
    with pytest.raises(UserError, match=r"a\.toml can't be written"):
        settings.keep("a.toml", {})
    assert settings.known("a.toml") == CHOSEN


def test_without_a_home(monkeypatch):
    def unknown(user):
        raise KeyError(user)

    for name in ("XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert settings.known("a.toml") == {}
    with pytest.raises(UserError, match=r"no home folder .* set HOME"):
        settings.keep("a.toml", CHOSEN)
    assert runpy.run_path(fonts.__file__)["faces"]()
