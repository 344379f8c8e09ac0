"""Fuzzing: real files, mutated, given to the program. Each must end well, or in one sentence and exit code 2.

    python tests/measure_fuzz.py --count 10000
    python tests/measure_fuzz.py --kinds song,video --count 500 --seed 7 --keep finds/

A find is a traceback, another exit code, more or fewer sentences than one, 30 s of processor time or 90 s in
all, 2 GB of memory, or a file left behind. Commands run in forks of a process that has imported everything;
pictures are drawn by a brush that takes no time, save those of mutated generators.
"""

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent))

import click
import numpy as np
import nursery

CPU_S, WALL_S, MEMORY_MB = 30, 90, 2000
# Cases that one fork goes through.
TURN = 25
SMALL = ("--size", "64x64", "--fps", "5", "--quality", "light", "--duration", "2")

# What a value of a text file may become.
VALUES = [
    "nan",
    "inf",
    "-1",
    "0",
    "1e999",
    "1e-320",
    "99999999999999999999",
    "true",
    "[]",
    "{}",
    '""',
    '"' + "x" * 9000 + '"',
]
VALUES += [
    "-0.0",
    "1979-05-27",
    '"../../../etc/passwd"',
    '"\\u0000"',
    "[[[[[]]]]]",
    '"nan"',
    "0x7fffffffffffffff",
    "'/dev/zero'",
]


def bytes_mutated(data: bytes, rng: random.Random) -> bytes:
    """A few of: bits turned, bytes set, cut off, left out, doubled, zeroed, copied; mostly near the head."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if not data:
            break
        reach = len(data) if rng.random() < 0.5 else min(len(data), 600)
        at, length = rng.randrange(reach), rng.choice([1, 2, 4, 8, 64, 1024])
        way = rng.randrange(9)
        if way == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif way == 2:
            del data[at + rng.randrange(2) :]
        elif way == 3:
            del data[at : at + length]
        elif way == 4:
            data[at:at] = data[at : at + length]
        elif way == 5:
            data[at : at + length] = bytes(min(length, len(data) - at))
        elif way == 6:
            other = rng.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        elif way == 7:
            number = rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, rng.getrandbits(32)])
            packed = struct.pack(rng.choice("<>") + "Q", number)
            data[at : at + 8] = packed[:8] if rng.random() < 0.5 else packed[-4:]
        else:
            data[at:at] = rng.randbytes(length)
    return bytes(data)


def text_mutated(data: bytes, rng: random.Random) -> bytes:
    """Lines left out, doubled and moved; values that mean something else; now and then bytes."""
    if rng.random() < 0.2:
        return bytes_mutated(data, rng)
    lines = data.decode().splitlines()
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        way = rng.randrange(6)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif "=" in lines[at] and way < 5:
            key, value = lines[at].split("=", 1)
            lines[at] = f"{key}= {rng.choice([*VALUES, value.replace('1', '-7'), value + value])}"
        else:
            lines[at] = lines[at].replace(rng.choice('abeo=["].'), rng.choice(["", "=", "[", "é", "\0", '"']))
        lines = lines or [""]
    return "\n".join(lines).encode()


def weights_mutated(data: bytes, rng: random.Random) -> bytes:
    """Of a safetensors file: its header as JSON, with other shapes, kinds, places and metadata; or bytes."""
    if rng.random() < 0.3:
        return bytes_mutated(data, rng)
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    for _ in range(rng.choice([1, 1, 2, 3])):
        name = rng.choice(list(header))
        entry = header[name]
        if name == "__metadata__":
            key = rng.choice(list(entry))
            if rng.random() < 0.3:
                del entry[key]
            else:
                word = entry[key]
                entry[key] = rng.choice(
                    [
                        "",
                        "{}",
                        "nan",
                        "[]",
                        word[:-1],
                        word.replace("1", "0"),
                        word.replace(":", ": -"),
                        word * 2,
                    ]
                )
        elif (way := rng.randrange(5)) == 0:
            del header[name]
        elif way == 1:
            entry["shape"] = rng.choice(
                [
                    entry["shape"][::-1],
                    [*entry["shape"], 1],
                    [1, *entry["shape"]],
                    [int(np.prod(entry["shape"]))],
                ]
            )
        elif way == 2:
            entry["dtype"] = rng.choice(
                ["F16", "BF16", "I16", "U16"] if entry["dtype"][1:] == "16" else ["F32", "I32", "U8", "I64"]
            )
        elif way == 3:
            header[rng.choice(["x", name[:-1], name + ".weight"])] = header.pop(name)
        else:
            begin, end = entry["data_offsets"]
            size = 2 if "16" in entry["dtype"] else 4
            what = {2: np.float16, 4: np.float32}[size](
                rng.choice([np.nan, np.inf, -np.inf, 0, 6e4, -1])
            ).tobytes()
            stop = end if rng.random() < 0.5 else min(end, begin + size)
            body[begin:stop] = what * ((stop - begin) // size) + bytes((stop - begin) % size)
        if not header:
            break
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + bytes(body)


def seeds(folder: Path) -> None:
    """Real files of every kind, small."""
    import av
    import stylegan_files
    from conftest import SR, write_sound
    from PIL import Image

    from visualizer.common import assets
    from visualizer.common.weights import load, save
    from visualizer.latent.bank import Bank
    from visualizer.latent.poses import Poses
    from visualizer.learning.importing.stylegan import import_network
    from visualizer.neural.figure import Figure
    from visualizer.neural.generator import Generator

    def to(kind, name):
        (folder / kind).mkdir(exist_ok=True)
        return folder / kind / name

    t = np.arange(SR) / SR
    tone = (0.3 * np.sin(2 * np.pi * 220 * t * (1 + t)))[:, None].repeat(2, 1).astype(np.float32)
    for suffix in ("wav", "flac", "ogg", "mp3", "m4a", "opus"):
        write_sound(
            to("song", f"a.{suffix}"),
            tone[: 48000 if suffix in ("ogg", "opus") else None],
            48000 if suffix in ("ogg", "opus") else SR,
        )
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8).repeat(4, 0).repeat(4, 1))
    for suffix in ("png", "jpg", "webp", "gif", "bmp", "tiff"):
        picture.save(to("picture", f"a.{suffix}"))
    picture.convert("P").save(to("picture", "b.png"), transparency=0)
    picture.convert("I;16").save(to("picture", "c.png"))
    for preset in assets.folder("presets").glob("*.toml"):
        shutil.copy(preset, to("preset", preset.name))
    for path in (Path(__file__).parent.parent / "visualizer/control/midi/maps").glob("*.toml"):
        shutil.copy(path, to("map", path.name))
    to("set", "a.toml").write_text(
        '[set]\npresets = ["garden", "reef"]\nevery = "16 bars"\norder = "random"\n'
    )
    Bank.load(assets.model("bank.safetensors")).take(np.arange(12)).save(to("bank", "a.safetensors"))
    shutil.copy(assets.model("codebook.safetensors"), to("codebook", "a.safetensors"))
    Poses.load(assets.model("poses.safetensors")).take(np.arange(12)).save(to("poses", "a.safetensors"))
    slight = {f"figure.{k}": v for k, v in Figure((4, 4, 4, 4, 4), 1).state_dict().items()}
    own = load(assets.model("figure.safetensors"), "figure")[0]
    slight |= {k: v for k, v in own.items() if k.startswith("encoder.")}
    save(to("figure", "a.safetensors"), "figure", slight)
    small = Generator((4, 4, 4, 4, 4), 1)
    tensors = {f"generator.{k}": v for k, v in small.state_dict().items()}
    save(to("generator", "a.safetensors"), "generator", tensors)
    for name, network in (("2", stylegan_files.stylegan2()), ("3", stylegan_files.stylegan3())):
        path = to("pickle", f"{name}.pkl")
        path.write_bytes(stylegan_files.pickled(network))
        import_network(path).save(to("generator", f"{name}.safetensors"))
    for name, codec in (
        ("a.mp4", "libx264"),
        ("b.mkv", "libx264"),
        ("c.webm", "libvpx"),
        ("d.avi", "mpeg4"),
        ("e.mov", "mjpeg"),
    ):
        with av.open(str(to("video", name)), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = (
                64,
                48,
                "yuvj420p" if codec == "mjpeg" else "yuv420p",
            )
            for i in range(10):
                frame = av.VideoFrame.from_ndarray(
                    rng.integers(0, 256, (48, 64, 3), np.uint8) // (1 + i % 2), "rgb24"
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


MUTATE = {"preset": text_mutated, "map": text_mutated, "set": text_mutated}
MUTATE |= {"bank": weights_mutated, "codebook": weights_mutated, "generator": weights_mutated}
MUTATE |= {"poses": weights_mutated, "figure": weights_mutated}
# Of a hundred cases, so many of each kind.
SHARES = {
    "song": 20,
    "picture": 13,
    "preset": 11,
    "map": 8,
    "set": 5,
    "bank": 6,
    "codebook": 6,
    "poses": 4,
    "generator": 5,
    "figure": 5,
    "pickle": 8,
    "video": 10,
}


def arguments(kind: str, file: str, tune: str) -> list[list[str]]:
    """The commands that are given a file."""
    render = ["render", tune, "-o", "clip.mp4", *SMALL]
    return {
        "song": [["render", file, "-o", "clip.mp4", *SMALL]],
        "picture": [["read-picture", file]],
        "preset": [[*render, "--preset", file]],
        "map": [["read-map", file]],
        "set": [["read-set", file]],
        "bank": [[*render, "--bank", file]],
        "codebook": [[*render, "--codebook", file]],
        "poses": [["read-poses", file], ["sheet", file, "-o", "sheet.png"]],
        "generator": [["draw", file]],
        "figure": [["draw-figure", file], [*render, "--preset", "dancer", "--figure", file]],
        "pickle": [["import", file, "-o", "out.safetensors"]],
        "video": [["check", file], ["check", file, "--fix", "safe.mp4"]],
    }[kind]


def prepare() -> None:
    """Import everything; a brush that takes no time; commands that do no more than read."""
    import importlib

    for name in (
        *nursery.SLOW,
        "visualizer.learning.importing.stylegan",
        "visualizer.learning.photo",
        "visualizer.neural.openvino_painter",
    ):
        importlib.import_module(name)
    from visualizer import cli
    from visualizer.audio.codebook import Codebook
    from visualizer.common import assets
    from visualizer.common.errors import UserError
    from visualizer.control import preset, set_list
    from visualizer.control.midi import maps
    from visualizer.latent.poses import Poses
    from visualizer.learning import photo
    from visualizer.neural import generators
    from visualizer.neural.figures import Figures
    from visualizer.neural.generator import CODE_DIM
    from visualizer.neural.inference import make_painter
    from visualizer.offline import studio

    def brush(shape, matter=None):
        return (
            np.zeros((len(shape), 256, 256, 3), np.uint8)
            + (np.abs(shape[:, :3]) * 99).astype(np.uint8)[:, None, None]
        )

    shipped = []

    def load(path=None):
        if path is not None and Path(path).name != "generator.safetensors":
            return generators.load(path)
        shipped[:] = shipped or [generators.load(None)]
        return shipped[0]

    class Cheap:
        def __getattr__(self, name):
            return load if name == "load" else getattr(generators, name)

    studio.generators = Cheap()
    studio.make_painter = lambda *_: brush

    def reading(name, read):
        @cli.main.command(name)
        @click.argument("file", type=click.Path(path_type=Path))
        def command(file):
            read(file)

    def draw(file):
        import torch

        generator = generators.load(file)
        codes = np.random.default_rng(0).standard_normal((1, generator.code_dim)).astype(np.float32)
        make_painter(generator, torch.device("cpu"), threads=1)(codes, codes)

    def look(file):
        if photo.try_read(file, 64) is None:
            raise UserError(photo.missing([file]))

    def draw_figure(file):
        import torch

        figure, poses = Figures(file).figure, Poses.load(assets.model("poses.safetensors")).codes[:1]
        matter = np.random.default_rng(0).standard_normal((1, CODE_DIM)).astype(np.float32)
        make_painter(figure, torch.device("cpu"), threads=1)(poses, matter)

    def read_poses(file):
        sounds = Codebook.load(assets.model("codebook.safetensors"))
        preset.load(preset.find("dancer")).pose_targets(Poses.load(file), sounds)

    reading("read-picture", look)
    reading("read-map", maps.load)
    reading("read-set", set_list.load)
    reading("draw", draw)
    reading("read-poses", read_poses)
    reading("draw-figure", draw_figure)


def tried(kind: str, case: Path, command: list[str]) -> str:
    """Run a command in the folder of a case; what is wrong with how it ended, or nothing."""
    from visualizer.cli import main

    before = {p.name for p in case.iterdir()}
    out, err = io.StringIO(), io.StringIO()
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak of memory is counted
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    signal.alarm(WALL_S)
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(command)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        import traceback

        return traceback.format_exc()[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    said = [line for line in re.split(r"[\r\n]", err.getvalue()) if line.startswith("visualizer")]
    left = {p.name for p in case.iterdir()} - before
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000
    for name in left:
        (case / name).unlink()
    if "Traceback" in err.getvalue():
        return err.getvalue()[-1500:]
    if code not in ((0, 1, 2) if kind == "video" else (0, 2)):
        return f"exit code {code}"
    if (code == 2) != (len(said) == 1):
        return f"exit code {code}, and it said {said}"
    if peak > MEMORY_MB:
        return f"{peak:.0f} MB"
    made = {"clip.mp4", "out.safetensors", "safe.mp4", "sheet.png"}
    allowed = made if code != 2 or "damaged" in said[0] else set()
    return f"left behind: {left - allowed}" if left - allowed else ""


def turn(kind: str, cases: list[tuple[Path, list[str]]], report) -> None:
    """In a fork: go through cases; a line before and after each."""
    for i, (case, command) in enumerate(cases):
        os.chdir(case)
        print(json.dumps([i, None]), file=report, flush=True)
        print(json.dumps([i, tried(kind, case, command)]), file=report, flush=True)


def forked(kind: str, cases: list[tuple[Path, list[str]]]) -> list[str]:
    """What was wrong with each case."""
    wrong, start = [""] * len(cases), 0
    while start < len(cases):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nowhere, number)
            with os.fdopen(write, "w") as report:
                turn(kind, cases[start:], report)
            os._exit(0)
        os.close(write)
        last, ended = -1, True
        with os.fdopen(read) as report:
            for line in report:
                i, what = json.loads(line)
                last, ended = i, what is not None
                wrong[start + i] = what or ""
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if ended and code == 0:
            break
        why = {-signal.SIGPROF: f"{CPU_S} s of processor time", -signal.SIGALRM: f"{WALL_S} s"}
        if not ended:
            wrong[start + last] = why.get(code, f"ended by {code}")
        start += last + 1
    return wrong


def essence(what: str) -> str:
    """By which finds are told apart."""
    lines = [line for line in what.strip().splitlines() if line.strip()]
    places = [line.strip() for line in lines if "/visualizer/" in line]
    return re.sub(r"\d+", "#", (places[-1] if places else "") + " | " + (lines[-1] if lines else ""))[:300]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(SHARES))
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--keep", type=Path, help="a folder for what was found")
    asked = parser.parse_args()
    rng, done, finds = random.Random(asked.seed), Counter(), {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.fork() == 0:  # so that this process has used no thread when it forks
            seeds(folder)
            os._exit(0)
        if os.wait()[1]:
            sys.exit("no seeds could be made")
        prepare()
        kinds = {kind: SHARES[kind] for kind in asked.kinds.split(",")}
        tune = str(folder / "song/a.wav")
        while sum(done.values()) < asked.count and time.monotonic() - begun < 60 * asked.minutes:
            kind = rng.choices(list(kinds), kinds.values())[0]
            cases, bad = [], {}
            for _ in range(TURN):
                seed = rng.choice(sorted((folder / kind).iterdir()))
                case = Path(tempfile.mkdtemp(dir=folder))
                bad[case] = case / f"bad{seed.suffix}"
                bad[case].write_bytes(MUTATE.get(kind, bytes_mutated)(seed.read_bytes(), rng))
                cases.extend((case, command) for command in arguments(kind, bad[case].name, tune))
            for (case, command), what in zip(cases, forked(kind, cases)):
                done[kind] += 1
                if not what:
                    continue
                key = f"{kind}: {essence(what)}"
                if key not in finds:
                    print(f"\n{' '.join(command)}\n{what}", flush=True)
                    if asked.keep:
                        asked.keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(bad[case], asked.keep / f"{kind}-{len(finds)}{bad[case].suffix}")
                finds[key] = finds.get(key, 0) + 1
            for case in bad:
                shutil.rmtree(case)
    print(f"\n{sum(done.values())} cases in {time.monotonic() - begun:.0f} s: {dict(done)}")
    print(f"{sum(finds.values())} finds of {len(finds)} kinds")
    for key, times in finds.items():
        print(f"{times:>6} {key}")
    sys.exit(bool(finds))


if __name__ == "__main__":
    main()
