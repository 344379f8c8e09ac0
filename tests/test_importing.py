"""Importing strangers' files: honest ones of any writer are understood, and nothing in any of them is run."""

import io
import pickle
import random
import struct
import sys
import time
import tracemalloc

import pytest
import stylegan_files as files
import torch

from visualizer.cli import main
from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.learning.importing.machine import Refused
from visualizer.learning.importing.stylegan import from_parts, import_network
from visualizer.learning.importing.values import read
from visualizer.neural.stylegan.imported import StyleGan

# What a program can't do without: to import, to compile, to run, to write, to call home.
TRACES = (
    "import",
    "compile",
    "exec",
    "open",
    "os.",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "marshal.",
    "pickle.",
)
watching, seen = False, []


def watch(event, arguments):
    if watching and event.startswith(TRACES):
        seen.append((event, arguments))


sys.addaudithook(watch)


def watched(raw: bytes):
    """The network that bytes hold, or None where they are refused; anything done besides fails the test."""
    global watching
    seen.clear()
    watching = True
    try:
        return from_parts(read(raw))
    except Refused:
        return None
    finally:
        watching = False
        assert not seen, seen[:3]


@pytest.fixture(scope="module", autouse=True)
def honest():
    raw = files.pickled(files.stylegan2(channels=(2, 2, 2), seed=9))
    from_parts(read(raw))  # what libraries import at first use is no trace of a file
    "".encode("raw_unicode_escape")
    return raw


@pytest.fixture(scope="module")
def network(honest):
    network = watched(honest)
    assert network is not None
    return network


def same(network, other):
    codes = network.random_codes(1, seed=0)[0]
    return other is not None and torch.allclose(network(codes), other(codes), atol=1e-4)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_all_writers_are_understood(honest, network, protocol):
    raw = files.pickled(files.stylegan2(channels=(2, 2, 2), seed=9), protocol)
    assert same(network, watched(raw))
    # numpy's modules had other names before its version 2.
    older = raw.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray").replace(
        b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"
    )
    if protocol != 4:  # there the replaced word changes its frame's length, which nobody needs
        assert older != raw
    assert same(network, watched(older))


def test_strided_weights_keep_their_order(network):
    generator = files.stylegan2(channels=(2, 2, 2), seed=9)
    layer = generator.parts["synthesis"].parts["b8"].parts["conv0"]
    weight = layer.parameters["weight"]
    layer.parameters["weight"] = torch.nn.Parameter(weight.to(memory_format=torch.channels_last), False)
    assert same(network, watched(files.pickled(generator)))


class Call:
    """What pickles as the call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def nested(generator, attack):
    """The attack, hidden in the second pickle inside the bytes of a tensor."""
    raw = files.pickled(generator)
    start = raw.index(struct.pack("<B", 0x80) + b"\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    begin = raw.index(b"X\x07\x00\x00\x00storage", start) - 1
    end = raw.index(b"Q.", begin)
    room = end - begin
    assert len(attack) <= room
    return raw[:begin] + attack + b"N" * (room - len(attack)) + raw[end:]


ATTACKS = {
    "system": b"cposix\nsystem\n(S'touch PWNED'\ntR.",
    "eval": b"c__builtin__\neval\n(S'1'\ntR.",
    "instance": b"(S'touch PWNED'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'touch PWNED'\no.",
    "class": b"csubprocess\nPopen\n(S'touch PWNED'\nt\x81.",
    "keywords": b"csubprocess\nPopen\n(S'touch PWNED'\nt}\x92.",
    "getattr": b"c__builtin__\ngetattr\n(c__builtin__\nlist\nS'append'\ntR.",
    "state of a name": b"cos\nsystem\n}S'a'\nNsb.",
    "extension": b"\x82\x01.",
    "persistent": b"S'x'\nQ.",
    "persistent by text": b"Px\n.",
    "call a call": b"ccollections\nOrderedDict\n)R)R.",
    "load bytes": b"ctorch.storage\n_load_from_bytes\n(S'x'\ntR.",
    "buffer": b"\x97.",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_run(name, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attack = ATTACKS[name]
    begin = b"\x80\x02"
    assert watched(begin + attack) is None
    # As a key, as a value that is thrown away, and in front of an honest network.
    assert watched(begin + b"}" + attack[:-1] + b"Ns.") is None
    assert watched(begin + attack[:-1] + b"0}.") is None
    if len(attack) < 40 and b"storage" not in attack:
        assert watched(nested(files.stylegan2(channels=(2, 2, 2)), attack[:-1])) is None
    path = tmp_path / "evil.pkl"
    path.write_bytes(begin + attack)
    with pytest.raises(UserError, match="nothing in it was run"):
        import_network(path)
    assert [p.name for p in tmp_path.iterdir()] == ["evil.pkl"]


def test_what_is_beside_the_network_counts_too():
    """A file that would do harm elsewhere is refused, even where its network is honest."""
    for place in ("D", "augment_pipe", "stats"):
        raw = files.pickled(files.stylegan2(channels=(2, 2, 2)), **{place: Call(print, "harm")})
        assert watched(raw) is None


def long_bytes(n):
    return b"\x8e" + struct.pack("<Q", n)


BOMBS = {
    "promises": b"\x80\x04" + long_bytes(2**62) + b".",
    "promised text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".",
    "promised number": b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "brackets": b"\x80\x04" + b"]" * 1_000_000 + b".",
    "a tower": b"\x80\x04)" + b"\x85" * 300_000 + b".",
    "laughs": b"\x80\x04)" + b"2\x86" * 100_000 + b".",
    "a tower as a key": b"\x80\x04})" + b"2\x86" * 60 + b"Ns.",
    "a list in itself": b"\x80\x04]2a.",
    "a far memo": b"\x80\x04Nr\xff\xff\xff\xff.",
    "collisions": b"\x80\x04}("
    + b"".join(b"\x8a\x0b" + (k * (2**61 - 1)).to_bytes(11, "little") + b"N" for k in range(1, 100_000))
    + b"u.",
    "digits": b"\x80\x04I" + b"9" * 3_000_000 + b"\n.",
    "copies": b"\x80\x04ccollections\nOrderedDict\n0](" + b"(K\x01Nt" * 10 + b"e.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_all_time_or_memory(name):
    begun = time.process_time()
    tracemalloc.start()
    assert watched(BOMBS[name]) is None
    assert tracemalloc.get_traced_memory()[1] < 500e6
    tracemalloc.stop()
    assert time.process_time() - begun < 60


def test_tensors_that_show_more_than_they_hold(monkeypatch):
    """A stride of 0 repeats one number for ever; a long one reads what lies behind."""
    generator = files.stylegan2(channels=(2, 2, 2))
    constant = generator.parts["synthesis"].parts["b4"].parameters
    for size, stride in (((2, 2**20, 2**20), (0, 0, 0)), ((2, 4, 4), (2**40, 4, 1)), ((2, 4, 4), (16, 4, 2))):
        loose = torch._utils._rebuild_tensor_v2
        constant["const"] = Call(loose, torch.zeros(32).untyped_storage(), 0, size, stride, False, None)
        constant["const"].call = (loose, (torch.zeros(32).storage(), 0, size, stride, False, {}))
        assert watched(files.pickled(generator)) is None


def test_broken_files_are_refused_and_never_more(honest, network):
    """Bytes changed, cut, doubled and moved at random: a network or a refusal, at once, and nothing else."""
    rng = random.Random(0)
    others = 0
    begun = time.process_time()
    for _ in range(400):
        raw = bytearray(honest)
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(raw))
            match rng.randrange(5):
                case 0:
                    raw[place] = rng.randrange(256)
                case 1:
                    del raw[place : place + rng.randrange(1, 50)]
                case 2:
                    raw[place:place] = raw[place : place + rng.randrange(1, 50)]
                case 3:
                    raw[place:place] = bytes(
                        [rng.choice(b"(.0123DFGIKLMNRQTUVXabcdeghijlopqrstu]}\x81\x85\x93")]
                    )
                case 4:
                    raw[place:place] = rng.choice(list(ATTACKS.values()))[:-1]
        found = watched(bytes(raw))
        others += found is None
        if found is not None:
            assert torch.isfinite(found(found.random_codes(1, 0)[0])).all()
    assert 200 < others < 400
    assert time.process_time() - begun < 120


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "it is no pickle"),
        (b"PK\x03\x04rest", "newer torch"),
        (pickle.dumps({"G": None}), "no generator under G_ema"),
        (pickle.dumps({"G_ema": 1}), "no generator under G_ema"),
        (b"\x80\x04}", "damaged"),
    ],
)
def test_other_files_are_explained(raw, sentence, tmp_path, capsys):
    path = tmp_path / "network.pkl"
    path.write_bytes(raw)
    with pytest.raises(SystemExit) as ended:
        main(["import", str(path), "-o", str(tmp_path / "mine.safetensors")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said and str(path) in said and said.count("\n") == 1
    assert not (tmp_path / "mine.safetensors").exists()


def test_networks_that_cannot_be_are_refused():
    def changed(change):
        generator = files.stylegan3()
        change(generator.parts["synthesis"])
        return watched(files.pickled(generator))

    layer = "L1_22_4"
    assert changed(lambda s: None) is not None
    assert changed(lambda s: s.parts[s.fields["layer_names"][1]].fields.update(up_factor=2**40)) is None
    assert changed(lambda s: s.parts[s.fields["layer_names"][1]].fields.update(padding=[2**30] * 4)) is None
    assert (
        changed(lambda s: s.parts[s.fields["layer_names"][1]].buffers.update(up_filter=torch.zeros(3)))
        is None
    )
    assert changed(lambda s: s.fields.update(img_resolution=32)) is None
    assert changed(lambda s: s.fields.update(layer_names=[layer])) is None
    assert changed(lambda s: s.parts["input"].fields.update(size=[2**20, 2**20])) is None
    assert changed(lambda s: s.parts["input"].parameters["weight"].fill_(float("nan"))) is None


def test_the_command(honest, tmp_path, capsys):
    path, out = tmp_path / "network.pkl", tmp_path / "mine.safetensors"
    path.write_bytes(honest)
    with pytest.raises(SystemExit) as ended:
        main(["import", str(path), "-o", str(out)])
    assert ended.value.code == 0
    assert "StyleGAN2, 16×16" in capsys.readouterr().out
    assert weights.kind(out) == "stylegan"
    assert same(StyleGan.load(out), watched(honest))


def test_audit_sees_what_is_forbidden():
    """The watch itself works."""
    global watching
    watching, _ = True, seen.clear()
    try:
        pickle.load(io.BytesIO(b"cbuiltins\nopen\n(S'/dev/null'\ntR."))
    finally:
        watching = False
    assert seen
