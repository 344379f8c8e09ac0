import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from visualizer.common.cores import GIVING_WAY, give_way, handing_over, painting_threads


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows priorities of threads")
def test_a_thread_gives_way_to_the_others():
    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def afterwards():
        give_way()
        return priority()

    before = priority()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(afterwards).result() == min(19, before + GIVING_WAY) > before
    assert priority() == before


def test_handing_over_ends_with_the_block():
    before = sys.getswitchinterval()
    with pytest.raises(RuntimeError), handing_over(0.001):
        assert sys.getswitchinterval() == pytest.approx(0.001)
        raise RuntimeError
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 1), (4, 3), (64, 8)])
def test_a_painter_leaves_a_core_to_the_rest(monkeypatch, cores, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert painting_threads() == threads
