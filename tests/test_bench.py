"""The benchmark: it counts and times rightly, and tells what moved."""

import copy
import json
import time
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from visualizer.bench import parts
from visualizer.bench.clock import side_by_side
from visualizer.bench.report import Report, Row
from visualizer.bench.stylegan import plan2, with_random_weights
from visualizer.common.errors import UserError
from visualizer.neural.generator import CODE_DIM, fold_upsampling


def test_operations_are_counted_as_torch_counts_them(generator):
    """Of the plain network, whose convolutions see every upsampled pixel, and of the one that draws."""
    plain = copy.deepcopy(generator)
    for block in plain.blocks:
        conv = torch.nn.Conv2d(block.conv1.in_channels, block.conv1.out_channels, 3, padding=1)
        block.conv1 = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2), conv)
    folded = fold_upsampling(generator)
    for counted, network in ((generator, plain), (folded, folded)):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.zeros(1, CODE_DIM))
        assert parts.operations(counted) == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.mark.alone
def test_times_are_medians_in_seconds():
    took = side_by_side({"short": lambda: time.sleep(0.004), "long": lambda: time.sleep(0.02)}, 0.3)
    assert 0.004 <= took["short"] < 0.012 and 0.02 <= took["long"] < 0.04


def test_the_network_beside_ours_is_of_stylegan2s_size():
    network = with_random_weights(plan2(256))
    count = sum(p.numel() for p in network.parameters())
    assert 23e6 < count < 31e6
    with torch.inference_mode():
        pictures = network(network.random_codes(1, 0)[0])
    assert pictures.shape == (1, 3, 256, 256) and 0.05 < pictures.std() < 0.6


def test_what_moved_is_told_largest_first():
    rows = [
        Row("generator", "a", 10.0, "ms"),
        Row("generator", "b", 100.0, "pictures/s", True),
        Row("generator", "c", 5.0, "ms"),
    ]
    old = Report({"processor": "x"}, rows)
    new = Report({"processor": "x"}, [replace(rows[0], value=5.0), replace(rows[1], value=90.0), rows[2]])
    first, second = new.against(old).splitlines()
    assert "better" in first and "2.00 times" in first and "generator: a, 10 to 5 ms" in first
    assert "worse" in second and "1.11 times" in second and "b" in second
    assert "nothing moved" in old.against(old)
    assert "another machine" in Report({"processor": "y"}, rows).against(old)


def test_a_report_comes_back_from_its_file(tmp_path):
    report = Report({"processor": "x"}, [Row("a", "b", 1.5, "ms", note="c")], {"window": "no display"})
    report.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json") == report
    assert "not measured" in report.table() and "no display" in report.table()
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UserError, match="was not written by"):
        Report.load(tmp_path / "bad.json")


def test_the_command_measures_and_compares(visualizer, tmp_path):
    run = visualizer("bench", "--seconds", "0.1", "--json", tmp_path / "a.json")
    assert run.returncode == 0, run.stderr
    for text in ("x plain", "StyleGAN2's size", "GFLOP", "spectrum and cluster", "1920x1080", "x real time"):
        assert text in run.stdout
    assert all(row["value"] > 0 for row in json.loads((tmp_path / "a.json").read_text())["rows"])


def test_a_comparison_with_no_benchmark_is_an_error(visualizer, tmp_path):
    (tmp_path / "old.json").write_text("[]")
    run = visualizer("bench", "--compare", tmp_path / "old.json")
    assert run.returncode == 2 and "was not written by" in run.stderr and "Traceback" not in run.stderr
