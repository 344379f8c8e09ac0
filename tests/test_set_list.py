"""Set lists: what comes next, when, and for how long it goes well."""

import itertools
import random
from collections import Counter

import pytest

from visualizer.audio.listener import Event
from visualizer.audio.rhythm import Beat, Section
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control import set_list
from visualizer.control.desk import Desk
from visualizer.control.set_list import Deck, Set, SetList, parse_length

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture(autouse=True)
def no_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


class Evening:
    """A show of 60 frames a second on a clock of the test's; changes: [(time, preset)]."""

    def __init__(self, wanted, names=NAMES, bpm=0.0, section_s=0.0):
        self.desk = Desk()
        self.desk.options["preset"] = names
        self.desk.settled("preset", names[0])
        self.kept = []
        self.list = SetList(self.desk, wanted, self.kept.append, random.Random(0))
        self.now, self.bpm, self.section_s = 0.0, bpm, section_s
        self.changes = []

    def run(self, seconds, fps=10):
        for _ in range(round(seconds * fps)):
            self.now += 1 / fps
            beat = int(self.now * self.bpm / 60)
            place = Beat(self.bpm, 0.0, 0.1, beat, 1.0, 4, beat % 4) if self.bpm else Beat()
            section = int(self.now / self.section_s) if self.section_s else 0
            self.desk.hear(Event(self.now, 1, -20.0, 0.0, beat=place, section=Section(0, False, section)))
            self.list.step(self.now)
            for turn in self.desk.take():
                self.desk.settled(turn.control.name, turn.value)
                if turn.control.name == "preset":
                    self.changes.append((self.now, turn.value))
        return self.changes


@pytest.mark.parametrize(
    "wanted, extra, period",
    [
        (Set(length=7, on=True), {}, 7),
        (Set(length=4, unit="bars", on=True), {"bpm": 120}, 8),
        (Set(length=4, unit="bars", on=True), {}, 8),  # no beat
        (Set(length=2, unit="sections", on=True), {"section_s": 10}, 20),
        (Set(length=1, unit="sections", on=True), {}, 120),  # no sections
    ],
)
def test_presets_change_when_it_is_time(wanted, extra, period):
    changes = Evening(wanted, **extra).run(5.5 * period)
    assert [name for _, name in changes] == ["b", "c", "d", "e", "a"]
    times = [time for time, _ in changes]
    assert all(b - a == pytest.approx(period, abs=0.35) for a, b in itertools.pairwise(times))
    if extra.get("bpm"):
        assert all(time % 2 < 0.25 for time in times)  # on the downbeat


def test_hands_lock_and_the_switch_come_first():
    evening = Evening(Set(length=10))
    assert evening.run(50) == []  # nobody asked for it
    keys = evening.desk.way("keys")
    keys.order("cycle", 1)
    evening.run(8)
    keys.order("preset", "d")
    assert evening.run(9)[-1] == (pytest.approx(58.1, abs=0.2), "d")
    assert evening.run(2)[-1][1] == "e"
    keys.order("lock", 1)
    before = len(evening.run(1))
    assert len(evening.run(60)) == before
    keys.order("lock", 0)
    assert len(evening.run(11)) == before + 1


def test_months_at_random():
    deck, last, seen = Deck(random.Random(1)), "a", []
    for _ in range(20_000):
        last = deck.next(NAMES, last, True, {"c"})
        seen.append(last)
    assert all(a != b for a, b in itertools.pairwise(seen))
    counts = Counter(seen)
    assert all(counts[name] == pytest.approx(20_000 / 6, rel=0.02) for name in "abde")
    assert counts["c"] == pytest.approx(20_000 / 3, rel=0.02)
    gaps = [b - a for a, b in itertools.pairwise(i for i, name in enumerate(seen) if name == "a")]
    assert max(gaps) <= 12  # nothing is forgotten for longer than two rounds
    assert {deck.next(("x",), "x", True)} == {"x"} and deck.next(("x", "y"), "x", True) == "y"


def test_favourites_are_kept_and_can_be_all_there_is(tmp_path):
    evening = Evening(Set(length=5, on=True))
    evening.list.mark(True)
    evening.desk.settled("preset", "d")
    evening.list.mark(True)
    evening.list.mark(False)
    evening.desk.settled("preset", "c")
    evening.list.mark(True)
    assert evening.kept[-1] == ["a", "c"]
    set_list.keep(evening.kept[-1])
    again = Evening(Set(length=5, favourites=True, on=True))
    assert again.list.favourites == {"a", "c"}
    assert [name for _, name in again.run(21)] == ["c", "a", "c", "a"]
    assert again.desk.values["favourite"] is True


def test_a_set_as_a_file(tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text('title = "Mine"')
    path = tmp_path / "friday.toml"
    path.write_text('[set]\npresets = ["reef", "mine.toml"]\nevery = "16 bars"\norder = "random"\n')
    there = assets.folder("presets") / "reef.toml"
    assert set_list.load(path) == Set((there, own), False, 16, "bars", True, True)
    path.write_text('[set]\npresets = "favourites"\n')
    assert set_list.load(path) == Set((), True, 45, "seconds", False, True)
    for text, words in (
        ("", "set"),
        ('[set]\nevery = "soon"', "16 bars or 2 sections"),
        ('[set]\nevery = "0 s"', "no length"),
        ('[set]\npresets = ["reeef"]', "did you mean reef"),
        ("[set]\npresets = []", r"set\.presets = \[\] won't do; it must be a list of names, 'fav"),
        ("[set]\npresets = 5", "set.presets = 5 won't do; it must be a list of names"),
        ('[set]\npresets = ["reef", 5]', "won't do; it must be a list of names"),
        ('[set]\norder = "upwards"', "order"),
        ("[set]\nspeed = 1", r"unknown key 'set\.speed'; allowed here are presets, every, order"),
        ("set = 1", "set = 1 won't do; it must be a table"),
        ("[set", "not valid TOML"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            set_list.load(path)
    with pytest.raises(UserError, match="can't be read"):
        set_list.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("45", (45, "seconds")),
        ("1.5 s", (1.5, "seconds")),
        ("45 seconds", (45, "seconds")),
        ("16 bars", (16, "bars")),
        ("1 bar", (1, "bars")),
        ("2 sections", (2, "sections")),
        ("section", (1, "sections")),
        ("30sec", None),
    ],
)
def test_lengths(text, expected):
    if expected is None:
        with pytest.raises(UserError):
            parse_length(text, "--cycle")
    else:
        assert parse_length(text, "--cycle") == expected
