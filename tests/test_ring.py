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
from user_errors import raises

from recognizer.errors import AtmeError
from stream.frame import Frame
from stream.pipeline.ring import LEAST_KEPT, LOSSLESS_BACKLOG, RingBuffer

WIDTH, HEIGHT = 6, 4


def frame(index: int, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    """A frame whose every byte tells its index."""
    return Frame(index, index / 100, np.full((height, width, 3), index % 251, np.uint8))


def shows(picture: Frame, index: int) -> bool:
    return picture.index == index and bool((picture.image == index % 251).all())


class Model:
    """What the ring should hold, in plain lists of (index, time)."""

    def __init__(self, history_s: float, backlog_s: float, lossless: bool, most: int) -> None:
        self.history_s, self.backlog_s, self.lossless, self.most = history_s, backlog_s, lossless, most
        self.unread: list[tuple[int, float]] = []
        self.kept: list[tuple[int, float]] = []
        self.dropped = 0

    def push(self, index: int, time: float) -> None:
        while not self.lossless and self.unread and time - self.unread[0][1] > self.backlog_s:
            self.unread.pop(0)
            self.dropped += 1
        if len(self.unread) + len(self.kept) == self.most:
            if len(self.kept) > LEAST_KEPT + 1:
                self.kept.pop(0)
            else:
                self.unread.pop(0)
                self.dropped += 1
        self.unread.append((index, time))

    def next(self) -> int | None:
        if not self.unread:
            return None
        self.kept.append(self.unread.pop(0))
        while len(self.kept) > LEAST_KEPT + 1 and self.kept[0][1] < self.kept[-7][1] - self.history_s:
            self.kept.pop(0)
        return self.kept[-1][0]


MOST = LOSSLESS_BACKLOG + LEAST_KEPT + 2
"""Images that the smallest ring can hold."""


@settings(deadline=None)
@given(
    history_s=st.sampled_from([0.0, 0.05, 0.12, 1.0]),
    backlog_s=st.sampled_from([0.0, 0.03, 0.5]),
    lossless=st.booleans(),
    spare=st.integers(0, 5),
    steps=st.lists(st.one_of(st.integers(1, 4), st.just("next")), max_size=100),
)
def test_ring_holds_exactly_what_it_promises(
    history_s: float, backlog_s: float, lossless: bool, spare: int, steps: list[int | str]
) -> None:
    most = MOST + spare
    ring = RingBuffer(
        (WIDTH, HEIGHT), history_s, backlog_s, lossless=lossless, max_bytes=most * WIDTH * HEIGHT * 3
    )
    model = Model(history_s, backlog_s, lossless, most)
    index = 0
    views: dict[int, Frame] = {}
    for step in steps:
        if isinstance(step, int):
            full = len(model.unread) + len(model.kept) == most
            if lossless and (len(model.unread) == LOSSLESS_BACKLOG or (full and model.unread)):
                continue  # push would wait
            if lossless and full:
                with raises("unsupported", f"{WIDTH}x{HEIGHT}"):
                    ring.push(frame(index + step))
                continue
            index += step  # a step above 1 leaves a gap, as a pause does
            assert ring.push(frame(index))
            model.push(index, index / 100)
        else:
            expected = model.next()
            got = ring.next(timeout=0)
            assert (got is None) == (expected is None)
            if got is not None and expected is not None:
                assert shows(got, expected)
                assert got.timestamp == expected / 100
                views[expected] = got
        for kept, _ in model.kept:
            assert shows(views[kept], kept)  # current and history are never overwritten, not even the view
        held = {number for number, _ in (*model.kept, *model.unread)}
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
    assert [f.index for f in ring] == [number for number, _ in model.unread]
    assert ring.ended


def test_late_reader_gets_the_newest_frames() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0.02, backlog_s=0.021, lossless=False)
    for index in range(10):
        assert ring.push(frame(index))
    ring.close()
    assert [f.index for f in ring] == [7, 8, 9]
    assert ring.dropped == 7


def test_a_source_faster_than_it_claims_loses_no_history() -> None:
    """Nobody tells the ring a frame rate: a second is a second, at 30 frames or at 500."""
    for fps in (30, 500):
        ring = RingBuffer((WIDTH, HEIGHT), history_s=1.0, backlog_s=0.2, lossless=False)
        for index in range(3 * fps):
            assert ring.push(Frame(index, index / fps, frame(index).image))
            assert ring.next(timeout=0) is not None
        newest = 3 * fps - 1
        assert shows(ring.get(newest - fps + 1), newest - fps + 1)
        with pytest.raises(KeyError):
            ring.get(newest - fps - 2 - LEAST_KEPT)


@pytest.mark.parametrize("fps", [10, 30, 200])
def test_a_reader_that_is_some_frames_behind_finds_all_its_history(fps: int) -> None:
    """The spotter measures a frame while the landmarks of those after it are found."""
    ring = RingBuffer((WIDTH, HEIGHT), history_s=1.0, backlog_s=0.2, lossless=True)
    for index in range(3 * fps):
        assert ring.push(Frame(index, index / fps, frame(index).image))
        assert ring.next(timeout=0) is not None
    behind = 3 * fps - 1 - LEAST_KEPT
    assert shows(ring.get(behind - fps + 1), behind - fps + 1)


def test_memory_is_bounded_and_the_oldest_history_goes_first() -> None:
    pictures = 40
    ring = RingBuffer(
        (WIDTH, HEIGHT), history_s=1e9, backlog_s=1e9, lossless=False, max_bytes=pictures * WIDTH * HEIGHT * 3
    )
    for index in range(100):
        assert ring.push(frame(index))
        assert ring.next(timeout=0) is not None
    kept = [index for index in range(100) if ring.captured_at(index) is not None]
    assert kept == list(range(100 - pictures, 100))
    for index in range(100, 200):  # the reader hangs: what it has not seen goes only when no history is left
        assert ring.push(frame(index))
    assert ring.captured_at(99) is not None
    assert ring.dropped == 100 - (pictures - LEAST_KEPT - 1)


@pytest.mark.parametrize("lossless", [True, False])
def test_no_torn_frames_between_threads(lossless: bool) -> None:
    width, height, count, history = 320, 240, 1500, 20
    # Frames are a hundredth of a second apart by their own clock.
    ring = RingBuffer((width, height), history / 100, backlog_s=0.08, lossless=lossless)
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
    views: deque[Frame] = deque()
    for got in ring:
        seen.append(got.index)
        views.append(got)
        while views[0].timestamp < got.timestamp - history / 100:
            views.popleft()
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
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0.01, backlog_s=0.0, lossless=True)
    pushed: list[bool] = []
    progress = threading.Semaphore(0)

    def write() -> None:
        for index in range(LOSSLESS_BACKLOG + 2):
            pushed.append(ring.push(frame(index)))
            progress.release()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for _ in range(LOSSLESS_BACKLOG):
        assert progress.acquire(timeout=5)
    assert not progress.acquire(timeout=0.05)  # the next one waits
    first = ring.next()
    assert first is not None
    assert shows(first, 0)
    assert progress.acquire(timeout=5)
    assert not progress.acquire(timeout=0.05)  # and the last
    ring.close()
    writer.join(5)
    assert pushed == [True] * (LOSSLESS_BACKLOG + 1) + [False]
    assert [f.index for f in ring] == list(range(1, LOSSLESS_BACKLOG + 1))


def test_waiting_reader_wakes_on_frame_end_and_failure() -> None:
    for act, outcome in (("push", 0), ("close", None), ("fail", "lens fell off")):
        ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=False)
        acts = {
            "push": lambda ring=ring: ring.push(frame(0)),
            "close": ring.close,
            "fail": lambda ring=ring: ring.fail(AtmeError("source-lost", "lens fell off")),
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
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=False)
    before = time.monotonic()
    assert ring.next(timeout=0.05) is None
    assert 0.04 < time.monotonic() - before < 1
    assert not ring.ended


def test_failure_reaches_the_reader_after_what_was_captured() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=True)
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
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=True)
    ring.close()
    ring.fail(RuntimeError("closed under its feet"))
    assert ring.next() is None
    assert ring.ended


def test_another_size_is_refused() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=True)
    with raises("unsupported", "frame 5", "6x4", "8x4"):
        ring.push(frame(5, width=8))


def test_views_are_read_only_and_copies_are_not() -> None:
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0, backlog_s=0, lossless=True)
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
