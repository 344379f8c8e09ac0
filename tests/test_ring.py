"""The ring under a producer and a consumer that run at full speed."""

import sys
import threading
import time

import pytest

from visualizer.latent.ring import Ring


def test_first_in_first_out():
    ring = Ring(4)
    assert ring.pop() is None
    for item in "abc":
        ring.push(item)
    assert [ring.pop() for _ in range(4)] == ["a", "b", "c", None]
    ring.push("d")
    assert ring.pop() == "d"
    assert ring.dropped == 0


def test_a_full_ring_loses_its_oldest_and_counts_them():
    ring = Ring(4)
    for item in range(10):
        ring.push(item)
    assert [ring.pop() for _ in range(5)] == [6, 7, 8, 9, None]
    assert ring.dropped == 6
    for item in range(10, 17):
        ring.push(item)
    assert [ring.pop() for _ in range(5)] == [13, 14, 15, 16, None]
    assert ring.dropped == 9


def test_it_does_not_grow():
    ring = Ring(8)
    ring.push(0)
    before = sys.getsizeof(ring._slots)
    for item in range(1000):
        ring.push(item)
    assert sys.getsizeof(ring._slots) == before


@pytest.mark.parametrize("size", [1, 2, 1024])
@pytest.mark.parametrize("consumer_sleeps", [False, True])
def test_order_kept_none_torn_none_doubled(size, consumer_sleeps):
    """Millions of events, threads switched every few microseconds: all are seen in order, or counted."""
    ring, count = Ring(size), 0
    done = threading.Event()
    switching = sys.getswitchinterval()

    def produce():
        nonlocal count
        deadline = time.perf_counter() + 0.4
        while time.perf_counter() < deadline:
            for _ in range(1000):
                ring.push((count, -count))
                count += 1
        done.set()

    seen, last = 0, -1
    sys.setswitchinterval(5e-6)
    try:
        producer = threading.Thread(target=produce)
        producer.start()
        while True:
            finished = done.is_set()
            item = ring.pop()
            if item is None:
                if finished:
                    break
                if consumer_sleeps:
                    time.sleep(1e-4)
                continue
            number, negated = item
            assert negated == -number, "torn"
            assert number > last, "doubled, or out of order"
            seen, last = seen + 1, number
        producer.join()
    finally:
        sys.setswitchinterval(switching)
    assert last == count - 1
    assert seen + ring.dropped == count
    assert seen > 0
    print(f"size {size}: {count} pushed, {seen} seen, {ring.dropped} overwritten")
