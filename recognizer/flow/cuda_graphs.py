"""Repeats work on a GPU until a flag there says that it is done, launched as a CUDA graph.

Small kernels finish before Python has launched the next one. Here a block of them, which works in place on
buffers of its own, is recorded once and then launched as a whole. The flag is sent to the host after every
block, and the host reads it while the next block runs, so that the GPU never idles.

Only `cuda_graph` and `PinnedNotice` need a GPU: tests replace them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any, Protocol

import torch
from torch import Tensor

AHEAD = 1
"""Blocks launched before it is known whether they are needed; if they are not, they change nothing.

With 0 the GPU would idle while the host reads. Without a bound the host, which is much faster, would launch
every block before the first flag is back: of a call's 250, eight pairs of faces at 128 px need 34.
"""

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Records work without doing it; returns a function that does it and may be called many times."""


class Notice(Protocol):
    """Notice of one block: is anything still running after it?"""

    def send(self) -> None:
        """Requests the present state, without waiting for it."""

    def stopped(self, wait: bool) -> bool:
        """True if nothing was running when `send` was called; False also while that is unknown."""


class PinnedNotice:
    """A flag on the GPU, copied to pinned memory; an event tells when it has arrived."""

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
    """Records work on the current device. It must use tensors that stay in place, and must not synchronise.

    Graphs share the memory of their intermediate results: two of them must not run at the same time.
    """
    side, memory = _aside(torch.cuda.current_device())
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()  # libraries' set-up at their first call cannot be recorded
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Only this thread must do nothing unsafe meanwhile: others (of onnxruntime) may be using the GPU.
    with torch.cuda.graph(graph, pool=memory, stream=side, capture_error_mode="thread_local"):
        work()
    replay: Work = graph.replay
    return replay


@cache
def _aside(device: int) -> tuple[torch.cuda.Stream, Any]:
    """A stream to record on and the memory that the graphs share; sharing requires one stream for all."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream, torch.cuda.graph_pool_handle()


def repeat(work: Work, notices: Sequence[Notice], ahead: int = AHEAD) -> int:
    """Does the work once per notice, at most ``ahead`` times more than needed; returns how often."""
    for done, notice in enumerate(notices):
        if done > 0 and notices[done - 1].stopped(wait=False):
            return done
        if done > ahead and notices[done - 1 - ahead].stopped(wait=True):
            return done
        work()
        notice.send()
    return len(notices)


class Loop:
    """A block of work, recorded once, with its buffers.

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
        """Fills the buffers, works until nothing runs any more, and returns copies of the written buffers."""
        with self._one_at_a_time:
            for buffer, value in zip(self._buffers, values, strict=True):
                buffer.copy_(value)
            repeat(self._work, self._notices)
            return tuple(buffer.clone() for buffer in self._written)
