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


def test_it_works_where_nothing_can_be_kept(run, tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    found, _ = run(NUMBA_CACHE_DIR=str(nowhere / "folder"))
    assert found == 12
