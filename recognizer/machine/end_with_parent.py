"""A worker process never outlives the program that started it."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """From now on this process ends at once when its parent does, also where that is killed.

    Called by a process of ``multiprocessing`` when it begins to work. What it has written stays as it is, as
    after a kill. Does nothing in a process that ``multiprocessing`` did not start.
    """
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_wait_and_end, name="parent's end", daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # on a pipe that the system closes with the parent: no polling
    os._exit(1)
