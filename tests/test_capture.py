"""The capture thread: pacing, pause, stop and failure, with sources that are driven by the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from user_errors import raises

from recognizer.errors import AtmeError
from stream.frame import Image
from stream.pipeline.capture import Capture
from stream.pipeline.ring import RingBuffer
from stream.sources import open_recording
from stream.sources.base import FrameSource

SIZE = (8, 6)


class Scripted(FrameSource):
    """Frames at given times; ``gate`` may hold each back, as a camera does."""

    def __init__(self, times: list[float], *, live: bool, gate: threading.Semaphore | None = None) -> None:
        super().__init__(name="scripted", live=live, size=SIZE, nominal_fps=100.0)
        self.times = iter(times)
        self.gate = gate
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()
        self.failure: Exception | None = None

    def read_next(self) -> tuple[float | None, Image] | None:
        self.asked.release()
        if self.gate:
            self.gate.acquire()
        if self.failure:
            raise self.failure
        timestamp = next(self.times, None)
        return None if timestamp is None else (timestamp, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))

    def release(self) -> None:
        self.released.set()


def ring(lossless: bool = True) -> RingBuffer:
    return RingBuffer(SIZE, history_s=0.02, backlog_s=10.0, lossless=lossless)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_whole_recording_arrives_in_order(shared: Path) -> None:
    source = open_recording(shared / "media" / "single_face.mp4")
    frames = RingBuffer(source.size, history_s=0.2, backlog_s=0.1, lossless=True)
    capture = Capture(source, frames)
    capture.start()
    seen = [(frame.index, frame.timestamp, int(frame.image.sum())) for frame in frames]
    assert capture.join(5)
    assert frames.ended
    assert frames.dropped == 0
    with open_recording(shared / "media" / "single_face.mp4") as again:
        straight = [(f.index, f.timestamp, int(f.image.sum())) for f in iter(again.read, None)]
    assert seen == straight


def test_unpaced_replay_does_not_wait() -> None:
    frames = ring()
    capture = Capture(Scripted([0.0, 100.0, 200.0], live=False), frames)
    before = time.monotonic()
    capture.start()
    assert [frame.timestamp for frame in frames] == [0.0, 100.0, 200.0]
    assert time.monotonic() - before < 2


def test_paced_replay_keeps_media_time() -> None:
    times = [0.0, 0.05, 0.06, 0.2, 0.3]
    frames = ring()
    capture = Capture(Scripted(times, live=False), frames, pace=True)
    capture.start()
    assert capture.join(5)
    captured = [frames.captured_at(index) or 0.0 for index in range(5)]
    took = [moment - captured[0] for moment in captured]
    for due, moment in zip(times, took, strict=True):
        assert due - 0.005 <= moment <= due + 0.1  # never early; late by no more than a busy machine explains


def test_paused_replay_stops_and_goes_on_at_its_pace() -> None:
    times = [index / 50 for index in range(15)]
    frames = ring(lossless=False)  # takes them all, and no reader is needed
    capture = Capture(Scripted(times, live=False), frames, pace=True)
    capture.start()
    wait_until(lambda: frames.backlog >= 3)
    capture.pause()
    assert capture.paused
    before = frames.backlog
    assert not capture.join(0.25)  # without a pause the rest would come in this time
    assert frames.backlog <= before + 1  # one may have been on its way
    at_pause = frames.backlog
    resumed = time.monotonic()
    capture.resume()
    assert capture.join(5)
    captured = [frames.captured_at(index) or 0.0 for index in range(15)]
    assert captured[at_pause] >= resumed
    # The pause was not made up for: what was left took as long as it should.
    assert captured[-1] - captured[at_pause] >= times[-1] - times[at_pause] - 0.005
    assert capture.skipped_paused == 0


def test_paused_live_source_is_read_and_discarded() -> None:
    gate = threading.Semaphore(0)
    source = Scripted([index / 100 for index in range(8)], live=True, gate=gate)
    frames = ring(lossless=False)
    capture = Capture(source, frames)
    capture.start()
    gate.release(3)
    wait_until(lambda: frames.backlog == 3)
    capture.pause()
    gate.release(2)
    wait_until(lambda: capture.skipped_paused == 2)
    capture.resume()
    gate.release(4)
    assert capture.join(5)
    assert [frame.index for frame in frames] == [0, 1, 2, 5, 6, 7]
    assert frames.dropped == 0  # let go on purpose, counted apart


@pytest.mark.parametrize(
    "error", [AtmeError("source-lost", "camera 0: the camera stalled"), RuntimeError("a bug")]
)
def test_failure_reaches_the_reader(error: Exception) -> None:
    gate = threading.Semaphore(2)
    source = Scripted([0.0, 0.01, 0.02], live=True, gate=gate)
    frames = ring(lossless=False)
    capture = Capture(source, frames)
    capture.start()
    wait_until(lambda: frames.backlog == 2)
    source.failure = error
    gate.release()
    seen = []
    with pytest.raises(type(error)) as caught:
        seen.extend(frame.index for frame in frames)
    assert caught.value is error
    assert capture.join(5)
    assert source.released.is_set()


def test_change_of_size_reaches_the_reader() -> None:
    frames = RingBuffer((4, 4), history_s=0, backlog_s=0, lossless=True)
    Capture(Scripted([0.0], live=False), frames).start()
    with raises("unsupported", "4x4", "8x6"):
        frames.next(timeout=5)


def test_stop_is_quick_while_the_source_hangs() -> None:
    gate = threading.Semaphore(0)
    source = Scripted([0.0], live=True, gate=gate)
    frames = ring(lossless=False)
    capture = Capture(source, frames)
    capture.start()
    assert source.asked.acquire(timeout=5)  # the thread is inside the source now
    before = time.monotonic()
    capture.stop()
    assert time.monotonic() - before < 0.1
    assert frames.next(timeout=5) is None
    assert frames.ended
    assert not capture.join(0.05)
    assert not source.released.is_set()  # not while the thread is in it
    gate.release()
    assert capture.join(5)
    assert source.released.is_set()


def test_error_from_closing_the_source_is_no_failure() -> None:
    gate = threading.Semaphore(0)
    source = Scripted([0.0], live=True, gate=gate)
    frames = ring(lossless=False)
    capture = Capture(source, frames)
    capture.start()
    assert source.asked.acquire(timeout=5)
    capture.stop()
    source.failure = OSError("bad file descriptor")
    gate.release()
    assert capture.join(5)
    assert frames.next(timeout=5) is None


@pytest.mark.parametrize("state", ["waiting for the reader", "waiting for its time", "paused"])
def test_stop_ends_every_wait(state: str) -> None:
    times = [0.0, 1000.0] if state == "waiting for its time" else [index / 100 for index in range(100)]
    source = Scripted(times, live=False)
    frames = ring()
    capture = Capture(source, frames, pace=state == "waiting for its time")
    if state == "paused":
        capture.pause()
    capture.start()
    for _ in range(1 if state == "paused" else 2):
        assert source.asked.acquire(timeout=5)
    assert not capture.join(0.05)
    capture.stop()
    assert capture.join(5)
    assert source.released.is_set()
