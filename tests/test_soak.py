"""The soak's figures: lines of a log, however it ended, to slopes and rates that are known."""

import json
import math

import numpy as np
import pytest
import soak_figures as figures

EVERY_S, WARM_UP_S = 10.0, 40.0


def log(path, seconds, resident, cut=False):
    """Of a show at 60 frames a second, a hundredth of them late in the last sixth, written as a soak does."""
    with open(path, "w") as file:
        print(json.dumps({"begun": {"warm_up": WARM_UP_S, "options": "--machine"}}), file=file)
        late = frames = 0
        for at in np.arange(EVERY_S, seconds + 1, EVERY_S):
            frames += 600
            late += 6 if at > WARM_UP_S + 5 / 6 * (seconds - WARM_UP_S) else 0
            sample = {"at": float(at), "resident": resident(at), "frames": frames, "late": late, "cores": 2}
            sample |= {"processor": at / 2, "encoding": 0.0, "busy": at, "threads": 20, "files": 50}
            sample |= {"intervals": {"16.5": 594, "33.5": 6}, "latencies": {"50": 99, "70": 1}}
            sample |= {"head_start": 0.01, "dropped": 0, "errors": 3, "encoder": 0.0}
            print(json.dumps(sample), file=file)
            if at == 100:
                print(json.dumps({"told": "Xvfb ENDED (killed by SIGKILL)", "when": 99.5}), file=file)
        if cut:
            file.write('{"at": 12')
    return path


def test_a_killed_soak_leaves_its_figures(tmp_path):
    path = log(
        tmp_path / "soak.log", 1240, lambda at: 1000 + 12 * at / 3600 + 40 * (at < WARM_UP_S), cut=True
    )
    lines = figures.read(path)
    rows = dict(figures.table(lines))
    assert rows["ended"] == "nobody tells: it was killed"
    assert rows["measured"] == "1200 s after 40 s of warm-up"
    assert "+12.0 ± 0.0 MB/h" in rows["resident memory"]  # the warm-up's 40 MB don't count
    assert rows["frames, first sixth"] == "60.00/s, 0 late (0.00%)"
    assert rows["frames, last sixth"].startswith("60.00/s, 1")
    assert rows["processor, the show"] == "30.0 s a minute"
    assert rows["sound to screen, all"] == "median 50.0, 99 % within 50.0, longest 70.0 ms"
    assert rows["1 x, last at 100 s"] == "Xvfb ENDED (killed by SIGKILL)"
    assert figures.errors(lines) == 3


def test_one_that_ended_at_once_says_so(tmp_path):
    path = log(tmp_path / "soak.log", 30, lambda at: 1000)
    with open(path, "a") as file:
        print(json.dumps({"end": "EARLY: killed by SIGSEGV", "early": True}), file=file)
    rows = dict(figures.table(figures.read(path)))
    assert rows["ended"] == "EARLY: killed by SIGSEGV" and rows["measured"].startswith("nothing")


def test_a_slope_comes_with_its_error():
    """Of many lines with known noise, some two thirds are within one error, also if neighbours are alike."""
    rng = np.random.default_rng(0)
    for alike in (0.0, 0.7):
        within = 0
        for _ in range(400):
            noise = rng.standard_normal(180)
            for i in range(1, len(noise)):
                noise[i] += alike * noise[i - 1]
            found, error = figures.slope(np.arange(180), 5 + 0.3 * np.arange(180) + noise)
            within += abs(found - 0.3) <= error
        assert within / 400 == pytest.approx(0.68, abs=0.1), alike
    assert math.isnan(figures.slope([1, 2], [3, 4])[0])
