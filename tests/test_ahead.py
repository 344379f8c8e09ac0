"""Working ahead on another thread gives the same items, no more of them than wanted, and hides no error."""

import threading
import time

import pytest

from visualizer.common.ahead import ahead


def test_the_same_items_in_order():
    with ahead(range(1000), depth=3) as items:
        assert list(items) == list(range(1000))


def test_it_works_while_the_reader_works_but_not_further_ahead_than_asked():
    made = []

    def source():
        for i in range(10):
            made.append(i)
            yield i

    with ahead(source(), depth=2) as items:
        assert next(items) == 0
        deadline = time.monotonic() + 5
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        # The one taken, two waiting, and one in hand.
        assert made == [0, 1, 2, 3]


def test_an_error_comes_out_where_the_items_do():
    def source():
        yield 1
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), ahead(source(), depth=2) as items:
        assert next(items) == 1
        next(items)


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    with ahead(iter(int, 1), depth=2) as items:
        next(items)
    assert threading.active_count() == before
