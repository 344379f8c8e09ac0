"""How well beats, bars, strikes and sections are heard: python tests/measure_beat.py [SONG…]

Without songs, scores are played by FluidSynth, of which all is known. Beats are compared within 70 ms, from
the fifth second on: with the true ones, with half and with twice as many, and with those between. Of songs
nothing is known: their beats are compared with librosa's, if it is installed, which hears the future but is
no truth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import scores

from visualizer.audio.codebook import Codebook
from visualizer.audio.listener import Event, Listener
from visualizer.audio.song import Song, mono
from visualizer.audio.spectrum import Spectrum
from visualizer.common import assets

SR = 44100
FEET_S = 5.0
WIDE = [
    (scores.house, 4, (118, 124, 128, 132)),
    (scores.techno, 4, (126, 135, 145)),
    (scores.drum_and_bass, 4, (165, 170, 174, 178)),
    (scores.rock, 4, (90, 105, 120, 140, 160)),
    (scores.waltz, 3, (110, 135, 160, 180)),
    (scores.six_eight, 2, (60, 72, 84, 100)),
    (scores.swing, 4, (110, 140, 170, 200)),
    (scores.hip_hop, 4, (80, 88, 95)),
    (scores.ballad, 4, (66, 76, 92)),
    (scores.drums, 4, (85, 100, 125)),
    (scores.percussion, 4, (80, 95, 110)),
]


def hear(codebook: Codebook, samples: np.ndarray) -> tuple[list[Event], float]:
    """All events, and the processor's time for a hop in microseconds."""
    listener = Listener(codebook)
    begun = time.thread_time()
    events = list(listener.push(samples))
    return events, (time.thread_time() - begun) / max(1, len(events)) * 1e6


def fell(events: list[Event], downbeats: bool = False) -> np.ndarray:
    """When beats fell, by what was foreseen of each."""
    of = [b for a, b in pairwise(events) if b.beat.number > a.beat.number]
    of = [e for e in of if not downbeats or (e.beat.meter and e.beat.position == 0)]
    return np.array([e.time - e.beat.phase * 60 / e.beat.tempo for e in of])


def f_measure(truth: np.ndarray, found: np.ndarray, begin: float = FEET_S) -> float:
    if len(truth) == 0 or len(found) == 0:
        return 0.0
    return mir_eval.beat.f_measure(truth[truth >= begin], found[(found >= begin) & (found < truth[-1] + 0.1)])


def levels(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float, float]:
    """F with the truth; with half as many; with twice as many; with those between."""
    between = (truth[1:] + truth[:-1]) / 2
    doubled = np.sort(np.concatenate([truth, between]))
    half = max(f_measure(truth[i::2], found) for i in (0, 1))
    return f_measure(truth, found), half, f_measure(doubled, found), f_measure(between, found)


def summary(events: list[Event]) -> str:
    """Tempo, confidence and meter, and how much is struck."""
    later = [e for e in events if e.time > FEET_S] or events
    tempo = np.median([e.beat.tempo for e in later])
    confidence = np.mean([e.beat.confidence for e in later])
    meters = [e.beat.meter for e in later]
    meter = max(set(meters), key=meters.count)
    strikes = np.count_nonzero([e.strikes for e in events], axis=0) / max(events[-1].time, 1e-9)
    return f"{tempo:6.1f} {confidence:5.2f} {meter:5d}  " + " ".join(f"{s:4.1f}" for s in strikes)


def row(name: str, *cells: str) -> None:
    print(f"{name[:24]:24} " + " ".join(cells), flush=True)


def of_scores(codebook: Codebook, wide: bool) -> None:
    row(
        "",
        "  F    half  twice  off   down  onset | tempo trust meter  strikes/s: all bass mid treb | µs a hop",
    )
    played = [*scores.steady_scores(), *scores.other_scores(), *scores.drum_scores()]
    if wide:
        played += [
            scores.score(f"{style.__name__} {bpm}", style, bpm, meter, length=30.0, seed=bpm)
            for style, meter, tempi in WIDE
            for bpm in tempi
        ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for score in played:
            events, cost = hear(codebook, score.play(Path(folder)))
            beats = fell(events)
            cells = ["   –  "] * 5
            if score.meter:
                downbeats = f_measure(score.downbeats, fell(events, downbeats=True), 8.0)
                cells = [f"{f:5.2f} " for f in (*levels(score.beats, beats), downbeats)]
                found.append(float(cells[0]))
            struck = np.array([e.time for e in events if e.strikes.all])
            onsets = mir_eval.onset.f_measure(score.onsets[score.onsets < score.length - 0.1], struck)[0]
            row(score.name, *cells, f"{onsets:5.2f}  |", summary(events), f"      | {cost:4.0f}")
    print(
        f"mean F of {len(found)} scores: {np.mean(found):.3f}; 0.9 or more on {sum(f >= 0.9 for f in found)}"
    )


def of_songs(codebook: Codebook, songs: list[str], seconds: float) -> None:
    try:
        import librosa
    except ImportError:
        librosa = None
        print("librosa is not installed: there is nothing to compare with.")
    row("", "  F    half  twice  off  theirs | tempo trust meter  strikes/s: all to treble | sections at")
    for path in songs:
        samples = np.concatenate([mono(block) for block in Song(path, duration=seconds)])
        events, _ = hear(codebook, samples)
        cells, tempo = ["   –  "] * 4, 0.0
        if librosa is not None:
            bpm, theirs = librosa.beat.beat_track(y=samples, sr=SR, hop_length=512, units="time")
            tempo = float(np.squeeze(bpm))
            if len(theirs) > 8:
                cells = [f"{f:5.2f} " for f in levels(theirs, fell(events))]
        sections = " ".join(f"{e.time:.0f}" for e in events if e.section.starts)
        row(Path(path).stem, *cells, f"{tempo:5.0f}  |", summary(events), f"      | {sections}")


def cost(codebook: Codebook) -> None:
    """The whole analysis and the spectrum with its names alone, in turns."""
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(20 * SR) * (np.arange(20 * SR) % (SR // 2) < 3000)).astype(
        np.float32
    )
    whole, names = [], []
    for _ in range(5):
        whole.append(hear(codebook, samples)[1])
        spectrum = Spectrum(codebook.settings)
        begun = time.thread_time()
        hops = sum(codebook.cluster(window) >= -1 for window in spectrum.push(samples))
        names.append((time.thread_time() - begun) / hops * 1e6)
    name, all_of_it = np.median(names), np.median(whole)
    print(f"a hop: {name:.0f} µs for its name, {all_of_it:.0f} µs with strikes, beat and section")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", nargs="*")
    parser.add_argument("--wide", action="store_true", help="scores of eleven styles at many tempi, too")
    parser.add_argument("--seconds", type=float, default=60.0, help="how much of each song")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = Codebook.load(assets.model("codebook.safetensors"))
    if options.songs:
        of_songs(names, options.songs, options.seconds)
    elif scores.can_play():
        of_scores(names, options.wide)
    else:
        sys.exit("FluidSynth is missing (Debian: apt install fluidsynth fluid-soundfont-gm)")
    cost(names)
