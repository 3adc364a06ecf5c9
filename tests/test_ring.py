"""The ring between the capture thread and its readers: what it keeps, drops, blocks on and tells."""

from __future__ import annotations

import random
import threading
import time
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognizer.errors import AtmeError
from stream.frame import Frame
from stream.ring import RingBuffer

WIDTH, HEIGHT = 6, 4


def frame(index: int, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    """A frame whose every byte tells its index."""
    return Frame(index, index / 100, np.full((height, width, 3), index % 251, np.uint8))


def shows(picture: Frame, index: int) -> bool:
    return picture.index == index and bool((picture.image == index % 251).all())


class Model:
    """What the ring should hold, in plain lists."""

    def __init__(self, history: int, max_backlog: int) -> None:
        self.history, self.max_backlog = history, max_backlog
        self.unread: deque[int] = deque()
        self.read: list[int] = []
        self.dropped = 0

    def push(self, index: int) -> None:
        if len(self.unread) == self.max_backlog:
            self.unread.popleft()
            self.dropped += 1
        self.unread.append(index)

    def next(self) -> int | None:
        if not self.unread:
            return None
        self.read.append(self.unread.popleft())
        return self.read[-1]

    @property
    def kept(self) -> list[int]:
        return self.read[-self.history - 1 :]


@settings(deadline=None)
@given(
    history=st.integers(0, 6),
    max_backlog=st.integers(1, 5),
    lossless=st.booleans(),
    steps=st.lists(st.one_of(st.integers(1, 3), st.just("next")), max_size=80),
)
def test_ring_holds_exactly_what_it_promises(
    history: int, max_backlog: int, lossless: bool, steps: list[int | str]
) -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history, max_backlog, lossless=lossless)
    model = Model(history, max_backlog)
    index = 0
    views: dict[int, Frame] = {}
    for step in steps:
        if isinstance(step, int):
            if lossless and len(model.unread) == max_backlog:
                continue  # push would wait
            index += step  # a step above 1 leaves a gap, as a pause does
            assert ring.push(frame(index))
            model.push(index)
        else:
            expected = model.next()
            got = ring.next(timeout=0)
            assert (got is None) == (expected is None)
            if got is not None and expected is not None:
                assert shows(got, expected)
                assert got.timestamp == expected / 100
                views[expected] = got
        for kept in model.kept:
            assert shows(views[kept], kept)  # current and history are never overwritten, not even the view
        held = {*model.kept, *model.unread}
        for any_index in range(index + 2):
            if any_index in held:
                assert shows(ring.get(any_index), any_index)
                assert ring.captured_at(any_index) is not None
            else:
                with pytest.raises(KeyError):
                    ring.get(any_index)
                assert ring.captured_at(any_index) is None
        assert (ring.dropped, ring.backlog) == (model.dropped, len(model.unread))
    if lossless:
        assert ring.dropped == 0
    ring.close()
    assert [f.index for f in ring] == list(model.unread)
    assert ring.ended


def test_late_reader_gets_the_newest_frames() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=2, max_backlog=3, lossless=False)
    for index in range(10):
        assert ring.push(frame(index))
    ring.close()
    assert [f.index for f in ring] == [7, 8, 9]
    assert ring.dropped == 7


@pytest.mark.parametrize("lossless", [True, False])
def test_no_torn_frames_between_threads(lossless: bool) -> None:
    width, height, count, history = 320, 240, 1500, 20
    ring = RingBuffer((width, height), history, max_backlog=8, lossless=lossless)
    newest = 0
    looked_back = [0, 0]
    torn: list[int] = []
    done = threading.Event()

    def write() -> None:
        nonlocal newest
        for index in range(count):
            assert ring.push(frame(index, width, height))
            newest = index
        ring.close()

    def look_back(reader: int) -> None:
        dice = random.Random(reader)
        while not done.is_set():
            index = max(0, newest - dice.randrange(history + 12))
            try:
                got = ring.get(index)
            except KeyError:
                continue
            if not shows(got, index):
                torn.append(index)
            looked_back[reader] += 1

    others = [threading.Thread(target=look_back, args=(reader,), daemon=True) for reader in (0, 1)]
    writer = threading.Thread(target=write, daemon=True)
    for thread in (*others, writer):
        thread.start()
    seen: list[int] = []
    views: deque[Frame] = deque(maxlen=history + 1)
    for got in ring:
        seen.append(got.index)
        views.append(got)
        oldest = views[0]
        if not shows(got, seen[-1]) or not shows(oldest, oldest.index):
            torn.append(got.index)
    done.set()
    for thread in (*others, writer):
        thread.join(10)
        assert not thread.is_alive()
    assert torn == []
    assert min(looked_back) > 20
    assert seen == sorted(set(seen))
    assert seen[-1] == count - 1  # the newest always gets in
    assert len(seen) + ring.dropped == count
    if lossless:
        assert ring.dropped == 0


def test_lossless_push_waits_for_the_reader_and_wakes_on_close() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=1, max_backlog=2, lossless=True)
    pushed: list[bool] = []
    progress = threading.Semaphore(0)

    def write() -> None:
        for index in range(4):
            pushed.append(ring.push(frame(index)))
            progress.release()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for _ in range(2):
        assert progress.acquire(timeout=5)
    assert not progress.acquire(timeout=0.05)  # the third waits
    first = ring.next()
    assert first is not None
    assert shows(first, 0)
    assert progress.acquire(timeout=5)
    assert not progress.acquire(timeout=0.05)  # the fourth waits
    ring.close()
    writer.join(5)
    assert pushed == [True, True, True, False]
    assert [f.index for f in ring] == [1, 2]


def test_waiting_reader_wakes_on_frame_end_and_failure() -> None:
    for act, outcome in (("push", 0), ("close", None), ("fail", "lens fell off")):
        ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=1, lossless=False)
        acts = {
            "push": lambda ring=ring: ring.push(frame(0)),
            "close": ring.close,
            "fail": lambda ring=ring: ring.fail(AtmeError("lens fell off")),
        }
        timer = threading.Timer(0.05, acts[act])
        timer.start()
        try:
            got = ring.next(timeout=10)
            assert (got.index if got else None) == outcome
        except AtmeError as error:
            assert str(error) == outcome  # noqa: PT017
        timer.join()
        assert ring.ended == (act == "close")


def test_next_gives_up_in_time() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=1, lossless=False)
    before = time.monotonic()
    assert ring.next(timeout=0.05) is None
    assert 0.04 < time.monotonic() - before < 1
    assert not ring.ended


def test_failure_reaches_the_reader_after_what_was_captured() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=3, lossless=True)
    ring.push(frame(0))
    failure = RuntimeError("the writer died")
    ring.fail(failure)
    assert not ring.push(frame(1))
    got = ring.next()
    assert got is not None
    assert got.index == 0
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            ring.next()
        assert caught.value is failure
    assert not ring.ended  # "ended" is for a good end


def test_failure_after_the_end_is_no_failure() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=3, lossless=True)
    ring.close()
    ring.fail(RuntimeError("closed under its feet"))
    assert ring.next() is None
    assert ring.ended


def test_another_size_is_refused() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=1, lossless=True)
    with pytest.raises(AtmeError, match=r"frame 5: the picture changed from 6x4 to 8x4"):
        ring.push(frame(5, width=8))


def test_views_are_read_only_and_copies_are_not() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history=0, max_backlog=1, lossless=True)
    before = time.monotonic()
    ring.push(frame(3))
    after = time.monotonic()
    view = ring.next()
    assert view is not None
    with pytest.raises(ValueError, match="read-only"):
        view.image[0] = 0
    ring.get(3).image[0] = 0
    assert shows(ring.get(3), 3)
    captured = ring.captured_at(3)
    assert captured is not None
    assert before <= captured <= after
