"""The beat against scores: where it falls, whether it is foreseen, and what is made of music without one."""

import math
from itertools import pairwise

import mir_eval
import numpy as np
import pytest
import scores
import torch

from visualizer.audio.beat.bars import Bars
from visualizer.audio.beat.fourier import PowerSpectrum
from visualizer.audio.beat.network import N_BANDS, BeatNetwork
from visualizer.audio.beat.pointer import Pointer
from visualizer.audio.listener import Listener
from visualizer.audio.rhythm import NO_BEAT
from visualizer.common import assets, weights

SR = 44100
# Until a tracker must have found its feet.
FEET_S = 5.0


def times(events, wanted=lambda beat: True):
    """When beats fell, by what was foreseen of each."""
    fell = [b for a, b in pairwise(events) if b.beat.number > a.beat.number and wanted(b.beat)]
    return np.array([e.time - e.beat.phase * 60 / e.beat.tempo for e in fell])


def f_measure(truth, found, begin=FEET_S):
    """From then until the music ends."""
    found = found[(found >= begin) & (found < truth[-1] + 0.1)]
    return mir_eval.beat.f_measure(truth[truth >= begin], found)


@pytest.fixture(scope="module")
def hear(codebook, played):
    known = {}

    def hear(score):
        if score.name not in known:
            known[score.name] = list(Listener(codebook).push(played(score)))
        return known[score.name]

    return hear


STEADY, OTHERS = list(scores.steady_scores()), {score.name: score for score in scores.other_scores()}


@pytest.fixture(scope="module", params=STEADY, ids=lambda score: score.name)
def steady(request, hear):
    return request.param, hear(request.param)


def test_the_beat_of_steady_music_is_found_at_its_true_level(steady):
    score, events = steady
    found = times(events)
    f = f_measure(score.beats, found)
    between = (score.beats[1:] + score.beats[:-1]) / 2
    doubled = np.sort(np.concatenate([score.beats, between]))
    levels = {
        "half": max(f_measure(score.beats[i::2], found) for i in (0, 1)),
        "double": f_measure(doubled, found),
        "off beat": f_measure(between, found),
    }
    confidence = np.mean([e.beat.confidence for e in events if e.time > FEET_S])
    others = ", ".join(f"{name} {value:.2f}" for name, value in levels.items())
    print(f"\n{score.name}: F {f:.2f} ({others}), confidence {confidence:.2f}")
    assert f >= 0.9
    assert confidence > 0.5
    assert events[-1].beat.tempo == pytest.approx(60 / np.median(np.diff(score.beats)), rel=0.03)


def test_the_next_beat_is_foreseen(steady):
    """Half a beat before it falls, nine times of ten within 50 ms."""
    score, events = steady
    foreseen = [
        e.time + e.beat.next_s
        for e in events
        if e.time > FEET_S and e.time + e.beat.next_s < score.beats[-1] and 0.4 < e.beat.phase < 0.6
    ]
    off = [np.abs(score.beats - t).min() for t in foreseen]
    print(
        f"\n{score.name}: foreseen within {np.mean(off) * 1e3:.0f} ms, 90 % {np.quantile(off, 0.9) * 1e3:.0f}"
    )
    assert np.quantile(off, 0.8) < 0.045


def test_beats_are_counted_once_and_phase_and_time_agree(steady):
    _, events = steady
    for a, b in pairwise(events):
        assert b.beat.number - a.beat.number in (0, 1)
    known = [e.beat for e in events if e.beat.tempo]
    assert len(known) > 0.8 * len(events)
    for beat in known:
        assert 0 <= beat.phase < 1 and beat.next_s > 0 and 0 <= beat.confidence <= 1
        assert beat.phase == pytest.approx(max(0, 1 - beat.next_s * beat.tempo / 60))
        assert 0 <= beat.position < max(beat.meter, 1)
    fell = times(events)
    assert np.diff(fell).min() > 0.4 * np.median(np.diff(fell))


@pytest.mark.parametrize("name", ["drum and bass", "rock", "waltz"])
def test_bars_are_found_where_music_tells_them(name, hear):
    score = next(s for s in STEADY if s.name == name)
    events = [e for e in hear(score) if e.time > 8]
    right = np.mean([e.beat.meter == score.meter for e in events])
    f = f_measure(score.downbeats, times(events, lambda b: b.meter and b.position == 0), 8.0)
    print(f"\n{name}: meter right {right:.0%} of the time, downbeats F {f:.2f}")
    assert right > 0.8 and f >= 0.75


def test_a_ritardando_is_followed(hear):
    score = OTHERS["ritardando"]
    f = f_measure(score.beats, times(hear(score)))
    print(f"\nritardando: F {f:.2f}")
    assert f >= 0.8


def test_a_new_tempo_is_found(hear):
    score = OTHERS["tempo change"]
    events = hear(score)
    lost = f_measure(score.beats, times(events))
    found = f_measure(score.beats, times(events), 14.0)
    print(f"\ntempo change: F {lost:.2f}, from 5 s after it on {found:.2f}")
    assert found >= 0.9
    assert events[-1].beat.tempo == pytest.approx(132, rel=0.03)


def test_without_a_beat_none_is_trusted(hear):
    events = hear(OTHERS["solo without a beat"])
    confidence = [e.beat.confidence for e in events if e.time > FEET_S]
    print(f"\nsolo: confidence {np.mean(confidence):.2f}, at the most {max(confidence):.2f}")
    assert np.mean(confidence) < 0.35 and np.mean(np.array(confidence) > 0.5) < 0.1


def test_silence_has_no_beat_and_ends_one(codebook, played):
    assert {e.beat for e in Listener(codebook).push(np.zeros(2 * SR, np.float32))} == {NO_BEAT}
    rock = played(next(s for s in STEADY if s.name == "rock"))
    events = list(Listener(codebook).push(np.concatenate([rock[: 8 * SR], np.zeros(8 * SR, np.float32)])))
    last, music = events[-1].beat, events[8 * SR // 512].beat
    assert music.confidence > 0.5
    assert last.tempo == last.confidence == last.next_s == 0 and last.number >= music.number


def test_blocks_of_any_size_give_the_same_beats(codebook, played):
    samples = played(STEADY[0])[: 6 * SR]
    whole, cut = Listener(codebook), Listener(codebook)
    blocks = np.split(samples, range(700, len(samples), 700))
    assert list(whole.push(samples)) == [event for block in blocks for event in cut.push(block)]


# --- the parts ------------------------------------------------------------------------------------


def test_the_power_spectrum_is_numpys():
    rng = np.random.default_rng(0)
    window = np.hanning(700)
    samples = rng.normal(size=700).astype(np.float32)
    power = PowerSpectrum(window, 1024)(samples)
    expected = np.abs(np.fft.rfft(samples * window, 1024)[:-1]) ** 2
    np.testing.assert_allclose(power, expected, atol=1e-5 * expected.max())


def test_the_networks_are_what_torch_makes_of_their_weights():
    path = assets.model("beat.safetensors")
    tensors, _ = weights.load(path, "beat network")
    features = torch.rand(40, 2 * N_BANDS, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(40, 3)
    for net in range(2):
        w = {name: tensor[net] for name, tensor in tensors.items()}
        x = torch.relu(
            torch.nn.functional.conv1d(features[:, None], w["conv.weight"][:, None], w["conv.bias"])
        )
        x = torch.nn.functional.max_pool1d(x, 2).flatten(1)
        x = x @ (w["dense.weight"].float() * w["dense.scale"]) + w["dense.bias"]
        lstm = torch.nn.LSTM(150, 150, 2)
        for layer in range(2):
            matrix = (w["lstm.weight"][layer].float() * w["lstm.scale"][layer]).T
            with torch.no_grad():
                getattr(lstm, f"weight_ih_l{layer}").copy_(matrix[:, :150])
                getattr(lstm, f"weight_hh_l{layer}").copy_(matrix[:, 150:])
                getattr(lstm, f"bias_ih_l{layer}").copy_(w["lstm.bias"][layer])
                getattr(lstm, f"bias_hh_l{layer}").zero_()
        with torch.no_grad():
            expected += torch.softmax(lstm(x)[0] @ w["out.weight"].T + w["out.bias"], -1) / 2
    network = BeatNetwork.load(path)
    for frame, wanted in zip(features.numpy(), expected.numpy()):
        network._features[:] = frame
        np.testing.assert_allclose(network.answer(), wanted[:2], atol=1e-4)


@pytest.mark.parametrize("bpm", [60, 97, 140, 200])
def test_the_pointer_points_at_a_pulse(bpm):
    pointer, period = Pointer(50), 3000 / bpm
    for frame in range(400):
        sounding = frame % period < 1
        found = pointer.push(0.9 if sounding else 0.01, 0.0, 0.0)
    assert found.period == pytest.approx(period, rel=0.03)
    off = found.phase - 399 % period / period
    assert abs(off - round(off)) < 0.06
    assert found.mass > 0.9


@pytest.mark.parametrize("meter", [2, 3, 4])
def test_bars_of_any_meter(meter):
    bars = Bars()
    for beat in range(40):
        bars.go_on()
        bars.hear(0.8 if beat % meter == 1 else 0.2)
    bars.go_on()
    assert bars.meter == meter and bars.position == (40 - 1) % meter


def test_bars_without_downbeats_are_not_made_up():
    bars = Bars()
    for _ in range(40):
        bars.go_on()
        bars.hear(0.5)
    assert bars.meter == 0 and bars.position == 0 and math.isfinite(bars._probable.sum())
