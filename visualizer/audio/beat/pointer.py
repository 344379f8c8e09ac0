"""The bar pointer, for one beat: how probable each phase and each tempo is, from all that was heard so far.

The hidden Markov model of Krebs, Böck & Widmer, "An efficient state-space model for joint tempo and meter
tracking" (2015), run forward only: a state for each frame of each beat length, from one to the next with
every frame, and from length to length where a beat ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from visualizer.common.compiled import compiled, inlined

SLOWEST_BPM, FASTEST_BPM = 50.0, 215.0
# How firmly a tempo is kept from beat to beat, what share of a beat sounds like one, and how far a network is
# believed. As in the literature, and no other values did better on scores.
STEADINESS = 100.0
BEAT_SHARE = 1 / 16
DOUBT = 1e-3
# Nothing is ever ruled out for good.
LEAST = 1e-30
# What counts as the same beat: phases this far apart, and tempi.
SAME_PHASE, SAME_TEMPO = 0.12, 0.08


class Found(NamedTuple):
    """What the pointer has to say of a frame.

    phase: 0..1 from beat to beat; period: frames in a beat; mass: how probable something like that is, 0..1.
    here: how probable is what was asked about; phase_off, there: its phase should be that much greater, and
    its period should be there.
    """

    phase: float
    period: float
    mass: float
    here: float
    phase_off: float
    there: float


class Pointer:
    """Activations in, the most probable phase and tempo out."""

    def __init__(self, frames_per_second: float):
        frames = 60 * frames_per_second
        self._periods = np.arange(int(frames / FASTEST_BPM), int(np.ceil(frames / SLOWEST_BPM)) + 1)
        self._firsts = np.concatenate([[0], np.cumsum(self._periods)])[:-1]
        ratio = self._periods[None, :] / self._periods[:, None]
        change = np.exp(-STEADINESS * np.abs(ratio - 1))
        change[change < 1e-8] = 0
        self._change = change / change.sum(1, keepdims=True)
        self._probable = np.empty(self._periods.sum())
        self._next = np.empty_like(self._probable)
        self._found = np.empty(6)
        self.forget()

    def forget(self) -> None:
        """All is equally probable again."""
        self._probable[:] = 1 / len(self._probable)

    def push(self, activation: float, phase: float, period: float) -> Found:
        """Take the next frame's activation, 0..1; and ask about a phase and a period (0: about none)."""
        _push(
            min(max(activation, DOUBT), 1 - DOUBT),
            phase,
            period,
            self._periods,
            self._firsts,
            self._change,
            self._probable,
            self._next,
            self._found,
        )
        self._probable, self._next = self._next, self._probable
        return Found(*self._found.tolist())


@inlined
def _around(probable, periods, firsts, phase, period):
    """What is about the same: its probability, and its mean differences from phase and period."""
    mass, phases, lengths = 0.0, 0.0, 0.0
    for k in range(len(periods)):
        n = periods[k]
        if abs(n / period - 1) > SAME_TEMPO:
            continue
        for i in range(n):
            off = i / n - phase
            off -= round(off)
            if abs(off) <= SAME_PHASE:
                p = probable[firsts[k] + i]
                mass += p
                phases += p * off
                lengths += p * (n - period)
    if mass > 0:
        phases, lengths = phases / mass, lengths / mass
    return mass, phases, lengths


@compiled("void(f8, f8, f8, i8[::1], i8[::1], f8[:,::1], f8[::1], f8[::1], f8[::1])")
def _push(activation, phase, period, periods, firsts, change, before, now, found):
    kinds = len(periods)
    for k in range(kinds):
        now[firsts[k]] = 0.0
        for i in range(firsts[k] + 1, firsts[k] + periods[k]):
            now[i] = before[i - 1]
    for k in range(kinds):
        ending = before[firsts[k] + periods[k] - 1]
        if ending > 1e-12:
            for j in range(kinds):
                now[firsts[j]] += ending * change[k, j]
    total, most, best, best_kind = 0.0, 0.0, 0, 0
    other = (1 - activation) * BEAT_SHARE / (1 - BEAT_SHARE)
    for k in range(kinds):
        sounding = firsts[k] + max(1, int(np.ceil(periods[k] * BEAT_SHARE)))
        for i in range(firsts[k], firsts[k] + periods[k]):
            p = now[i] * (activation if i < sounding else other)
            now[i] = p
            total += p
            if p > most:
                most, best, best_kind = p, i, k
    for i in range(len(now)):
        now[i] = max(now[i] / total, LEAST)
    n = periods[best_kind]
    at = (best - firsts[best_kind]) / n
    mass, off, longer = _around(now, periods, firsts, at, float(n))
    found[0], found[1], found[2] = at + off, n + longer, mass
    found[3:] = 0.0
    if period > 0:
        here, off, longer = _around(now, periods, firsts, phase, period)
        found[3], found[4], found[5] = here, off, period + longer
