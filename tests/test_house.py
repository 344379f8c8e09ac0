"""The house: modules import from rooms to their left, never to their right, and none grows too large."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "visualizer"
# Which rooms a room may use besides itself; sound goes from left to right through the parts.
PARTS = ["audio", "latent", "neural", "picture", "output"]
MAY_USE = {
    "common": [],
    "audio": ["common"],
    "latent": ["common", "audio"],
    "control": ["common", "audio", "latent"],
    "neural": ["common", "audio", "latent"],
    "picture": ["common", "audio", "latent", "control", "neural"],
    "output": ["common", "audio", "latent", "control", "neural", "picture"],
    "learning": ["common", "audio", "latent", "control", "neural", "picture"],
    "live": ["common", "control", *PARTS],
    "offline": ["common", "control", *PARTS],
    "bench": ["common", "control", *PARTS, "live", "offline"],
    "cli": ["common", "control", *PARTS, "live", "offline", "learning", "bench"],
}
LONGEST = 400

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """The folder that a module lies in; "" for the package's own face."""
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("visualizer", *parts)).removesuffix(".__init__")


def imports(path: Path):
    """Names of this package's modules that a module imports, but for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node
    for node in ast.walk(tree):
        parent = node
        while (parent := getattr(parent, "parent", None)) is not None:
            if isinstance(parent, ast.If) and "TYPE_CHECKING" in ast.dump(parent.test):
                break
        if parent is not None:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("visualizer"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("visualizer"):
            for alias in node.names:
                inner = PACKAGE.joinpath(*node.module.split(".")[1:], alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent != PACKAGE], ids=name_of)
def test_imports_only_point_to_the_left(path):
    here = room(name_of(path))
    wrong = [name for name in imports(path) if room(name) not in ("", here, *MAY_USE[here])]
    assert not wrong, f"{name_of(path)} imports {', '.join(wrong)}, of rooms that {here} may not know"


def test_every_module_is_in_a_room():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert folders == set(MAY_USE)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_nothing_is_unpickled():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for word in ("pickle", "torch.load", "joblib", "shelve", "marshal"):
            assert f"import {word}" not in text and f"{word}(" not in text, f"{path} uses {word}"


def test_nothing_goes_by_a_clock_that_can_be_set():
    """Else a show would leap or stand still when the time is corrected. OSC's bundles tell such a time."""
    for path in MODULES:
        if name_of(path) != "visualizer.control.osc":
            text = path.read_text(encoding="utf-8")
            for word in ("time.time(", "datetime.now(", "CLOCK_REALTIME"):
                assert word not in text, f"{path} uses {word}"
