"""The built-in demo tune: half a minute of house music, synthesised without a single sample.

The score is in `demo_score`; here are building blocks, instruments, effects and the mix.

Sounds are float32 at 44.1 kHz, mono [m] or stereo [m, 2]; a bus is [n, 2], as long as the tune.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import fft, signal

from visualizer.audio.demo_score import (
    ARP_CUTOFF,
    ARP_GAIN,
    BAR,
    BELL_BAR,
    BELL_LINE,
    CHORDS,
    HARMONY,
    LEAD_BAR,
    LEAD_LINE,
    PAD_CUTOFF,
    PAD_LEVEL,
    RISER_BARS,
    SECONDS,
    SILENCE,
    STEP,
    chord_at,
    hz,
    melody,
    steps,
    when,
)
from visualizer.audio.spectrum import SAMPLE_RATE

PEAK = 10 ** (-1 / 20)


# Building blocks


def clock(seconds: float) -> np.ndarray:
    """Times [m] in seconds."""
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE


def edges(sound: np.ndarray, attack: float = 0.001, release: float = 0.01) -> np.ndarray:
    """Round the sound's ends in place, so that they don't click. Times are in seconds."""
    for seconds, channels in (attack, sound.T), (release, sound[::-1].T):
        m = min(round(seconds * SAMPLE_RATE), len(sound))
        channels[..., :m] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(m, dtype=np.float32) / m)
    return sound


def band(sound: np.ndarray, low: float | None, high: float | None, order: int = 2) -> np.ndarray:
    """The part of a sound between two frequencies in Hz; None leaves that side open."""
    for frequency, kind in (low, "highpass"), (high, "lowpass"):
        if frequency:
            sos = signal.butter(order, frequency, kind, fs=SAMPLE_RATE, output="sos")
            sound = signal.sosfilt(sos.astype(np.float32), sound, axis=0)
    return sound


def noise(rng: np.random.Generator, m: int) -> np.ndarray:
    """White noise [m, 2], half as wide as two independent channels."""
    return rng.standard_normal((m, 2), dtype=np.float32) @ np.array([[1, 0.3], [0.3, 1]], np.float32)


def filtered_saw(frequency: float, cutoff: np.ndarray, phase: float = 0.0) -> np.ndarray:
    """A saw [m] behind a 24 dB/octave low-pass whose cutoff [m] in Hz moves.

    Summed from its harmonics, so that nothing aliases and the filter may move at any speed.
    """
    turns = frequency * np.arange(len(cutoff)) / SAMPLE_RATE + phase
    turn = np.exp(2j * np.pi * (turns % 1)).astype(np.complex64)
    loss = (frequency / cutoff).astype(np.float32) ** 4
    partial, saw = turn.copy(), np.zeros(len(cutoff), np.float32)
    for k in range(1, int(min(3 * cutoff.max(), 18000) / frequency) + 1):
        saw += partial.imag / (k + k**5 * loss)
        partial *= turn
    return saw


def ensemble(notes: tuple[int, ...], m: int, rng: np.random.Generator) -> np.ndarray:
    """A chord [m, 2] of countless detuned saws: every harmonic a narrow hump of random phases.

    This is PADsynth (Nasca 2005), https://zynaddsubfx.sourceforge.io/doc/PADsynth/PADsynth.htm
    """
    size = fft.next_fast_len(m, real=True)
    bins = np.arange(size // 2 + 1) * SAMPLE_RATE / size
    spectrum = np.zeros(len(bins))
    for note in notes:
        for k in range(1, int(9000 / hz(note)) + 1):
            centre, width = k * hz(note), k * hz(note) * 0.0025
            low, high = np.searchsorted(bins, (centre - 4 * width, centre + 4 * width))
            hump = np.exp(-0.5 * ((bins[low:high] - centre) / width) ** 2)
            spectrum[low:high] += hump / (k * np.sqrt(width))
    middle, side = np.exp(2j * np.pi * rng.random((2, len(bins))))
    side *= 0.8 * np.minimum(bins / 400, 1)  # the deeper, the closer to mono
    chord = fft.irfft(spectrum * np.stack([middle + side, middle - side]), size)[:, :m].T
    return (chord / chord.std()).astype(np.float32)


# Instruments: one hit or note each


def kick(rng: np.random.Generator) -> np.ndarray:
    t = clock(0.38)
    turns = 50 * t - 3.64 * np.expm1(-t / 0.028) - 2.1 * np.expm1(-t / 0.003)  # from 900 down to 50 Hz
    body = np.tanh(1.8 * np.sin(2 * np.pi * turns) * np.exp(-t / 0.11))
    click = band(noise(rng, len(t)).mean(axis=1), 2000, 9000) * np.exp(-t / 0.004)
    return edges(body + 0.5 * click, 0.0005, 0.06)


def snare(rng: np.random.Generator) -> np.ndarray:
    t = clock(0.25)[:, None]
    tone = np.sin(2 * np.pi * (186 * t - 0.9 * np.expm1(-t / 0.012))) + 0.6 * np.sin(2 * np.pi * 331 * t)
    rattle = band(noise(rng, len(t)), 1400, 9500)
    return edges(0.6 * tone * np.exp(-t / 0.05) + 0.7 * rattle * np.exp(-t / 0.07))


def clap(rng: np.random.Generator) -> np.ndarray:
    """Three hands in a small room."""
    t = clock(0.3)[:, None]
    hands = ((0.0, 0.004, 1), (0.010, 0.004, 1), (0.021, 0.004, 1), (0.030, 0.060, 0.8))
    level = sum(loud * np.exp(-np.abs(t - late) / decay) * (t >= late) for late, decay, loud in hands)
    return edges(band(noise(rng, len(t)), 900, 4500) * level)


def cymbal(rng: np.random.Generator, seconds: float, decay: float, low: float) -> np.ndarray:
    """Hats and crashes: inharmonic metal and noise above a frequency in Hz."""
    t = clock(seconds)[:, None]
    partials = (np.geomspace(low, 14000, 24) * rng.uniform(0.95, 1.05, 24)).astype(np.float32)
    metal = np.sin(2 * np.pi * partials * t).sum(axis=1, keepdims=True) / 6
    hiss = band(noise(rng, len(t)), low, 15000, order=3)
    return edges((metal + hiss) * np.exp(-t / decay), release=0.3 * seconds)


def bass(note: int, seconds: float, bright: float) -> np.ndarray:
    t = clock(seconds)
    saw = filtered_saw(hz(note), 180 + bright * np.exp(-t / 0.09))
    sub = np.sin(2 * np.pi * hz(note) * t)
    return edges((0.6 * saw + 0.7 * sub) * np.exp(-t / 0.7), 0.004, 0.03)


def pluck(note: int, cutoff: float) -> np.ndarray:
    t = clock(0.45)
    return edges(filtered_saw(hz(note), 300 + cutoff * np.exp(-t / 0.07)) * np.exp(-t / 0.16), 0.002, 0.1)


def stab(notes: tuple[int, ...]) -> np.ndarray:
    """A short chord, tuned 14 cents apart in the two ears."""
    t = clock(0.3)
    cutoff = 350 + 5000 * np.exp(-t / 0.06)
    ears = [[filtered_saw(hz(n + cents / 100), cutoff, 0.37 * n) for n in notes] for cents in (-7, 7)]
    return edges((np.sum(ears, axis=1) * np.exp(-t / 0.13)).T, 0.002, 0.1)


def bell(note: int, seconds: float) -> np.ndarray:
    t = clock(seconds + 1.2)
    angle = 2 * np.pi * hz(note) * t
    tone = np.sin(angle + 1.4 * np.exp(-t / 0.25) * np.sin(3.5 * angle)) + 0.3 * np.sin(0.5 * angle)
    return edges(tone * np.exp(-t / 0.5), 0.002, 0.3)


def lead(notes: list[tuple[int, int, int]]) -> np.ndarray:
    """A whole melody in one breath: the pitch glides, the vibrato comes late in a note."""
    start, (last, _, length) = when(notes[0][0]), notes[-1]
    t = clock(when(last + length) - start)
    pitch, level, vibrato = np.zeros((3, len(t)))
    for step, note, length in notes:
        on, off = (round((when(s) - start) * SAMPLE_RATE) for s in (step, step + length))
        age = t[: off - on]
        pitch[on:off] = note
        level[on:off] = 0.55 + 0.45 * np.exp(-age / 0.12)
        vibrato[on:off] = 0.18 * np.clip((age - 0.2) / 0.3, 0, 1)
    keep = np.exp(-1 / (0.012 * SAMPLE_RATE))
    glide, level = (signal.lfilter([1 - keep], [1, -keep], x, zi=keep * x[:1])[0] for x in (pitch, level))
    glide += vibrato * np.sin(2 * np.pi * 5.4 * t)
    harmonics = np.arange(1, 18)  # of the highest note these stay below 18 kHz
    table = np.sin(2 * np.pi * np.outer(np.arange(4097) / 4096, harmonics)) @ (1 / harmonics)
    sound = np.zeros((len(t), 2), np.float32)
    saws = (-13, -0.7, 0.15), (-7, 0.5, 0.15), (0, 0, 0.55), (6, -0.5, 0.15), (12, 0.7, 0.15)
    for cents, pan, gain in saws:
        turns = np.cumsum(hz(glide + cents / 100)) / SAMPLE_RATE + 0.07 * cents
        place(sound, level * np.interp(turns % 1 * 4096, np.arange(4097), table), 0, gain, pan)
    return edges(band(sound, 250, 9000), 0.004, 0.25)


def riser(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise that climbs from a rumble to a hiss."""
    age = clock(seconds) / seconds
    sound = sweep(band(noise(rng, len(age)), 300, None), 300 * 40**age)
    return edges(sound * age[:, None] ** 1.5, release=0.03)


# Effects


def place(bus: np.ndarray, sound: np.ndarray, seconds: float, gain: float, pan: float = 0.0) -> None:
    """Add a sound to a bus at a time, at equal power from left (pan -1) to right (1)."""
    start = round(seconds * SAMPLE_RATE)
    sides = np.array([gain * np.sqrt(1 - pan), gain * np.sqrt(1 + pan)], np.float32)
    sound = sound[: len(bus) - start].astype(np.float32, copy=False)
    bus[start : start + len(sound)] += sound.reshape(len(sound), -1) * sides


def sweep(sound: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """A sound [m, 2] behind a resonant low-pass whose cutoff [m] in Hz glides slowly."""
    frequencies, times, spectrum = signal.stft(sound, SAMPLE_RATE, nperseg=2048, axis=0)
    ratio = frequencies[:, None] / cutoff[np.minimum(times * SAMPLE_RATE, len(cutoff) - 1).astype(int)]
    response = (1 + 0.7 * np.exp(-(((ratio - 1) / 0.3) ** 2))) / (1 + ratio**4)
    spectrum *= response[:, None].astype(np.float32)
    return signal.istft(spectrum, nperseg=2048, freq_axis=0)[1].T[: len(sound)]


def ping_pong(bus: np.ndarray, gain: float, feedback: float) -> np.ndarray:
    """Echoes every dotted eighth, from side to side, until they can't be heard."""
    echoes, tap = np.zeros_like(bus), band(bus.mean(axis=1), 350, 4500, order=1)
    for i in range(1, 7):
        start = round(3 * i * STEP * SAMPLE_RATE)
        echoes[start:, i % 2] += gain * feedback**i * tap[:-start]
    return echoes


def reverb(bus: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The bus in a hall: the impulse response is noise that fades, its treble sooner."""
    t = clock(2.4)[:, None]
    hall = rng.standard_normal((len(t), 2), dtype=np.float32)
    dark = band(hall, 200, 2500, order=1)
    response = dark * np.exp(-t / 0.42) + (hall - dark) * 0.4 * np.exp(-t / 0.15)
    response *= 1 - np.exp(-t / 0.012)
    return signal.oaconvolve(bus, response / np.sqrt((response**2).sum(axis=0)), axes=0)[: len(bus)]


def pumping(t: np.ndarray) -> np.ndarray:
    """How much to make room for the kick at each time, 0 to 1: house music breathes with it."""
    kicks = np.array([when(step) for step, *_ in steps("kick")])
    age = t - kicks[np.searchsorted(kicks, t, side="right") - 1]
    return np.interp(age, (0, 0.006, 0.07, 0.30), (0, 1, 0.75, 0)).astype(np.float32)


# The band plays


def play_drums(bus: np.ndarray, rng: np.random.Generator) -> None:
    sounds = {
        "kick": (kick(rng), 0.44, 0),
        "clap": (clap(rng), 0.47, 0),
        "snare": (snare(rng), 0.21, 0),
        "hat": (cymbal(rng, 0.09, 0.022, 6500), 0.22, 0.25),
        "open": (cymbal(rng, 0.30, 0.11, 6000), 0.135, -0.2),
        "crash": (cymbal(rng, 2.4, 0.6, 3500), 0.14, 0),
    }
    for name, (sound, gain, pan) in sounds.items():
        human = 0 if name == "kick" else 1
        for step, hard, _ in steps(name):
            loud = (int(hard) / 9) ** 1.5 * (1 + human * rng.uniform(-0.08, 0.08))
            place(bus, sound, when(step) + human * rng.uniform(0, 0.004), gain * loud, pan)


def play_pad(bus: np.ndarray, rng: np.random.Generator) -> None:
    for bar, names in enumerate(HARMONY):
        for i, name in enumerate(names.split()):
            low, voices = CHORDS[name]
            seconds = BAR / len(names.split()) + 0.12
            chord = ensemble((low + 12, *voices), round(seconds * SAMPLE_RATE), rng)
            place(bus, edges(chord, 0.03 if bar in (0, 12, 16) else 0.12, 0.12), (bar + i / 2) * BAR, 0.055)
    bars = clock(SECONDS) / BAR
    level = np.interp(bars, *PAD_LEVEL).astype(np.float32)
    bus[:] = sweep(bus, np.interp(bars, *PAD_CUTOFF)) * level[:, None]


def play_synths(bus: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    for step, symbol, length in steps("bass"):
        note = chord_at(step)[0] + {"r": 0, "f": 7, "o": 12}[symbol]
        place(bus["bass"], bass(note, length * STEP, 900 if step < 12 * 16 else 1600), when(step), 0.17)
    plucks, stabs = functools.cache(pluck), functools.cache(stab)
    for step, rung, _ in steps("arp"):
        octave, voice = divmod(int(rung), 4)
        section = int(step // 64)
        sound = plucks(chord_at(step)[1][voice] + 12 * octave, ARP_CUTOFF[section])
        loud = ARP_GAIN[section] * (0.8 if step % 4 else 1.0) * rng.uniform(0.9, 1.1)
        place(bus["arp"], sound, when(step), 0.16 * loud, 0.5 if step % 4 else -0.3)
    for step, hard, _ in steps("stab"):
        place(bus["stab"], stabs(chord_at(step)[1]), when(step), 0.095 * int(hard) / 9)
    for step, note, length in melody(BELL_LINE, BELL_BAR):
        place(bus["bell"], bell(note, length * STEP), when(step), 0.115)
    place(bus["lead"], lead(list(melody(LEAD_LINE, LEAD_BAR))), LEAD_BAR * BAR, 0.2)
    first, last = RISER_BARS
    place(bus["riser"], riser(rng, (last - first) * BAR), first * BAR, 0.06)


def stems() -> dict[str, np.ndarray]:
    """The tune's parts, each on its own bus [n, 2] at the level it has in the mix."""
    rng = np.random.default_rng(2017)
    t = clock(SECONDS)
    names = ("drums", "bass", "pad", "arp", "stab", "bell", "lead", "riser")
    # Transposed, so that each channel lies in one piece: most of the arithmetic is twice as fast.
    bus = {name: np.zeros((2, len(t)), np.float32).T for name in names}
    play_drums(bus["drums"], rng)
    play_pad(bus["pad"], rng)
    play_synths(bus, rng)
    for name, gain, feedback in ("arp", 0.5, 0.6), ("bell", 0.45, 0.6), ("lead", 0.3, 0.55):
        bus[name] += ping_pong(bus[name], gain, feedback)
    sends = {"drums": 0.05, "pad": 0.25, "arp": 0.3, "stab": 0.35, "bell": 0.5, "lead": 0.25, "riser": 0.3}
    sent = np.zeros_like(bus["drums"])
    for name, gain in sends.items():
        sent += gain * bus[name]
    bus["reverb"] = reverb(band(sent, 300, None), rng)
    room = pumping(t)[:, None]
    depths = {"bass": 0.85, "pad": 0.75, "stab": 0.5, "reverb": 0.5, "arp": 0.3, "lead": 0.2}
    for name, depth in depths.items():
        bus[name] *= 1 - depth * room
    return bus


def demo_tune() -> np.ndarray:
    """The tune, float32 [n, 2] in -1..1 at 44.1 kHz: 34 s, peak -1 dBFS, ends in silence, always the same."""
    mix = band(np.tanh(1.05 * sum(stems().values())), 28, None)
    mix *= PEAK / np.abs(mix).max()
    end = len(mix) - round(SILENCE * SAMPLE_RATE)
    mix[end:] = 0
    edges(mix[:end], 0, 1.0)
    return np.ascontiguousarray(mix)
