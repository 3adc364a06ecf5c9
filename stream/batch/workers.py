"""Where the recordings of a batch are processed: worker processes on this machine, or a Ray cluster.

Both yield messages as they come: a job's number with its finished share (0–1), and finally with its
``Outcome``. Every job gets exactly one outcome, whatever happens to the process that works on it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from recognizer.console.native_log import native_log
from recognizer.errors import AtmeError
from recognizer.machine.end_with_parent import end_with_parent
from recognizer.machine.ray_cluster import each_on_ray
from stream.batch.jobs import Job, Outcome, run_job

Message = tuple[int, float | Outcome]

_STEP = 0.01
"""A worker reports every hundredth of a recording."""


def run_here(jobs: Sequence[Job], workers: int) -> Iterator[Message]:
    """In ``workers`` processes, each of which takes one recording after another.

    One that is killed (memory is the usual reason) costs the recording it was working on, and is replaced.
    They all end when the caller stops iterating; unfinished sessions stay on disk and are redone next time.
    """
    todo = deque(enumerate(jobs))
    busy: dict[Connection, tuple[BaseProcess, int]] = {}

    def start() -> None:
        if todo:
            process, connection = _new_worker()
            give(process, connection)

    def give(process: BaseProcess, connection: Connection) -> None:
        index, job = todo.popleft()
        busy[connection] = process, index
        with suppress(OSError):  # already dead: noticed when its messages are read
            connection.send(job)

    try:
        for _ in range(workers):
            start()
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                process, index = busy[connection]
                try:
                    message: float | Outcome = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    words = f"its process was killed (exit code {process.exitcode}); is the memory full?"
                    error = AtmeError("internal", f"{jobs[index].recording}: {words}")
                    del busy[connection]
                    start()
                    yield index, Outcome(jobs[index], "failed", error=error)
                    continue
                if isinstance(message, Outcome):
                    del busy[connection]
                    if todo:
                        give(process, connection)
                    else:
                        connection.close()
                yield index, message
    finally:
        for process, _ in busy.values():
            process.terminate()


def run_on_ray(jobs: Sequence[Job]) -> Iterator[Message]:
    """On the cluster that ``RAY_ADDRESS`` names; each recording takes one core.

    Every machine of the cluster must find recordings and session folder under the same paths. Ray repeats the
    recordings of a machine that goes away. AtmeError without a cluster.
    """

    def failed(job: Job, line: str) -> Outcome:
        return Outcome(job, "failed", error=AtmeError("internal", f"{job.recording}: {line}"))

    return each_on_ray(_surely, jobs, failed=failed)


def _new_worker() -> tuple[BaseProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # otherwise the end of the process would not be noticed
    return process, ours


def _work(connection: Connection) -> None:
    """A worker's life: jobs in, messages out, until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    end_with_parent()  # if the parent is killed, no worker is left when the batch is started again
    told = 0.0

    def report(share: float) -> None:
        nonlocal told
        if share >= told + _STEP:
            told = share
            connection.send(share)

    with native_log():
        while (job := _received(connection)) is not None:
            told = 0.0
            with suppress(OSError):  # nobody listens any more: the next receive ends this loop
                connection.send(_surely(job, report))
            # All libraries are loaded: the garbage collector need not search them again.
            if not gc.get_freeze_count():
                gc.freeze()


def _received(connection: Connection) -> Job | None:
    try:
        job: Job = connection.recv()
    except (EOFError, OSError):
        return None
    return job


def _surely(job: Job, report: Any = lambda share: None) -> Outcome:
    """The job's outcome, even where a recording crashes the program itself."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import cv2

        cv2.setNumThreads(1)  # the other workers use the machine's other cores
        return run_job(job, report)
    except Exception as error:
        words = f"{job.recording}: {type(error).__name__}: {error}"
        return Outcome(job, "failed", error=AtmeError("internal", words))
