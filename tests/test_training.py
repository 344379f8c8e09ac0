"""Training: it learns, it can be stopped and resumed, and several processes are as good as one."""

import json
import signal
import textwrap
import time

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from program import ran, started
from sklearn.decomposition import PCA

from visualizer.common import assets, weights
from visualizer.common.errors import UserError
from visualizer.learning import views
from visualizer.learning.eyes import Eyes
from visualizer.learning.frechet import Axes, FrechetMatching
from visualizer.learning.grain import grain
from visualizer.learning.moment_matching import MomentMatching
from visualizer.learning.pictures import Pictures, split, vary
from visualizer.learning.relief import relief
from visualizer.learning.trainer import CATCH_UP_STEPS, WARM_UP_STEPS, Losses, Trainer
from visualizer.neural.generator import Generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty pictures of coloured discs, and two files that are no pictures."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:256, 0:256]
    for i in range(60):
        ground, disc = rng.integers(0, 256, (2, 3))
        centre, radius = rng.integers(60, 196, 2), rng.integers(20, 90)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        picture = np.where(inside[..., None], disc, ground).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    (folder / "text.jpg").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def pictures(folder):
    return Pictures([folder], progress=False)


def trainer(pictures, batch_size=6):
    return Trainer(Eyes(CPU), pictures, batch_size, seed=0, device=CPU)


def test_it_learns(pictures, monkeypatch):
    # What is seen in looks of random sizes can't be compared from step to step.
    monkeypatch.setattr(views, "SIZES", (256,))
    monkeypatch.setattr(views, "OFTEN", (1.0,))
    run = trainer(pictures)
    losses = [run.step() for _ in range(15)]
    for name, share in (("feature", 0.7), ("classes", 0.7)):
        values = [getattr(loss, name) for loss in losses]
        assert np.mean(values[-5:]) < share * np.mean(values[:5])


def test_both_sides_play_after_the_warm_up(pictures):
    run = trainer(pictures)
    run.step_count = WARM_UP_STEPS + 1
    before = {k: v.clone() for k, v in run.discriminator.state_dict().items()}
    loss = run.step()
    assert loss.discriminator > 0
    assert any(not torch.equal(v, before[k]) for k, v in run.discriminator.state_dict().items())


def test_a_checkpoint_restores_everything(pictures, tmp_path):
    run = trainer(pictures)
    run.step_count = WARM_UP_STEPS + 1
    run.step()
    run.save_checkpoint(tmp_path / "run.safetensors")
    other = trainer(pictures)
    other.restore(tmp_path / "run.safetensors")
    for name in ("generator", "average", "discriminator", "encoder"):
        for key, value in getattr(run, name).state_dict().items():
            if "classifier" not in key:
                torch.testing.assert_close(getattr(other, name).state_dict()[key], value)
    run.rng, other.rng = (np.random.default_rng(5) for _ in range(2))
    np.testing.assert_allclose(run.step(), other.step(), rtol=2e-2)
    for a, b in zip(run.generator.parameters(), other.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=2e-3)


def test_moment_matching_finds_what_all_have_too_much_of():
    rng = torch.Generator().manual_seed(0)
    fault = torch.tensor([1.0, -0.5, 0.0])
    offset = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.SGD([offset], 0.1)
    matching = MomentMatching([3])
    losses = []
    for _ in range(300):
        photos = torch.randn(8, 3, generator=rng)
        # Each is off by much of its own besides, which has no mean.
        made = photos + torch.randn(8, 3, generator=rng) + fault + offset
        loss = matching([made], [photos])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    torch.testing.assert_close(offset.detach(), -fault, rtol=0, atol=0.15)
    assert losses[-1] < 0.02 < losses[0]


def test_the_value_of_moment_matching_is_the_distance_in_standard_deviations():
    rng = torch.Generator().manual_seed(0)
    matching = MomentMatching([4])
    for _ in range(200):
        photos = 2 * torch.randn(64, 4, generator=rng)
        value = matching([photos + torch.tensor([0.0, 3.0, 0.0, 0.0])], [photos]).item()
    assert value == pytest.approx(9 / 16, rel=0.05)  # of a total variance of 4 × 2²


def gaussians(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[n, 40] rows of photos, others like them, and such as are fewer kinds of things, and off."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(40, 40)) * np.geomspace(1, 0.01, 40)
    photos, others, made = (rng.normal(size=(n, 40)) @ mixing.T for _ in range(3))
    made = 0.3 + made @ np.diag(rng.uniform(0.3, 1, 40))
    return tuple(torch.from_numpy(5 + rows).float() for rows in (photos, others, made))


def test_axes_are_the_principal_ones_and_have_all_variance():
    photos, others, _ = gaussians(4000)
    along = Axes(photos)(others)
    assert along.var(0).sum().item() == pytest.approx(1, rel=0.05)
    theirs = PCA(1).fit_transform(photos)[:, 0], Axes(photos)(photos)[:, 0].numpy()
    assert abs(np.corrcoef(*theirs)[0, 1]) > 0.999


def test_the_value_of_frechet_matching_is_the_distance_of_all_rows():
    photos, others, made = gaussians(8000)
    axes, matching = Axes(photos), FrechetMatching(photos, 2)
    for i in range(0, 8000, 80):
        matching.follow(photos[i : i + 80])
        others_value = matching(others[i : i + 80], 0)
        value = matching(made[i : i + 80], 1)
    (mean, covariance), (other_mean, other) = (
        (x.mean(0), np.cov(x.T)) for x in (axes(made).numpy(), axes(photos).numpy())
    )
    root = scipy.linalg.sqrtm(covariance @ other).real
    expected = np.sum((mean - other_mean) ** 2) + np.trace(covariance + other - 2 * root)
    assert value.item() == pytest.approx(expected, rel=0.1)
    assert others_value < 0.05 * expected


def test_frechet_matching_draws_means_and_covariances_together():
    photos, _, made = gaussians(4000)
    axes, matching, linear = Axes(photos), FrechetMatching(photos, 1), torch.nn.Linear(40, 40)
    torch.nn.init.eye_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    optimiser = torch.optim.Adam(linear.parameters(), 1e-3)
    rng = np.random.default_rng(1)
    distances = []
    for _ in range(600):
        some, others = (torch.from_numpy(rng.integers(0, 4000, 32)) for _ in range(2))
        matching.follow(photos[others])
        loss = matching(5 + linear(made[some] - 5), 0)
        distances.append(loss.item())
        if loss.requires_grad:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    begun = max(distances)
    ours = axes(5 + linear(made - 5)).detach()
    theirs = axes(photos)
    gap = (ours.mean(0) - theirs.mean(0)).square().sum()
    assert gap < 0.2 * (axes(made).mean(0) - theirs.mean(0)).square().sum()
    assert ours.var(0).sum().item() == pytest.approx(1, abs=0.15)
    assert distances[-1] < begun / 4


def test_frechet_distances_are_of_whole_looks_alone(pictures, monkeypatch):
    """Looks of several sizes spread far wider than those of one, and would hide what is wrong with these."""
    sizes = (256, 128, 256, 160, 224, 256)
    left = iter(sizes)
    monkeypatch.setattr(views, "draw_size", lambda rng: next(left))
    run = trainer(pictures)
    run.step_count = WARM_UP_STEPS + 1
    for _ in sizes:
        run.step()
    for matching in run.distances:
        assert [int(gaussian.count) for gaussian in (matching.real, *matching.made)] == [3] * 4
        assert matching.real.covariance.trace().item() == pytest.approx(1, abs=0.6)


def test_in_betweens_and_mixtures_are_judged_apart(pictures):
    """Bright ones and dark ones: none of the one kind counts as the other."""
    run = trainer(pictures)
    photos = pictures.batch(6, np.random.default_rng(0))
    kinds = 0.8 + 0.2 * photos[:2], 0.2 * photos[2:4]
    with torch.no_grad():
        real = run.eyes.look(photos)
        run._made_up_faults(run.eyes.look(torch.cat(kinds)), real)
        for part, seen in enumerate(map(run.eyes.look, kinds), 1):
            shift = torch.cat([(s - r.mean(0)).mean(0) for s, r in zip(seen.means, real.means)])
            assert float((run.means[part].shifts - shift).norm() / shift.norm()) < 0.02
            for matching, gist in zip(run.distances, seen.gists):
                place = matching.axes(gist).mean(0)
                assert float((matching.made[part].mean - place).norm() / place.norm()) < 0.02


def test_grain_tells_sharp_edges_from_a_mesh_in_flat_grounds():
    """Of as much energy: an edge lies in few places, a mesh everywhere."""
    edge, mesh = torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)
    edge[..., 31:33] += 0.2
    mesh[..., ::2] += 0.2 / 16**0.5
    (energy, everywhere), (same, more) = (grain(picture)[0, :2] for picture in (edge, mesh))
    assert abs(energy - same) < 0.1 and more > everywhere + 1
    fine = (mesh - mesh.mean((2, 3), keepdim=True)).square().mean(1).mean()  # each half of the mesh is off by
    assert abs(float(same.exp()) - float(fine)) < 0.1 * float(fine) + 2e-5


def test_relief_tells_from_where_embossed_pictures_are_lit():
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.rand(8, 1, 132, 132, generator=rng), 5, 1)
    # Bright on the left of each bump, dark on the right: a ramp that climbs fast and falls slowly.
    waves = (torch.arange(128) % 8 / 8).view(1, 1, 1, -1) * 0.2
    lit = (0.4 + waves + 0 * smooth[..., :128, :128]).expand(8, 3, 128, 128)
    ordinary = (0.4 + smooth).expand(8, 3, 128, 128)
    vectors = relief(lit)
    assert vectors[0, 0] * relief(lit.flip(3))[0, 0] < 0
    assert abs(vectors[0, 1]) < 0.05 * abs(vectors[0, 0])
    assert relief(ordinary).mean(0).norm() < 0.2 * vectors.mean(0).norm()


def test_training_goes_on_from_a_trained_generator(pictures, tmp_path):
    shipped = assets.model("generator.safetensors")
    run = trainer(pictures)
    run.start_from(shipped)
    steps, metadata = run.step_count, weights.load(shipped, "generator")[1]
    assert steps == int(metadata["steps"])
    before = {k: v.clone() for k, v in run.generator.state_dict().items()}
    judges = {k: v.clone() for k, v in run.discriminator.state_dict().items()}
    shipped_tensors = weights.load(shipped, "generator")[0]
    for name, value in Generator.load(shipped).state_dict().items():
        torch.testing.assert_close(before[name], value)
    run.step()
    assert all(torch.equal(v, before[k]) for k, v in run.generator.state_dict().items())
    assert any(not torch.equal(v, judges[k]) for k, v in run.discriminator.state_dict().items())

    run.step_count = steps + CATCH_UP_STEPS
    run.step()
    after = run.generator.state_dict()
    assert any(not torch.equal(v, before[k]) for k, v in after.items())

    run.save_network(tmp_path / "mine.safetensors")
    saved, mine = weights.load(tmp_path / "mine.safetensors", "generator")
    assert int(mine["steps"]) == steps + CATCH_UP_STEPS + 1
    assert int(mine["pictures_seen"]) == int(metadata["pictures_seen"]) + 6 * (CATCH_UP_STEPS + 1)
    # The code is the shipped one's, so that banks made for it still fit.
    for name in ("encoder.mean", "encoder.whiten"):
        torch.testing.assert_close(saved[name], shipped_tensors[name])

    run.save_checkpoint(tmp_path / "run.safetensors")
    other = trainer(pictures)
    other.restore(tmp_path / "run.safetensors")
    assert (other.first_step, other.seen_before) == (steps, run.seen_before)


def test_variations_of_photos():
    rng = np.random.default_rng(0)
    photos = torch.from_numpy(rng.integers(0, 256, (2, 272, 272, 3), np.uint8))
    # Nearly whole, 4 pixels from the left and 8 from the top, in its own colours, mirrored or not.
    draws = torch.tensor([0.2, 0.9, 0.25, 0.5, 0.9, 0.2, 0.9, 0.9])[:, None].repeat(1, 2)
    draws[4, 1] = 0.1
    cut = photos[:, 8:264, 4:260].permute(0, 3, 1, 2) / 255
    expected = torch.stack([cut[0], cut[1].flip(2)])
    torch.testing.assert_close(vary(photos, draws).contiguous(), expected, rtol=0, atol=1e-3)
    # Grey and darker where chance says so.
    draws[5:] = torch.tensor([0.8, 0.0, 0.0])[:, None]
    pale = vary(photos, draws)
    assert torch.allclose(pale.mean(1), 0.75 * expected.mean(1), atol=1e-3)
    assert torch.allclose(pale.std(1), 0.75 * 0.6 * expected.std(1), atol=2e-3)


def test_bad_pictures_are_counted_and_every_twentieth_is_held_out(pictures):
    assert len(pictures.skipped) == 2
    assert len(pictures) == 57
    training, held_out = split(list(range(100)))
    assert held_out == [19, 39, 59, 79, 99] and not set(training) & set(held_out)


def test_a_folder_named_twice_is_drawn_from_twice_as_often(folder, tmp_path):
    for i in range(60):
        Image.new("RGB", (256, 256), "white").save(tmp_path / f"{i}.png")
    both = Pictures([folder, tmp_path, folder], progress=False)
    assert len(both) == 2 * 57
    drawn = both.batch(600, np.random.default_rng(0))
    plain = (drawn.std((1, 2, 3)) < 1e-3).float().mean().item()
    assert plain == pytest.approx(1 / 3, abs=0.06)


def test_too_few_pictures(folder, tmp_path):
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes((folder / f"{i:02d}.png").read_bytes())
    with pytest.raises(UserError, match="at least 50"):
        Pictures([tmp_path], progress=False)


def test_the_command_stops_saves_and_resumes(visualizer, folder, tmp_path):
    arguments = ("train", folder, "-o", "mine.safetensors", "--batch-size", "6")
    with started(*arguments, cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        text = ""
        while "pictures/s" not in text and time.monotonic() < deadline:
            text += process.stderr.read(40)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors, (text + errors)[-2000:]
    assert "cut.png, text.jpg can't be read and were left out" in out
    done = int(weights.load(tmp_path / "mine.safetensors", "generator")[1]["steps"])
    assert done >= 1 and (tmp_path / "mine.preview.png").exists()

    more = visualizer(*arguments, "--resume", "--steps", done + 2, cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert f"{done + 2} steps" in more.stdout


def test_what_can_go_wrong(visualizer, folder, tmp_path):
    for arguments, words in (
        (("train", "none", "-o", "g.safetensors"), ("none", "no such folder")),
        (("train", folder, "-o", "g.safetensors", "--resume"), ("no checkpoint",)),
        (("train", folder, "-o", "g.safetensors", "--batch-size", "7"), ("--batch-size 7", "multiple of 3")),
        (("train", folder, "-o", "g.safetensors", "--from", "shipped", "--resume"), ("--from", "one of")),
        (("train", folder, "-o", "g.safetensors", "--from", "none"), ("none", "no such generator file")),
        (
            ("train", folder, "-o", "missing/g.safetensors", "--steps", "1"),
            ("missing/g", "choose another path"),
        ),
    ):
        result = visualizer(*arguments, cwd=tmp_path)
        assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
        for word in words:
            assert word in result.stderr


def test_a_generator_of_larger_pictures_is_trained_in_the_size_of_photos(pictures):
    run = trainer(pictures)
    run.start_from(assets.model("grand.safetensors"))
    assert run.generator.picture_size == 512
    run.step_count += CATCH_UP_STEPS
    before = [p.clone() for p in run.generator.blocks[-1].parameters()]
    assert np.isfinite(run.step()).all()
    assert not any(torch.equal(a, b) for a, b in zip(before, run.generator.blocks[-1].parameters()))


def test_two_processes_are_as_one(folder, tmp_path):
    """In float32 number by number; what is rounded to bfloat16, where the processor has it, only about."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(f"""
        import json, sys, torch
        from visualizer.common import assets
        from visualizer.learning import distributed, trainer
        from visualizer.learning.eyes import Eyes
        from visualizer.learning.pictures import Pictures
        from visualizer.learning.trainer import Trainer, WARM_UP_STEPS
        torch.set_num_threads(1)
        trainer.PLAIN = 0.0  # each picture has its own view
        device = distributed.start(torch.device("cpu"))

        fast_numbers = trainer.fast_numbers
        trainer.fast_numbers = lambda device: torch.autocast(device.type, enabled=False)
        run = Trainer(Eyes(device, torch.float32), Pictures([{str(folder)!r}], False), 6, 0, device)
        # Adam makes much of the rounding of gradients near zero, but not of what is small beside this.
        for optimiser in (run.g_optimiser, run.d_optimiser):
            for group in optimiser.param_groups:
                group["eps"] = 1e-3
        losses = [run.step()]
        run.step_count = WARM_UP_STEPS + 250
        losses += [run.step() for _ in range(2)]
        trainer.fast_numbers = fast_numbers
        losses += [run.step()]
        if distributed.rank() == 0:
            print(json.dumps(losses))
        distributed.stop()
        """)
    )
    one = ran(code=script.read_text())
    two = ran("--standalone", "--nproc-per-node=2", script, module="torch.distributed.run")
    assert one.returncode == two.returncode == 0, (one.stderr + two.stderr)[-3000:]
    alone, together = (np.array(json.loads(r.stdout.strip().splitlines()[-1])) for r in (one, two))
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(together[1:3], alone[1:3], rtol=0.01, atol=0.002)
    classes = Losses._fields.index("classes")  # two deep networks' rounding, through a logarithm
    np.testing.assert_allclose(together[3][classes], alone[3][classes], rtol=0.15)
    others = (np.delete(losses[3], classes) for losses in (together, alone))
    np.testing.assert_allclose(*others, rtol=0.05, atol=0.01)
    assert np.abs(alone[0] - alone[2]).max() > 0.05
