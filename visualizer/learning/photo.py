"""Picture files to pixels, whatever their depth, their kind of colour, and what shines through."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()

# A large panorama is no attack.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

HEIF = {".heic", ".heif", ".hif"}
READABLE = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif"}
READABLE |= {".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd", ".ico", *HEIF}
# Pictures, too, which are not passed over in silence.
UNREADABLE = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".svg", ".exr", ".jxl", ".xcf"}
# TIFF's tags for what 0 means, and what kind of numbers there are.
PHOTOMETRIC, WHITE_IS_ZERO, SAMPLE_FORMAT, UNSIGNED = 262, 0, 339, 1


def is_picture(path: Path) -> bool:
    """Whether a file's name is a picture's."""
    return path.suffix.lower() in READABLE | UNREADABLE and not path.name.startswith("._")


def read(path: Path, size: int) -> np.ndarray:
    """The picture's centre square, [size, size, 3] uint8 sRGB. Raises OSError or others if it is broken."""
    with Image.open(path) as image:
        upright = _to_rgb(ImageOps.exif_transpose(image), image)
        return np.array(ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS))


def read_whole(path: Path, longest: int) -> np.ndarray:
    """The whole picture, [h, w, 3] uint8 sRGB, made smaller where it is longer than that. Raises as
    `read`."""
    with Image.open(path) as image:
        upright = _to_rgb(ImageOps.exif_transpose(image), image)
        upright.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        return np.array(upright)


def try_read(path: Path, size: int) -> np.ndarray | None:
    """`read`, or None if the file is no picture."""
    return _try(read, path, size)


def try_read_whole(path: Path, longest: int) -> np.ndarray | None:
    """`read_whole`, or None if the file is no picture."""
    return _try(read_whole, path, longest)


def _try(how: Callable[[Path, int], np.ndarray], path: Path, size: int) -> np.ndarray | None:
    try:
        return how(path, size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, ImageCms.PyCMSError):
        return None


def missing(paths: list[Path]) -> str:
    """A clause that names pictures that were left out, and a way to read them if there is one."""
    names = ", ".join(path.name for path in paths[:5])
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    heif = any(path.suffix.lower() in HEIF for path in paths) and ".heic" not in Image.registered_extensions()
    way_out = "; pip install 'visualizer[heic]' reads HEIC" if heif else ""
    return f"{names}{more} can't be read and {'was' if len(paths) == 1 else 'were'} left out{way_out}"


def _to_rgb(image: Image.Image, source: Image.Image) -> Image.Image:
    """source: the opened file, which knows what its numbers mean."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image, source)).convert("RGB")
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
        assert converted is not None
        return converted
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        return _on_ground(image.convert("RGBA"))
    return image.convert("RGB")


def _eight_bits(image: Image.Image, source: Image.Image) -> np.ndarray:
    """Grey of 16 or 32 bits, or of real numbers, [h, w] uint8."""
    tags = getattr(source, "tag_v2", {})
    grey = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode == "F":
        # Real numbers go to 1, or as far as the whole ones that they were.
        top = next((top for top in (1.0, 255.0, 65535.0) if grey.max() <= top), grey.max())
    elif image.mode.startswith("I;16") or (grey.min() >= 0 and grey.max() < 2**16):
        top = 2**16 - 1
    elif tags and tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] == UNSIGNED:
        grey, top = grey % 2**32, 2**32 - 1
    else:
        top = 2**31 - 1
    grey = grey.clip(0, top) / top
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 1 - grey
    return (255 * grey + 0.5).astype(np.uint8)


def _on_ground(image: Image.Image) -> Image.Image:
    """What shines through is white behind dark pictures, and black behind light ones."""
    rgba = np.asarray(image, np.float32)
    alpha = rgba[:, :, 3]
    light = (rgba[:, :, :3].mean(2) * alpha).sum() / max(alpha.sum(), 1.0)
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255) if light < 128 else (0, 0, 0, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
