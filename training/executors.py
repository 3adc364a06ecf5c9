"""Runs work in this process, in worker processes on this machine, or on a Ray cluster.

An executor maps a function over items and yields (item's index, result) as they come. Function, items and
results travel between processes, so all of them can be pickled.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from recognizer.errors import AtmeError
from recognizer.machine.end_with_parent import end_with_parent
from recognizer.machine.ray_cluster import each_on_ray

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_process(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    """One after the other, here."""
    for index, item in enumerate(items):
        yield index, function(item)


def local(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Result]]:
    """In worker processes with one thread each, which beats one process with many: the networks are tiny.

    They end with this process, even when it is killed.
    AtmeError when a worker is killed; results that came before were already yielded.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages for torch, a few per cent
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        futures = {pool.submit(function, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise AtmeError(
            "internal",
            "a worker process was killed (out of memory?); run the same command again to resume, "
            "with fewer --workers if it happens again",
        ) from None
    finally:
        # A caller that stops, also by Ctrl-C, does not wait for folds that nobody will collect.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def on_ray(
    function: Callable[[Item], Result], items: Sequence[Item], gpus: float = 0.0
) -> Iterator[tuple[int, Result]]:
    """On the Ray cluster that ``RAY_ADDRESS`` names; each item takes one core and ``gpus``.

    Ray repeats the items of a worker that dies. AtmeError without a cluster.
    """

    def remotely(item: Item) -> Result:
        one_thread()
        return function(item)

    return each_on_ray(remotely, items, gpus=gpus)


def _begin() -> None:
    """Runs first in a worker process."""
    end_with_parent()
    one_thread()


def one_thread() -> None:
    """Settings of a process that trains: one thread, and no denormal numbers, which are slow."""
    import numpy as np
    import torch

    for kind in (np.float32, np.float64):
        np.finfo(kind)  # numpy inspects denormal numbers once, and would warn about them afterwards
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
