"""Worker processes end when the program that started them does, however that ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

WORK = """
import os, threading

class Endless:
    # A job that a worker begins and never finishes; where it is, the worker holds the pipe open.
    def __init__(self, pipe):
        self.pipe = pipe

    def __reduce__(self):
        return work, (self.pipe,)

def work(pipe):
    os.write(os.open(pipe, os.O_WRONLY), b".")
    threading.Event().wait()
"""
PROGRAM = """
import sys
from stream.batch.workers import run_here
from training.executors import local
from work import Endless, work

if __name__ == "__main__":
    kind, pipe = sys.argv[1:]
    list(run_here([Endless(pipe)] * 2, 2) if kind == "batch" else local(work, [pipe] * 2, 2))
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    ("kind", "how"), [("training", signal.SIGTERM), ("training", signal.SIGKILL), ("batch", signal.SIGKILL)]
)
def test_workers_end_when_their_parent_is_killed(tmp_path, kind, how):
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "program.py").write_text(PROGRAM)
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, tmp_path / "program.py", kind, tmp_path / "pipe"]
    parent = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        at_work = b""
        while len(at_work) < 2:
            at_work += read(pipe)
        parent.send_signal(how)
        parent.wait(60)
        assert read(pipe) == b""  # the end of the pipe: nobody holds it any more
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        os.close(pipe)


def read(pipe: int) -> bytes:
    """What comes next; b"" when no process has the pipe open for writing."""
    ready, _, _ = select.select([pipe], [], [], 60)
    assert ready, "the workers are still there"
    return os.read(pipe, 1)
