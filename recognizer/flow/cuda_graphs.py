"""Work repeated on a GPU until a flag on it says enough: launched as a CUDA graph, asked about in passing.

Small kernels are over sooner than Python has launched the next one. Here a block of them, which works in
place on buffers of its own, is recorded once and then launched as a whole. The flag goes to the host behind
every block, and the host reads it while the next block runs, so that the GPU is never out of work.

Only `cuda_graph` and `PinnedNotice` need a GPU: tests put others in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any, Protocol

import torch
from torch import Tensor

AHEAD = 1
"""Blocks that are launched before it is known whether they are needed; they change nothing if they are not.

With 0 the GPU would have nothing to do while the host reads. Without a bound the host, much faster, would
launch every block before the first flag is back: of a call's 250, eight pairs of faces at 128 px need 34.
"""

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Takes work that was not done yet; what it returns does it, and may be called many times."""


class Notice(Protocol):
    """News of one block: is anything still running after it?"""

    def send(self) -> None:
        """Asks for the news as of now, without waiting for it."""

    def stopped(self, wait: bool) -> bool:
        """Whether nothing was running when `send` was called; False too if that is not known yet."""


class PinnedNotice:
    """A flag on the GPU, copied to memory that the GPU writes by itself; an event tells when it is there."""

    def __init__(self, running: Tensor) -> None:
        self._running = running
        self._copy = torch.ones((), dtype=torch.bool, pin_memory=True)
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def send(self) -> None:
        self._copy.copy_(self._running, non_blocking=True)
        self._arrived.record()

    def stopped(self, wait: bool) -> bool:
        if wait:
            self._arrived.synchronize()
        arrived: bool = self._arrived.query()  # type: ignore[no-untyped-call]
        return arrived and not self._copy.item()


def cuda_graph(work: Work) -> Work:
    """Records the work of the current device. It must read and write tensors that stay, and not wait.

    Graphs share the memory of what they make on the way: two of them must not run at the same time.
    """
    side, memory = _aside(torch.cuda.current_device())
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()  # what libraries set up at their first call cannot be recorded
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Only this thread must do nothing unsafe meanwhile: others (of onnxruntime) may be using the GPU.
    with torch.cuda.graph(graph, pool=memory, stream=side, capture_error_mode="thread_local"):
        work()
    replay: Work = graph.replay
    return replay


@cache
def _aside(device: int) -> tuple[torch.cuda.Stream, Any]:
    """A stream to record on and the memory that the graphs share; sharing wants one stream for all."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream, torch.cuda.graph_pool_handle()


def repeat(work: Work, notices: Sequence[Notice], ahead: int = AHEAD) -> int:
    """Does the work once a notice, at most ``ahead`` times more often than needed; returns how often."""
    for done, notice in enumerate(notices):
        if done > 0 and notices[done - 1].stopped(wait=False):
            return done
        if done > ahead and notices[done - 1 - ahead].stopped(wait=True):
            return done
        work()
        notice.send()
    return len(notices)


class Loop:
    """A block of work that was recorded once, with the buffers that it works on.

    ``read`` and ``written``: buffers that ``work`` only reads, and those that it changes in place.
    ``notices``: one for each time that the work may be done. Several threads may call loops, on one stream.
    """

    _one_at_a_time = Lock()

    def __init__(
        self,
        read: Sequence[Tensor],
        written: Sequence[Tensor],
        work: Work,
        capture: Capture,
        notices: Sequence[Notice],
    ) -> None:
        self._buffers = (*read, *written)
        self._written = tuple(written)
        self._notices = notices
        self._work = capture(work)

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Fills the buffers, does the work until nothing runs, and returns copies of those it has written."""
        with self._one_at_a_time:
            for buffer, value in zip(self._buffers, values, strict=True):
                buffer.copy_(value)
            repeat(self._work, self._notices)
            return tuple(buffer.clone() for buffer in self._written)
