"""Compiled loops: kept on disk, and made again when what is compiled into them has changed."""

import os
import textwrap

import pytest
from program import ENVIRONMENT, ran

LOOP = """
    import numpy as np
    from visualizer.common.compiled import compiled, inlined
    from factor import FACTOR, twice

    @compiled("int64(int64[::1])")
    def total(numbers):
        found = 0
        for i in range(len(numbers)):
            found += FACTOR * twice(numbers[i])
        return found

    print(total(np.arange(4)))
"""
FACTOR = """
    from visualizer.common.compiled import inlined

    FACTOR = {factor}

    @inlined
    def twice(number):
        return {twice} * number
"""


@pytest.fixture
def run(tmp_path):
    """Write the modules, run the first; (what it found, what it said)."""
    folder = tmp_path / "loops"
    folder.mkdir()

    def run(factor=1, twice=2, **environment):
        (folder / "loop.py").write_text(textwrap.dedent(LOOP))
        (folder / "factor.py").write_text(textwrap.dedent(FACTOR.format(factor=factor, twice=twice)))
        os.utime(folder / "loop.py", (0, 0))
        result = ran(module="loop", cwd=folder, environment={**ENVIRONMENT, **environment})
        return int(result.stdout), result.stderr

    return run


def test_it_compiles_once_and_says_so(run):
    found, said = run()
    assert found == 12 and "only this start" in said
    assert run() == (12, "")


def test_a_change_beside_the_loop_is_seen(run):
    run()
    assert run(factor=10)[0] == 120
    assert run(factor=10, twice=3)[0] == 180
    assert run() == (12, "")


@pytest.fixture
def nowhere(tmp_path):
    """Of the places that Numba knows, none can be written."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loops" / "__pycache__").write_text("")
    nowhere = str(tmp_path / "file" / "folder")
    return {"NUMBA_CACHE_DIR": "", "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "PYTHONDONTWRITEBYTECODE": "1"}


def test_a_place_is_found_where_the_usual_ones_can_not_be_written(run, tmp_path, nowhere):
    nowhere["TMPDIR"] = str(tmp_path)
    found, said = run(**nowhere)
    assert found == 12 and "only this start" in said
    assert run(**nowhere) == (12, "")


def test_a_place_that_others_may_write_is_not_used(run, tmp_path, nowhere):
    shared = tmp_path / f"visualizer-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    found, said = run(**nowhere, TMPDIR=str(tmp_path))
    assert found == 12 and "NUMBA_CACHE_DIR" in said
    assert not list(shared.iterdir())
