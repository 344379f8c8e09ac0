"""The score of the demo tune: chords, patterns and melodies as data, and how they are read.

Four bars of each: an intro that gains a layer a bar, a groove, a break without drums where a bell
sings the hook, and a drop with everything where the lead sings it again; then one last chord.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import numpy as np

BPM = 124
STEP = 60 / BPM / 4  # a sixteenth note, in seconds
BAR = 16 * STEP
SWING = 0.10  # how late every second sixteenth comes, in steps
SECONDS = 34.0
SILENCE = 0.5  # seconds at the very end

# Bass note and upper voices as MIDI numbers, laid out so that the voices hardly move between chords.
CHORDS = {
    "Bbmaj9": (34, (62, 65, 69, 72)),
    "C69": (36, (64, 67, 69, 74)),
    "Am7": (33, (64, 67, 69, 72)),
    "Dm9": (38, (64, 65, 69, 72)),
    "Gm9": (31, (65, 69, 70, 74)),
    "Cm9": (36, (63, 67, 70, 74)),
    "F9sus": (29, (63, 67, 70, 72)),
    "C9": (36, (64, 67, 70, 74)),
    "Fmaj9": (29, (64, 67, 69, 72)),
}
# Bar by bar; two names share a bar. Cm9 F9sus leads into the drop, Gm9 C9 home to F.
# fmt: off
HARMONY = (
    "Bbmaj9", "C69", "Am7",     "Dm9",        # intro
    "Bbmaj9", "C69", "Am7",     "Dm9",        # groove
    "Gm9",    "Am7", "Dm9",     "Cm9 F9sus",  # break
    "Bbmaj9", "C69", "Am7 Dm9", "Gm9 C9",     # drop
    "Fmaj9",                                  # end
)

# A row has one letter a bar, each naming a pattern that fills the bar; "." is a bar of rest. In a
# pattern "." rests and "-" holds. Drums and stabs: 1 to 9 is how hard. Bass: r(oot), f(ifth),
# o(ctave). Arpeggio: which rung of the chord.
SCORE = {  # intro groove break drop end
    "kick":  ("aaaa aaab .... aaab c", {"a": "9...9...9...9...", "b": "9...9...9.......", "c": "9"}),
    "clap":  ("..aa aaaa .... aaaa b", {"a": "....8.......9...", "b": "9"}),
    "hat":   ("aabb bbbc .... dddc .", {"a": "..5...6...5...64", "b": "6.274.376.274.47",
                                        "c": "6.274.37........", "d": "7375737673757378"}),
    "open":  ("...a aaaa .... aaaa .", {"a": "..6...7...6...7."}),
    "snare": ("...a ...b ..cd ggga e", {"a": ".............6.8", "b": "..........6.5688", "e": "8",
                                        "c": "2...2...3...3...3...3...4.4.4.4.",
                                        "d": "5.5.5.5.6.6.6.6.67778889........",
                                        "g": "....7..2.2..7..3"}),
    "crash": (".... a... a... a... a", {"a": "9"}),
    "bass":  ("...a bbbc .... ddde f", {"a": "............r.f-", "b": "r--r--r-..r.o-f-",
                                        "c": "r--r--r-o-......", "d": "r-or-.r-o.r.o-fo",
                                        "e": "r-or-.r-r-or--o-", "f": "r---------------"}),
    "stab":  (".... aaab .... aaab c", {"a": "9..6..8...7..6..", "b": "9..6..8...8.....", "c": "9"}),
    "arp":   ("aaaa aaaa bbbd cccc e", {"a": "0.3.2.4.3.5.4.2.", "b": "0.2.4.6.7.5.4.2.",
                                        "c": "4.57.46.4.57.64.", "d": "0.2.4.6.7.5.....",
                                        "e": "0.2.3.5.7......."}),
}
# fmt: on

# Notes and their lengths in steps. The last bar differs: the bell asks, the lead answers.
HOOK = "C5 3 D5 3 F5 4 A5 2 G5 4  G5 3 E5 3 D5 4 C5 2 D5 4  C5 3 D5 3 E5 2 A5 4 C6 4  "
BELL_BAR, BELL_LINE = 8, HOOK + "Bb5 3 G5 3 F5 2 Eb5 8"
LEAD_BAR, LEAD_LINE = 12, HOOK + "Bb5 3 A5 3 G5 2 D5 2 E5 2 G5 2 E5 2  F5 12"
RISER_BARS = (9, 11.75)  # the last beat before the drop holds its breath

# Automation as bars and the values there, straight lines between.
PAD_CUTOFF = (0, 4, 8, 11.7, 12, 16, 17), (600, 2400, 1400, 8000, 4000, 6000, 900)
PAD_LEVEL = (0, 4, 8, 11.7, 11.75, 11.98, 12, 15.9, 16, 16.9), (1.4, 1.1, 0.8, 1.6, 0, 0, 0.8, 0.8, 1.5, 0)
# Section by section.
ARP_CUTOFF = 3000, 3500, 5000, 6500, 4000
ARP_GAIN = 1, 1, 0.7, 0.7, 0.8


Pitch = TypeVar("Pitch", float, np.ndarray)


def when(step: float) -> float:
    """The time in seconds of a step, swung."""
    return (step + SWING * (step % 2 == 1)) * STEP


def steps(instrument: str) -> Iterator[tuple[float, str, float]]:
    """All of an instrument's events: (step, symbol, length in steps)."""
    row, patterns = SCORE[instrument]
    for bar, letter in enumerate(row.replace(" ", "")):
        pattern = patterns.get(letter, "").ljust(16, ".")
        unit = 16 / len(pattern)
        for event in re.finditer(r"[^.-]-*", pattern):
            yield 16 * bar + unit * event.start(), event[0][0], unit * len(event[0])


def melody(line: str, bar: int) -> Iterator[tuple[int, int, int]]:
    """A line's notes: (step, MIDI number, length in steps)."""
    step = 16 * bar
    for name, flat, octave, length in re.findall(r"([A-G])(b?)(\d) (\d+)", line):
        yield step, 12 * int(octave) + 12 + "C D EF G A B".index(name) - bool(flat), int(length)
        step += int(length)


def chord_at(step: float) -> tuple[int, tuple[int, ...]]:
    """Bass note and voices that sound at a step."""
    names = HARMONY[int(step // 16)].split()
    return CHORDS[names[int(step % 16 * len(names) // 16)]]


def hz(note: Pitch) -> Pitch:
    """The frequency of a MIDI number."""
    return 440 * 2 ** ((note - 69) / 12)
