"""What a generator is measured with tells apart what it should, and nothing else."""

import io
import json

import inception
import judging
import kinds
import numpy as np
import pytest
import texture
import torch
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from visualizer.common.errors import UserError

SIZE = 128


@pytest.fixture(scope="module")
def photos():
    """Discs before one another, each with a grain of its own, the way things hide one another in photos."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(24):
        image = Image.new("RGB", (SIZE, SIZE))
        draw = ImageDraw.Draw(image)
        for radius in np.sort(2 + 4 * rng.pareto(1.5, 200))[::-1]:
            x, y = rng.uniform(0, SIZE, 2)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(rng.integers(30, 225, 3)))
        grain = rng.normal(0, 6, (SIZE, SIZE, 1)) + np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)))
        images.append(np.clip(grain, 0, 255).astype(np.uint8))
    return np.stack(images)


def changed(photos, change):
    return np.stack([np.asarray(change(Image.fromarray(photo)).convert("RGB")) for photo in photos])


def embossed(photos, strength):
    """With small bumps all over, lit from the upper left."""
    rng = np.random.default_rng(1)
    bumps = gaussian_filter((rng.random(photos.shape[:3]) < 0.02).astype(float), (0, 1.5, 1.5))
    slope = -np.gradient(bumps, axis=1) - np.gradient(bumps, axis=2)
    slope = strength * slope / slope.std()
    return np.clip(photos - slope[..., None], 0, 255).astype(np.uint8)


def through_jpeg(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=15)
    return Image.open(file)


def test_embossing_is_told_from_sharpening_and_from_jpeg(photos):
    def embossing(images):
        return texture.embossing(texture.relief(images))

    weak, strong = embossing(embossed(photos, 6)), embossing(embossed(photos, 24))
    sharpened = embossing(changed(photos, lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0))))
    compressed = embossing(changed(photos, through_jpeg))
    assert max(embossing(photos), sharpened, compressed) < weak / 2
    assert weak < strong / 2
    x, y = texture.relief(embossed(photos, 24)).mean(0)
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(-135, abs=15)


def test_the_finest_octave_of_known_signals():
    """White noise has the ring's share of the square, a wave all or nothing."""
    rng = np.random.default_rng(0)
    noise = np.repeat(rng.integers(0, 256, (8, SIZE, SIZE, 1)), 3, 3).astype(np.uint8)
    assert texture.finest_octave(noise).mean() == pytest.approx(np.pi * (0.5**2 - 0.25**2), abs=0.02)
    x = np.arange(SIZE)
    for period, share in ((3, 1), (6, 0)):
        wave = 128 + 100 * np.sin(2 * np.pi * x / period)
        image = np.broadcast_to(wave[None, None, :, None], (1, SIZE, SIZE, 3)).astype(np.uint8)
        assert texture.finest_octave(image)[0] == pytest.approx(share, abs=0.02)


def test_frechet_distance_of_gaussians_known():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((40_000, 3)) * [1, 2, 3]
    b = rng.standard_normal((40_000, 3)) * [2, 2, 1] + [0, 5, 0]
    assert judging.frechet(a, b) == pytest.approx(25 + 1 + 0 + 4, rel=0.02)
    assert judging.frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_photos_are_looked_at_once_until_they_change(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        Image.new("RGB", (300, 280), (i, 0, 0)).save(path)
    looked = []

    def red(images):
        looked.append(len(images))
        return images[:, 0, 0, :1].astype(np.float32)

    cache = tmp_path / "cache"
    for again in (paths, paths[::-1], [*paths, paths[0]]):
        expected = [[int(path.stem)] for path in again]
        assert judging.kept(cache, "red", again, red).tolist() == expected
    Image.new("RGB", (300, 280), (77, 77, 0)).save(paths[3])
    assert judging.kept(cache, "red", paths, red)[3] == 77
    assert looked == [5, 1]


def test_photos_are_sorted_by_kind(tmp_path):
    for folder, prefix, n in (("flowers", "a", 40), ("mixed/small", "met_", 20), ("mixed/small", "x_", 20)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.new("RGB", (8, 8)).save(tmp_path / folder / f"{prefix}{i:03}.png")
    folders = [tmp_path / "flowers", tmp_path / "mixed" / "small"]
    held, others = kinds.sort(folders)
    assert [path.name for path in held.paths] == ["a019.png", "a039.png", "met_019.png", "x_019.png"]
    assert held.kinds.tolist() == ["flowers"] * 2 + ["paintings and fruit", "space and old photographs"]
    assert len(others.paths) == 76
    assert kinds.reference(others, np.random.default_rng(0)).kinds.tolist().count("flowers") == 38
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none is held out"):
        kinds.sort([tmp_path / "empty"])


def test_a_network_is_built_from_its_description():
    """Two convolutions side by side, as the second judge's package describes them, against plain torch."""
    source = (
        "x({1:[function(a,n,i){n.exports={layers:["
        '{name:"input_1",class_name:"InputLayer",config:{},inbound_nodes:[]},'
        '{name:"c1",class_name:"Conv2D",config:{strides:[1,1],padding:"same",use_bias:!1},'
        'inbound_nodes:[[["input_1",0,0,{}]]]},'
        '{name:"n1",class_name:"BatchNormalization",config:{epsilon:.001},inbound_nodes:[[["c1",0,0,{}]]]},'
        '{name:"a1",class_name:"Activation",config:{},inbound_nodes:[[["n1",0,0,{}]]]},'
        '{name:"p1",class_name:"MaxPooling2D",config:{pool_size:[3,3],strides:[2,2]},'
        'inbound_nodes:[[["a1",0,0,{}]]]},'
        '{name:"p2",class_name:"AveragePooling2D",config:{pool_size:[3,3],strides:[1,1],padding:"same"},'
        'inbound_nodes:[[["p1",0,0,{}]]]},'
        '{name:"mixed5",class_name:"Concatenate",config:{trainable:!0},'
        'inbound_nodes:[[["p1",0,0,{}],["p2",0,0,{}]]]},'
        '{name:"later",class_name:"Flatten",config:{},inbound_nodes:[[["mixed5",0,0,{}]]]}]}},{}]},{},[1])'
    )
    layers = inception.from_javascript(source)["layers"]
    assert layers[2]["config"] == {"epsilon": 0.001}
    entries, integers = [], b""
    rng = np.random.default_rng(0)
    sizes = {"c1/kernel": [3, 3, 3, 4], "n1/beta": [4], "n1/moving_mean": [4], "n1/moving_variance": [4]}
    for name, shape in sizes.items():
        low = 0.5 if "variance" in name else -1.0
        entries.append({"name": name, "shape": shape, "quantization": {"min": low, "scale": 2 / 255}})
        integers += rng.integers(0, 256, int(np.prod(shape))).astype(np.uint8).tobytes()
    arrays = inception.dequantised(entries, integers)
    steps, tensors = inception.folded(layers, arrays)
    net = inception.Inception(json.loads(json.dumps(steps)))
    net.load_state_dict(tensors)
    x = torch.rand(2, 3, 12, 12)
    kernel, beta, mean, variance = (torch.from_numpy(array) for array in arrays.values())
    y = torch.nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), padding=1)
    y = torch.nn.functional.batch_norm(y, mean, variance, None, beta, eps=1e-3).relu()
    y = torch.nn.functional.max_pool2d(y, 3, 2)
    # The mean of those neighbours that there are.
    near = torch.nn.functional.avg_pool2d(torch.cat([y, torch.ones_like(y)], 1), 3, 1, 1)
    expected = torch.cat([y, near[:, :4] / near[:, 4:]], 1).mean((2, 3))
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
