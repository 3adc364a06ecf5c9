"""A worker process never outlives the program that started it."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """From now on this process ends as soon as its parent does, even if the parent is killed.

    Called by a ``multiprocessing`` process when it begins to work. Whatever it has written stays as it is, as
    after a kill. Does nothing in a process that ``multiprocessing`` did not start.
    """
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_wait_and_end, name="parent's end", daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # waits on a pipe that the system closes with the parent: no polling
    os._exit(1)
