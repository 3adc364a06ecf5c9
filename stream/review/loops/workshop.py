"""A thread that makes loops: the one being viewed comes first, those that may be next wait."""

from __future__ import annotations

import heapq
import os
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count

Make = Callable[[], bytes]
CACHE_BYTES = 256 * 2**20
"""Memory for finished loops; the longest unused are dropped first. Never on disk, as they show faces."""
_AHEAD_NICE = 10
"""Niceness of the thread (Linux): everything else on the machine goes first."""


class GiveWay(Exception):
    """Raised by ``Workshop.pause`` to stop the current work: it is redone later, or nobody waits for it."""


class Workshop:
    """``ask`` from any thread; the work is done piece by piece on a thread of its own."""

    def __init__(self, after: Workshop | None = None) -> None:
        """``after``: a workshop with priority; this one rests while that one is working."""
        self._after = after
        self._idle = threading.Event()
        self._idle.set()
        self._wake = threading.Condition()
        self._heap: list[tuple[int, int, str]] = []
        self._asked: dict[str, tuple[int, Make, Future[bytes]]] = {}
        self._waiting: Counter[str] = Counter()
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._order = count()
        self._running: tuple[str, Future[bytes]] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="loops", daemon=True)
        self._thread.start()

    def ask(self, key: str, make: Make, *, ahead: bool = False) -> Future[bytes]:
        """The result of ``make``, from the cache if it exists. ``ahead``: it can wait.

        The newest urgent request comes first; those that can wait follow in the order of asking.
        """
        with self._wake:
            if (found := self._cache.get(key)) is not None:
                self._cache.move_to_end(key)
                done: Future[bytes] = Future()
                done.set_result(found)
                return done
            self._waiting[key] += 1
            if self._running is not None and self._running[0] == key:
                return self._running[1]
            rank = 1 if ahead else 0
            before, _, future = self._asked.get(key, (2, make, Future()))
            if rank < before:
                self._asked[key] = (rank, make, future)
                order = next(self._order)
                heapq.heappush(self._heap, (rank, order if ahead else -order, key))
                self._idle.clear()
                self._wake.notify()
            return future

    def leave(self, key: str) -> None:
        """The caller no longer waits for it; what nobody waits for is not made."""
        with self._wake:
            if not self._waiting[key]:
                return  # it was finished at this moment
            self._waiting[key] -= 1
            if self._waiting[key] <= 0 and key in self._asked:
                self._asked.pop(key)[2].cancel()
                self._waiting.pop(key)

    def pause(self) -> None:
        """Called by ``make`` between its steps: rests while the workshop with priority is working.

        GiveWay where somebody waits for something else, or nobody for this.
        """
        if self._after is not None:
            self._after.wait_until_idle()
        with self._wake:
            assert self._running is not None
            hurried = bool(self._heap) and self._heap[0][0] == 0 and self._heap[0][2] in self._asked
            if self._closed or hurried or self._waiting[self._running[0]] <= 0:
                raise GiveWay

    def wait_until_idle(self) -> None:
        """Waits until every request has been served."""
        self._idle.wait()

    def forget(self) -> None:
        """Frees everything that was made."""
        with self._wake:
            self._cache.clear()
            self._held = 0

    def close(self) -> None:
        """Ends the thread after its current piece of work."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(10.0)

    def _work(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # of this thread alone
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _AHEAD_NICE)
        while (piece := self._next()) is not None:
            if self._after is not None:
                self._after.wait_until_idle()
            self._make(*piece)
        self._idle.set()
        for _, _, future in self._asked.values():
            if not future.cancel():  # it has given way
                future.set_exception(GiveWay())

    def _next(self) -> tuple[str, Make, Future[bytes]] | None:
        """The next piece of work, once there is one; None at the end."""
        with self._wake:
            while not self._closed:
                if not self._heap:
                    self._idle.set()
                    self._wake.wait()
                    continue
                key = heapq.heappop(self._heap)[2]
                asked = self._asked.pop(key, None)
                if asked is not None:  # None: it was requested twice, or no longer wanted
                    self._running = key, asked[2]
                    return key, *asked[1:]
            return None

    def _make(self, key: str, make: Make, future: Future[bytes]) -> None:
        made, failed = b"", None
        if future.running() or future.set_running_or_notify_cancel():
            try:
                made = make()
            except Exception as error:
                failed = error
        with self._wake:
            self._running = None
            if isinstance(failed, GiveWay) and self._waiting[key] > 0 and not self._closed:
                self._asked[key] = (1, make, future)
                heapq.heappush(self._heap, (1, next(self._order), key))
                return
            self._waiting.pop(key, None)
            if failed is None and made:
                self._keep(key, made)
        if failed is not None:
            future.set_exception(failed)
        elif not future.cancelled():
            future.set_result(made)

    def _keep(self, key: str, made: bytes) -> None:
        self._cache[key] = made
        self._held += len(made)
        while self._held > CACHE_BYTES and len(self._cache) > 1:
            self._held -= len(self._cache.popitem(last=False)[1])
