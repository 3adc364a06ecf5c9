"""One thread that makes loops: what is looked at comes first, what may be looked at next waits."""

from __future__ import annotations

import heapq
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count

Make = Callable[[], bytes]
CACHE_BYTES = 256 * 2**20
"""Of finished loops; the longest unused go first. They are never written to a disk: they show faces."""
_AHEAD_NICE = 10
"""How much the thread gives way to everything else on the machine (Linux)."""


class GiveWay(Exception):
    """Raised by what is made, between two steps of it, where ``Workshop.hurried``: it is made again later."""


class Workshop:
    """``ask`` from any thread; the work is done one piece after another on a thread of its own."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._heap: list[tuple[int, int, str]] = []
        self._asked: dict[str, tuple[int, Make, Future[bytes]]] = {}
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._order = count()
        self._running: tuple[str, Future[bytes]] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="loops", daemon=True)
        self._thread.start()

    def ask(self, key: str, make: Make, *, ahead: bool = False) -> Future[bytes]:
        """What ``make`` gives, from the cache where it has been made. ``ahead``: it can wait."""
        with self._wake:
            if (found := self._cache.get(key)) is not None:
                self._cache.move_to_end(key)
                done: Future[bytes] = Future()
                done.set_result(found)
                return done
            if self._running is not None and self._running[0] == key:
                return self._running[1]
            rank = 1 if ahead else 0
            before, _, future = self._asked.get(key, (2, make, Future()))
            if rank < before:
                self._asked[key] = (rank, make, future)
                heapq.heappush(self._heap, (rank, -next(self._order), key))
                self._wake.notify()
            return future

    @property
    def hurried(self) -> bool:
        """Somebody waits for something else, at once."""
        with self._wake:
            return bool(self._heap) and self._heap[0][0] == 0

    def forget(self) -> None:
        """Lets go of everything that was made."""
        with self._wake:
            self._cache.clear()
            self._held = 0

    def close(self) -> None:
        """Ends the thread after the piece of work that it is at."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(10.0)

    def _work(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # of this thread alone
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _AHEAD_NICE)
        while True:
            with self._wake:
                while not self._heap and not self._closed:
                    self._wake.wait()
                if self._closed:
                    break
                key = heapq.heappop(self._heap)[2]
                asked = self._asked.pop(key, None)
                self._running = None if asked is None else (key, asked[2])
            if asked is not None:
                self._make(key, *asked[1:])
        for _, _, future in self._asked.values():
            if not future.cancel():  # it has given way
                future.set_exception(GiveWay())

    def _make(self, key: str, make: Make, future: Future[bytes]) -> None:
        if not future.running() and not future.set_running_or_notify_cancel():
            return
        try:
            made = make()
        except GiveWay:
            with self._wake:
                self._running = None
                self._asked[key] = (1, make, future)
                heapq.heappush(self._heap, (1, next(self._order), key))
            return
        except Exception as error:
            with self._wake:
                self._running = None
            future.set_exception(error)
            return
        with self._wake:
            self._running = None
            self._cache[key] = made
            self._held += len(made)
            while self._held > CACHE_BYTES and len(self._cache) > 1:
                self._held -= len(self._cache.popitem(last=False)[1])
        future.set_result(made)
