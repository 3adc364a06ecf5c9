"""Where the recordings of a batch are worked on: processes of this machine, or a Ray cluster.

Both yield messages as they come: a job's number with the share that is done (0–1), and at last with its
``Outcome``. Every job gets exactly one outcome, whatever becomes of the process that works on it.
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
from recognizer.machine.end_with_parent import end_with_parent
from recognizer.machine.ray_cluster import each_on_ray
from stream.batch.jobs import Job, Outcome, run_job

Message = tuple[int, float | Outcome]

_STEP = 0.01
"""A worker tells of every hundredth of a recording."""


def run_here(jobs: Sequence[Job], workers: int) -> Iterator[Message]:
    """In ``workers`` processes, each of which takes one recording after another.

    One that is killed (memory is the usual reason) costs the recording it was at and is replaced. Whoever
    stops listening ends them all; half sessions stay on disk and are done again the next time.
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
        with suppress(OSError):  # already dead: its end is seen when it is listened to
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
                    del busy[connection]
                    start()
                    yield index, Outcome(jobs[index], "failed", error=f"{jobs[index].recording}: {words}")
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

    Recordings and the folder for the sessions must lie where every machine of the cluster finds them under
    the same path. Ray repeats the recordings of a machine that goes away. AtmeError without a cluster.
    """

    def failed(job: Job, line: str) -> Outcome:
        return Outcome(job, "failed", error=f"{job.recording}: {line}")

    return each_on_ray(_surely, jobs, failed=failed)


def _new_worker() -> tuple[BaseProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # or the end of the process would not be seen
    return process, ours


def _work(connection: Connection) -> None:
    """A worker's life: jobs in, messages out, until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    end_with_parent()  # killed: whoever starts the batch again finds no one at work
    told = 0.0

    def report(share: float) -> None:
        nonlocal told
        if share >= told + _STEP:
            told = share
            connection.send(share)

    with native_log():
        while (job := _received(connection)) is not None:
            told = 0.0
            with suppress(OSError):  # nobody listens any more: the next receive ends this life
                connection.send(_surely(job, report))
            if not gc.get_freeze_count():  # once, all libraries are there: they are not looked through again
                gc.freeze()


def _received(connection: Connection) -> Job | None:
    try:
        job: Job = connection.recv()
    except (EOFError, OSError):
        return None
    return job


def _surely(job: Job, report: Any = lambda share: None) -> Outcome:
    """The job's outcome, also where a recording brings the program itself to fall."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import cv2

        cv2.setNumThreads(1)  # the machine's cores are taken by the other workers
        return run_job(job, report)
    except Exception as error:
        return Outcome(job, "failed", error=f"{job.recording}: {type(error).__name__}: {error}")
