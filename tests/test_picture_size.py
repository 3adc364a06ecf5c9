"""A live source's frames of another size: garbled ones are left out, a real change starts afresh."""

from __future__ import annotations

import numpy as np

from stream.frame import Frame, Image
from stream.pipeline.gap import Gap, GapFinder
from stream.pipeline.ring import LEAST_KEPT, LOSSLESS_BACKLOG, RingBuffer
from stream.sources import FrameSource

SIZE, OTHER = (8, 6), (12, 10)


def image(size: tuple[int, int]) -> Image:
    return np.zeros((size[1], size[0], 3), np.uint8)


class Live(FrameSource):
    """Frames of given times and sizes."""

    def __init__(self, frames: list[tuple[float, tuple[int, int]]]) -> None:
        super().__init__(name="live", live=True, size=SIZE, nominal_fps=10.0)
        self.frames = iter(frames)

    def read_next(self) -> tuple[float, Image] | None:
        taken = next(self.frames, None)
        return None if taken is None else (taken[0], image(taken[1]))

    def release(self) -> None: ...


def test_single_frames_of_another_size_are_left_out_and_counted():
    source = Live([(0.0, SIZE), (0.1, OTHER), (0.2, SIZE), (0.3, (9, 9)), (0.4, OTHER), (0.5, SIZE)])
    assert [frame.index for frame in iter(source.read, None)] == [0, 2, 5]
    assert source.left_out == 3
    assert source.size == SIZE
    (warning,) = source.warnings
    assert warning == "some frames were damaged in transmission (another size) and were left out"


def test_another_size_that_lasts_is_the_size_from_then_on():
    source = Live([(index / 10, SIZE if index < 3 else OTHER) for index in range(12)])
    frames = list(iter(source.read, None))
    assert [frame.index for frame in frames] == [0, 1, 2, 8, 9, 10, 11]
    assert source.size == OTHER
    assert source.left_out == 5
    assert "the image changed from 8x6 to 12x10" in source.warnings
    finder = GapFinder()
    gaps = [gap for frame in frames if (gap := finder.before(frame))]
    assert gaps == [Gap(frames[2].timestamp, frames[3].timestamp, "frame size changed")]


def test_a_ring_takes_another_size_live_and_keeps_what_it_holds():
    ring = RingBuffer(SIZE, history_s=1.0, backlog_s=10.0, lossless=False)
    for index, size in enumerate([SIZE, SIZE, OTHER, SIZE, OTHER]):
        picture = image(size)
        picture[:] = index
        assert ring.push(Frame(index, index / 10, picture))
        assert ring.next() is not None
    for index, size in enumerate([SIZE, SIZE, OTHER, SIZE, OTHER]):
        kept = ring.get(index).image
        assert kept.shape == image(size).shape
        assert (kept == index).all()


def test_a_larger_size_keeps_to_the_memory():
    ring = RingBuffer(SIZE, history_s=100.0, backlog_s=100.0, lossless=False, max_bytes=40 * 3 * 8 * 6)
    for index in range(60):
        ring.push(Frame(index, index / 10, image(SIZE if index < 30 else (80, 60))))
        ring.next()
    assert len(ring._slots) <= LOSSLESS_BACKLOG + LEAST_KEPT + 2
