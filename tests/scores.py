"""Scores of many styles, written as MIDI and played by FluidSynth: music of which every beat is known."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
DRUMS = 9
KICK, SNARE, CLAP, HAT, OPEN, CRASH, RIDE, PEDAL, TOM, STICK = 36, 38, 39, 42, 46, 49, 51, 44, 45, 37
# General MIDI's numbers, from 0.
PIANO, VIBES, NYLON, OVERDRIVEN, UPRIGHT, FINGERED, SYNTH_BASS = 0, 11, 24, 29, 32, 33, 38
STRINGS, TRUMPET, FLUTE, SAW, PAD = 48, 56, 73, 81, 89

Note = tuple[
    float, int, int, int, float
]  # beat within the bar, program or DRUMS - 128, pitch, velocity, beats
ON_DRUMS = DRUMS - 128


def hits(drum: int, *beats: float, loud: int = 100) -> list[Note]:
    return [(beat, ON_DRUMS, drum, loud, 0.1) for beat in beats]


def notes(program: int, pitches: object, *beats: float, loud: int = 80, lasts: float = 0.4) -> list[Note]:
    """Chords, or one note, at the same beats."""
    chord = pitches if isinstance(pitches, tuple) else (pitches,)
    return [(beat, program, pitch, loud, lasts) for beat in beats for pitch in chord]


def every(step: float, meter: int, begin: float = 0.0) -> list[float]:
    return list(np.arange(begin, meter, step))


MINOR = [(57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62)]  # A minor, F, C, G


def house(bar: int) -> list[Note]:
    chord = MINOR[bar // 2 % 4]
    return (
        hits(KICK, 0, 1, 2, 3, loud=115)
        + hits(CLAP, 1, 3, loud=95)
        + hits(OPEN, 0.5, 1.5, 2.5, 3.5, loud=75)
        + hits(HAT, *every(0.25, 4), loud=45)
        + notes(SYNTH_BASS, chord[0] - 24, 0.5, 1.5, 2.5, 3.25, 3.5, loud=95)
        + notes(SAW, chord, 0.75, 1.5, 2.75, loud=60, lasts=0.3)
        + notes(PAD, chord, 0, loud=60, lasts=4)
    )


def drum_and_bass(bar: int) -> list[Note]:
    chord = MINOR[bar // 4 % 4]
    kicks = (0, 2.5) if bar % 2 == 0 else (0, 1.5, 2.5)
    return (
        hits(KICK, *kicks, loud=115)
        + hits(SNARE, 1, 3, loud=115)
        + hits(SNARE, *((1.75, 2.25) if bar % 2 else (3.75,)), loud=50)
        + hits(HAT, *every(0.5, 4), loud=70)
        + notes(SYNTH_BASS, chord[0] - 24, *((0, 1.5, 3) if bar % 2 else (0, 2.5)), loud=105, lasts=0.9)
        + notes(PAD, chord, *((0,) if bar % 2 == 0 else ()), loud=70, lasts=8)
        + notes(VIBES, chord[bar % 3] + 12, *((0.5, 2, 3.5) if bar % 4 > 1 else ()), loud=60)
    )


def rock(bar: int) -> list[Note]:
    root = (40, 40, 45, 47)[bar % 4]
    fill = bar % 4 == 3
    return (
        hits(KICK, 0, 2, 2.5, loud=112)
        + hits(SNARE, 1, 3, *((3.5, 3.75) if fill else ()), loud=112)
        + hits(HAT, *every(0.5, 4), loud=75)
        + hits(CRASH, *((0,) if bar % 4 == 0 else ()), loud=100)
        + notes(OVERDRIVEN, (root, root + 7), *every(0.5, 4), loud=75, lasts=0.45)
        + notes(FINGERED, root - 12, *every(0.5, 4), loud=90, lasts=0.45)
    )


def waltz(bar: int) -> list[Note]:
    chord = [(60, 64, 67), (60, 65, 69), (59, 62, 67), (60, 64, 67)][bar % 4]
    melody = [(76, 79), (77, 81), (79, 74), (72, 76)][bar % 4]
    return (
        notes(UPRIGHT, chord[0] - 24, 0, loud=100, lasts=0.9)
        + notes(STRINGS, chord, 1, 2, loud=70, lasts=0.5)
        + notes(PIANO, chord, 1, 2, loud=65, lasts=0.5)
        + notes(FLUTE, melody[0], 0, loud=85, lasts=1.9)
        + notes(FLUTE, melody[1], 2, loud=75, lasts=0.9)
    )


def six_eight(bar: int) -> list[Note]:
    """Two beats of three quavers each."""
    chord = MINOR[bar % 4]
    arpeggio = [chord[0], chord[1], chord[2], chord[0] + 12, chord[2], chord[1]]
    return (
        hits(KICK, 0, loud=105)
        + hits(SNARE, 1, loud=95)
        + [(b, ON_DRUMS, HAT, 52 if b % 1 else 76, 0.1) for b in (i / 3 for i in range(6))]
        + [(i / 3, NYLON, pitch, 72 if i % 3 else 92, 0.4) for i, pitch in enumerate(arpeggio)]
        + notes(FINGERED, chord[0] - 24, 0, 1, loud=90, lasts=0.8)
        + notes(STRINGS, chord[bar % 3] + 12, 0, loud=60, lasts=2)
    )


def swing(bar: int) -> list[Note]:
    chord = [(62, 65, 69, 72), (55, 59, 62, 65), (60, 64, 67, 71), (57, 61, 64, 67)][bar % 4]
    walk = [(38, 41, 45, 44), (43, 47, 50, 49), (36, 40, 43, 46), (45, 49, 52, 51)][bar % 4]
    late = 2 / 3
    return (
        hits(RIDE, 0, 1, 1 + late, 2, 3, 3 + late, loud=85)
        + hits(PEDAL, 1, 3, loud=80)
        + hits(KICK, 0, loud=50)
        + [(i, UPRIGHT, pitch, 95, 0.9) for i, pitch in enumerate(walk)]
        + notes(PIANO, chord, *((late, 3) if bar % 2 else (0, 1 + late)), loud=65, lasts=0.4)
        + notes(TRUMPET, chord[bar % 4] + 12, 2 + late, 3 + late, loud=75, lasts=0.5)
    )


def hip_hop(bar: int) -> list[Note]:
    chord = MINOR[bar // 2 % 4]
    return (
        hits(KICK, 0, 0.75, 2.5, loud=115)
        + hits(SNARE, 1, 3, loud=105)
        + hits(HAT, *every(0.5, 4), loud=65)
        + hits(HAT, *((3.75,) if bar % 2 else ()), loud=55)
        + notes(FINGERED, chord[0] - 24, 0, 0.75, 2.5, loud=100, lasts=0.6)
        + notes(PIANO, chord, 0, 1.5, loud=65, lasts=1)
    )


def ballad(bar: int) -> list[Note]:
    """A piano alone, its quavers broken chords."""
    chord = MINOR[bar % 4]
    broken = [chord[0], chord[1], chord[2], chord[1], chord[0] + 12, chord[2], chord[1], chord[2]]
    return (
        [(i / 2, PIANO, pitch, 85 if i in (0, 4) else 62, 0.6) for i, pitch in enumerate(broken)]
        + notes(PIANO, chord[0] - 24, 0, 2, loud=85, lasts=1.9)
        + notes(PIANO, chord[(bar + 1) % 3] + 24, 0, 1.5, loud=92, lasts=1.4)
    )


def techno(bar: int) -> list[Note]:
    return (
        hits(KICK, 0, 1, 2, 3, loud=120)
        + hits(HAT, 0.5, 1.5, 2.5, 3.5, loud=90)
        + hits(STICK, 0.75, 1.5, 3.25, loud=60)
        + notes(SYNTH_BASS, 33, *(b for b in every(0.25, 4) if b % 1), loud=85, lasts=0.2)
        + notes(SAW, 57 + 3 * (bar % 2), 0.75, 2.25, 3, loud=55, lasts=0.2)
    )


def drums(bar: int) -> list[Note]:
    """Drums alone, no two hits closer than a semiquaver."""
    return (
        hits(KICK, 0, 1.75, 2.5, loud=112)
        + hits(SNARE, 1, 3, loud=108)
        + hits(HAT, *every(0.5, 4), loud=80)
        + hits(TOM, *((3.25, 3.75) if bar % 4 == 3 else ()), loud=105)
        + hits(OPEN, *((3.5,) if bar % 2 else ()), loud=85)
    )


def percussion(bar: int) -> list[Note]:
    """A kit's busier bar: semiquavers on the hi-hat, some of them soft."""
    return (
        hits(KICK, 0, 0.75, 2, 2.75, loud=110)
        + hits(SNARE, 1, 3, loud=110)
        + [(b, ON_DRUMS, HAT, 85 if b % 1 == 0 else 62, 0.1) for b in every(0.25, 4)]
    )


def pads(bar: int) -> list[Note]:
    """What is left when the drums fall silent."""
    chord = MINOR[bar // 2 % 4]
    return notes(PAD, chord, 0, loud=70, lasts=4) + notes(VIBES, chord[bar % 3] + 12, 0, 1.5, 3, loud=60)


@dataclass(frozen=True)
class Score:
    """notes: (time, seconds, program or `ON_DRUMS`, pitch, velocity). beats, downbeats: times in seconds.

    bpm: of the beats, as they go by; meter: beats in a bar, 0 without beats.
    """

    name: str
    length: float
    notes: list[tuple[float, float, int, int, int]]
    beats: np.ndarray = field(default_factory=lambda: np.empty(0))
    downbeats: np.ndarray = field(default_factory=lambda: np.empty(0))
    meter: int = 0

    @property
    def onsets(self) -> np.ndarray:
        """Times at which notes begin, those within 20 ms as one."""
        times = np.sort([note[0] for note in self.notes])
        return times[np.concatenate([[True], np.diff(times) > 0.02])]

    def play(self, folder: Path) -> np.ndarray:
        """[n] float32 at 44.1 kHz, as FluidSynth plays it."""
        midi, frames = folder / f"{self.name}.mid", round(self.length * 44100)
        self._write(midi)
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-g",
            "0.6",
            "-r",
            "44100",
            "-T",
            "raw",
            "-O",
            "s16",
            "-E",
            "little",
        ]
        with subprocess.Popen([*command, "-F", "-", SOUNDFONT, midi], stdout=subprocess.PIPE) as player:
            assert player.stdout is not None
            # It would go on for as long as anything sounds, which may be forever.
            sound = np.frombuffer(player.stdout.read(4 * frames), "<i2")
            player.kill()
        return sound.reshape(-1, 2).mean(1, dtype=np.float32) / 2**15

    def _write(self, path: Path) -> None:
        """A MIDI file of one tick a millisecond."""
        programs = sorted({program for _, _, program, _, _ in self.notes if program != ON_DRUMS})
        channels = {ON_DRUMS: DRUMS} | {p: i + (i >= DRUMS) for i, p in enumerate(programs)}
        events = [(0, mido.Message("program_change", channel=channels[p], program=p)) for p in programs]
        for time, seconds, program, pitch, velocity in self.notes:
            at = {"channel": channels[program], "note": pitch}
            events.append((round(time * 1000), mido.Message("note_on", velocity=velocity, **at)))
            events.append((round((time + seconds) * 1000), mido.Message("note_off", **at)))
        events.sort(key=lambda event: (event[0], event[1].type != "note_off"))
        track, last = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)]), 0
        for tick, message in events:
            track.append(message.copy(time=tick - last))
            last = tick
        mido.MidiFile(ticks_per_beat=500, tracks=[track]).save(path)


def score(
    name: str,
    style: Callable[[int], list[Note]],
    tempo: float | Callable[[float], float],
    meter: int = 4,
    length: float = 14.0,
    human: float = 0.004,
    seed: int = 0,
) -> Score:
    """Bars of a style, from half a second on.

    tempo: in beats a minute, or as a function of seconds. human: standard deviation of a player's timing, s.
    """
    rng = np.random.default_rng(seed)
    grid = _beat_times(tempo, length)
    position = np.arange(len(grid))
    played = []
    for bar in range(len(grid) // meter):
        for beat, program, pitch, velocity, beats in style(bar):
            begin = float(np.interp(bar * meter + beat, position, grid))
            end = float(np.interp(bar * meter + beat + beats, position, grid))
            late = float(np.clip(rng.normal(0, human), -2 * human, 2 * human))
            loud = int(np.clip(velocity + rng.integers(-6, 7), 1, 127))
            played.append((begin + late, end - begin, program, pitch, loud))
    beats = grid[: len(grid) // meter * meter]
    return Score(name, length, played, beats, beats[::meter], meter)


def medley(name: str, tempo: float, *parts: tuple[Callable[[int], list[Note]], int]) -> Score:
    """Several styles, each for so many bars of four."""
    styles = [style for style, bars in parts for _ in range(bars)]
    return score(name, lambda bar: styles[bar](bar), tempo, length=0.5 + 240 / tempo * len(styles))


def _beat_times(tempo: float | Callable[[float], float], length: float) -> np.ndarray:
    bpm = tempo if callable(tempo) else lambda _: tempo
    times, beat = [], 0.5
    while beat < length:
        times.append(beat)
        beat += 60 / bpm(beat + 30 / bpm(beat))
    return np.array(times)


def free_solo(name: str = "solo without a beat", length: float = 14.0, seed: int = 3) -> Score:
    """A flute that takes its time: no two notes as long as each other."""
    rng = np.random.default_rng(seed)
    played, time = [], 0.5
    while time < length:
        seconds = float(rng.lognormal(-0.6, 0.6))
        pitch = int(rng.choice([62, 64, 65, 67, 69, 71, 72, 74, 76]))
        played.append((time, 0.95 * seconds, FLUTE, pitch, int(rng.integers(60, 105))))
        time += seconds
    return Score(name, length, played)


def ritardando(seconds: float) -> float:
    """From 126 to 84 beats a minute, between the sixth second and the sixteenth."""
    return float(np.interp(seconds, [6, 16], [126, 84]))


def faster(seconds: float) -> float:
    """From 104 to 132 beats a minute, at once."""
    return 104 if seconds < 9 else 132


def steady_scores() -> Iterator[Score]:
    """Those on which the beat must be found."""
    yield score("four on the floor", house, 124)
    yield score("drum and bass", drum_and_bass, 174)
    yield score("rock", rock, 116)
    yield score("waltz", waltz, 150, meter=3)
    yield score("six-eight", six_eight, 76, meter=2)
    yield score("swing", swing, 150)


def other_scores() -> Iterator[Score]:
    """Those of which it is reported."""
    yield score("ritardando", rock, ritardando, length=18)
    yield score("tempo change", house, faster, length=18)
    yield free_solo()


def drum_scores() -> Iterator[Score]:
    """Those whose onsets are all known."""
    yield score("drums", drums, 108, length=10)
    yield score("percussion", percussion, 96, length=10)


def can_play() -> bool:
    return shutil.which("fluidsynth") is not None and SOUNDFONT.exists()
