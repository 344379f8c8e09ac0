"""The pages that people read: links lead somewhere, commands are there, tables and defaults are so."""

import re
import shlex
import tomllib
from pathlib import Path

import flash_reference
import numpy as np
import pytest
from PIL import Image, ImageSequence

from visualizer.cli import main
from visualizer.control.midi import maps
from visualizer.control.preset import Preset
from visualizer.control.set_list import load as load_set
from visualizer.control.table import addresses_as_markdown, as_markdown, rows

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *(p for room in ("models", "presets", "visualizer") for p in ROOT.glob(f"{room}/**/README.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MOST_BYTES = 3_000_000


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, kind):
    return [text for language, text in FENCE.findall(text_of(page)) if language == kind]


def anchors(page):
    """The marks that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(page):
    return str(page.relative_to(ROOT).parent)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists() and ROOT in (there, *there.parents), link
        assert not anchor or anchor in anchors(there), link


def test_every_page_is_named_on_the_first():
    links = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(ROOT / "README.md"))}
    assert links >= set(PAGES) - {ROOT / "README.md"}


def commands(page):
    """Each `visualizer …` of a page, in blocks and in the text, as words."""
    for line in "".join(blocks(page, "sh")).splitlines():
        for part in re.split(r"&& |\| ", line):
            if part.lstrip().startswith("visualizer"):
                yield shlex.split(part, comments=True)
    for words in re.findall(r"`(visualizer [^`]+)`", FENCE.sub("", text_of(page))):
        yield words.split()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_their_options_are_there(page):
    for _, *words in commands(page):
        if not words or words[0] == "COMMAND":
            continue
        before, _, after = " ".join(words).partition(" -- ")
        for part in (before, f"live {after}" if after else ""):
            given = part.split()
            while given and given[0].startswith("--"):  # of the program itself
                assert given[0] == "--log", part
                given = given[2:]
            if not given or given[0] == "COMMAND":
                continue
            command = main.commands.get(given[0])
            assert command, part
            known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
            assert known >= {word for word in given[1:] if re.match(r"--?[a-z]", word)}, part


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_options_in_the_text_are_there(page):
    known = {
        name for command in main.commands.values() for parameter in command.params for name in parameter.opts
    }
    for option in re.findall(r"`(--[a-z-]+)[^`]*`", FENCE.sub("", text_of(page))):
        assert option in known | {"--log"}, option


def test_presets_keys_and_their_defaults():
    (text,) = blocks(ROOT / "presets/README.md", "toml")
    written = tomllib.loads(text)
    preset = Preset.model_validate(written)
    assert preset == Preset(title="Mine")
    for table in ("mapping", "scene", "hearing", "shape", "matter", "display", "caption"):
        assert preset.model_dump()[table].keys() - {"law", "follow", "swell"} <= written[table].keys(), table


def test_set_lists_and_maps(tmp_path):
    (tmp_path / "mine.toml").write_text('title = "Mine"')
    page = ROOT / "visualizer/control/README.md"
    for text in blocks(page, "toml"):
        path = tmp_path / "example.toml"
        path.write_text(text)
        load_set(path) if "[set]" in text else maps.load(path)


def test_tables_of_keys_and_controls():
    text = text_of(ROOT / "visualizer/control/README.md")
    lines = as_markdown().splitlines()
    assert len(lines) == len(rows()) + 2
    assert as_markdown().strip() in text and addresses_as_markdown() in text
    assert all(re.fullmatch(r"\| .+ \| .+ \|", line) for line in lines)
    assert "| H, F1 | this list |" in lines


def test_every_preset_is_shown():
    text = text_of(ROOT / "presets/README.md")
    for path in ROOT.glob("presets/*.toml"):
        assert f"({path.stem}.jpg)" in text and tomllib.loads(path.read_text())["description"] in text


def test_the_moving_picture_moves_and_keeps_the_flash_rule():
    path = ROOT / "presets/dance.webp"
    assert path.stat().st_size <= MOST_BYTES
    with Image.open(path) as picture:
        frames, milliseconds = [], []
        for frame in ImageSequence.Iterator(picture):
            frames.append(np.asarray(frame.convert("RGB").reduce(3)))
            milliseconds.append(frame.info["duration"])
    again = 1000 // milliseconds[0]  # a second of it, for it is a loop
    frames, times = np.stack(frames + frames[:again]), np.cumsum(milliseconds + milliseconds[:again]) / 1000
    assert 5 < times[-1] < 13 and np.abs(np.diff(frames.astype(int), axis=0)).mean() > 1
    assert not flash_reference.judge(frames, times)
