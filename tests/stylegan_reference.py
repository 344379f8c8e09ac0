"""StyleGAN2 and 3 by their definitions, one picture at a time in float64: slow, and no step of it clever.

Filters are scaled for each picture, enlarging puts zeros between pixels, and scipy convolves. It works on the
parts as their authors' programs store them; beside those programs' own outputs (d72cc7d of
stylegan2-ada-pytorch, c233a91 of stylegan3, networks of 64×64 pixels) it was right to 1e-5.
"""

import numpy as np
from scipy.signal import convolve, correlate

ROOT2 = 2**0.5


def unit(x):
    return x / np.sqrt(np.mean(x**2) + 1e-8)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def clamped(x, clamp):
    return x if clamp is None else np.clip(x, -clamp, clamp)


def dense(part, x):
    f = part.fields
    return (part["weight"] * float(f["weight_gain"])) @ x + part["bias"] * float(f["bias_gain"])


def mapping(part, z, c=None, psi=1.0):
    """w [w_dim] of z, and of a class's one-hot row."""
    x = unit(z)
    if c is not None:
        x = np.concatenate([x, unit(dense(part.parts["embed"], c))])
    for i in range(part.fields["num_layers"]):
        x = ROOT2 * leaky(dense(part.parts[f"fc{i}"], x))
    return part["w_avg"] + psi * (x - part["w_avg"])


def conv(x, weight, padding):
    """[inputs, h, w] with filters [outputs, inputs, k, k]: as neural networks mean it, a correlation."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    return np.stack([correlate(x, filters, "valid")[0] for filters in weight])


def with_zeros(x, up, after):
    """Zeros between the pixels; after: how many behind the last one."""
    channels, h, w = x.shape
    out = np.zeros((channels, h * up, w * up))
    out[:, ::up, ::up] = x
    cut = up - 1 - after
    return out[:, : h * up - cut, : w * up - cut]


def filtered(x, taps, padding):
    """Padded by left, right, top, bottom and convolved with a filter of two dimensions."""
    left, right, top, bottom = padding
    x = np.pad(x, ((0, 0), (max(0, top), max(0, bottom)), (max(0, left), max(0, right))))
    x = x[:, max(0, -top) : x.shape[1] - max(0, -bottom), max(0, -left) : x.shape[2] - max(0, -right)]
    return np.stack([convolve(channel, taps, "valid", "direct") for channel in x])


def upsampled2(x, taps):
    return filtered(with_zeros(x, 2, 1), 4 * taps, (2, 1, 2, 1))


def modulated(part, w, demodulate):
    style = dense(part.parts["affine"], w)
    weight = part["weight"] * style[None, :, None, None]
    if demodulate:
        weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    return weight


def layer2(part, x, w, gain=1.0, noise=True):
    weight = modulated(part, w, True)
    if part.fields["up"] == 2:
        x = with_zeros(x, 2, 0)
        full = [sum(convolve(c, f, "full", "direct") for c, f in zip(x, filters)) for filters in weight]
        x = filtered(np.stack(full), 4 * part["resample_filter"], (1, 1, 1, 1))
    else:
        x = conv(x, weight, 1)
    if noise:
        x = x + part["noise_const"] * part["noise_strength"]
    x = leaky(x + part["bias"][:, None, None]) * (ROOT2 * gain)
    clamp = part.fields["conv_clamp"]
    return clamped(x, None if clamp is None else clamp * gain)


def to_rgb2(part, x, w):
    weight = modulated(part, w, False) * float(part.fields["weight_gain"])
    return clamped(conv(x, weight, 0) + part["bias"][:, None, None], part.fields["conv_clamp"])


def synthesis2(part, ws):
    """A picture [colours, size, size] of styles [n, w_dim]."""
    x = picture = None
    place = 0
    for block in part.parts.values():
        parts, share = block.parts, 1.0
        if "conv0" in parts:
            before, x = x, layer2(parts["conv0"], x, ws[place])
            place += 1
            if "skip" in parts:
                share = 0.5**0.5
                weight = parts["skip"]["weight"] * float(parts["skip"].fields["weight_gain"])
                around = share * upsampled2(conv(before, weight, 0), parts["skip"]["resample_filter"])
        else:
            x = block["const"]
        x = layer2(parts["conv1"], x, ws[place], share)
        place += 1
        if "skip" in parts:
            x = x + around
        if picture is not None:
            picture = upsampled2(picture, block["resample_filter"])
        if "torgb" in parts:
            colours = to_rgb2(parts["torgb"], x, ws[place])
            picture = colours if picture is None else picture + colours
    return picture


def waves(part, w):
    f = part.fields
    t = dense(part.parts["affine"], w)
    t = t / np.hypot(t[0], t[1])
    turn = np.array([[t[0], -t[1], 0], [t[1], t[0], 0], [0, 0, 1]])
    move = np.array([[1, 0, -t[2]], [0, 1, -t[3]], [0, 0, 1]])
    m = turn @ move @ part["transform"]
    frequencies = part["freqs"] @ m[:2, :2]
    phases = part["phases"] + part["freqs"] @ m[:2, 2]
    width, height = (int(n) for n in f["size"])
    rate, bandwidth = float(f["sampling_rate"]), float(f["bandwidth"])
    over = (np.linalg.norm(frequencies, axis=1) - bandwidth) / (rate / 2 - bandwidth)
    amplitudes = np.clip(1 - over, 0, 1)
    out = np.empty((len(phases), height, width))
    for row in range(height):
        for column in range(width):
            x, y = (column + 0.5 - width / 2) / rate, (row + 0.5 - height / 2) / rate
            out[:, row, column] = np.sin(2 * np.pi * (frequencies @ [x, y] + phases)) * amplitudes
    return np.tensordot(part["weight"] / len(phases) ** 0.5, out, 1)


def layer3(part, x, w):
    f, colours = part.fields, part.fields["is_torgb"]
    up, down = f["up_factor"], f["down_factor"]
    if colours:
        weight = modulated(part, w, False) / np.prod(part["weight"].shape[1:]) ** 0.5
    else:
        style = dense(part.parts["affine"], w)
        weight = part["weight"] / np.sqrt((part["weight"] ** 2).mean((1, 2, 3), keepdims=True))
        weight = weight * (style / np.sqrt(np.mean(style**2)))[None, :, None, None]
        weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    x = conv(x, weight / np.sqrt(part["magnitude_ema"]), weight.shape[2] - 1) + part["bias"][:, None, None]
    taps = [
        part[name] if factor > 1 else np.ones(1)
        for name, factor in (("up_filter", up), ("down_filter", down))
    ]
    first, second = (t if t.ndim == 2 else np.outer(t, t) for t in taps)
    x = filtered(with_zeros(x, up, up - 1), up**2 * first, f["padding"])
    x = clamped(x if colours else ROOT2 * leaky(x), f["conv_clamp"])
    return filtered(x, second, (0, 0, 0, 0))[:, ::down, ::down]


def synthesis3(part, ws):
    """A picture [3, size, size] of styles [n, w_dim]."""
    x = waves(part.parts["input"], ws[0])
    for name, w in zip(part.fields["layer_names"], ws[1:]):
        x = layer3(part.parts[name], x, w)
    return x * part.fields["output_scale"]


def synthesis(part, ws):
    return (synthesis3 if "input" in part.parts else synthesis2)(part, ws)
