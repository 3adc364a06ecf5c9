"""Sources that do not keep their promises, and machines that are too slow: every frame is counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_sources import free_port, sending

from benchmarks.throttle import quota
from recognizer.machine.own_module import own_module
from stream.event import MicroExpression
from stream.session import Session
from stream.settings import SessionConfig, Settings
from stream.sources.base import FrameSource
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation

RENDERED_FPS, SECONDS = 100, 1.8


@pytest.fixture(scope="module")
def pictures(portrait):
    """A smile with its apex at 1.33 s."""
    smile = Action("positive", (Activation(12, 2 / 256, 2 / 256),), 1.2, 1.33, 1.5, hold=0.02)
    script = ClipScript(SECONDS, RENDERED_FPS, actions=(smile,), noise=1.7, seed=1)
    return [picture for _, picture in render(portrait, script)]


class Unreliable(FrameSource):
    """Claims 200 frames a second, and delivers at the times given."""

    def __init__(self, pictures, times: list[float]) -> None:
        height, width = pictures[0].shape[:2]
        super().__init__(name="camera", live=True, size=(width, height), nominal_fps=200)
        self._pictures, self._times = pictures, times
        self._began = time.monotonic()

    def read_next(self):
        if not self._times:
            return None
        moment = self._times.pop(0)
        time.sleep(max(self._began + moment - time.monotonic(), 0.0))
        return self._began + moment, self._pictures[int(moment * RENDERED_FPS)]

    def release(self) -> None:
        self._times = []


def at_rates(*rates: float) -> list[float]:
    """Times that change from one rate to the next every 0.3 s."""

    def moments() -> Iterator[float]:
        moment = 0.0
        while moment < SECONDS - 1e-6:
            yield moment
            moment += 1 / rates[int(moment / 0.3) % len(rates)]

    return list(moments())


@pytest.mark.parametrize("rates", [(30,), (400,), (30, 400), (100, 25)])
def test_a_source_need_not_deliver_what_it_claims(pictures, rates):
    times = at_rates(*rates)
    delivered = len(times)
    patient = replace(Settings(), session=SessionConfig(backlog_ms=10_000))
    session = Session(Unreliable(pictures, times), patient)
    (event,) = (one for one in session.expressions() if isinstance(one, MicroExpression))
    assert event.label == "positive"
    assert event.apex == pytest.approx(1.33, abs=0.06)
    assert (session.status().frames, session.status().dropped) == (delivered, 0)


def test_frames_that_come_too_fast_are_dropped_and_counted(pictures):
    times = [k / 1000 for k in range(1700)]
    hurried = replace(Settings(), session=SessionConfig(backlog_ms=1))
    session = Session(Unreliable(pictures, times), hurried)
    session.run()
    status = session.status()
    assert status.dropped > 0
    assert status.frames + status.dropped == 1700


def wait_for_rows(motion: Path, count: int, program: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not motion.is_file() or motion.read_bytes().count(b"\n") <= count:
        assert program.poll() is None, program.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("taskset")), reason="needs ffmpeg, taskset")
def test_a_fifth_of_one_core_is_slow_and_nothing_worse(short_clip, weights, tmp_path):
    """A real stream into a real program that is stopped for four fifths of the time."""
    url = f"tcp://127.0.0.1:{free_port()}"
    live = own_module(
        "stream.cli", "live", "--source", url, "--out", "s", "--json", "--weights", str(weights)
    )
    command = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *live]
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    motion = tmp_path / "s" / "motion.csv"
    with (
        sending(short_clip, f"{url}?listen", loops=-1),
        subprocess.Popen(command, cwd=tmp_path, text=True, **output) as program,
    ):
        try:
            wait_for_rows(motion, 1, program)
            with quota(program.pid, 0.2):
                wait_for_rows(motion, 50, program)
                program.terminate()
                _, said = program.communicate(timeout=60)
        finally:
            program.kill()
    assert program.returncode == 0, said
    assert "Traceback" not in said
    rows = [line.split(",") for line in motion.read_text().splitlines()[1:]]
    numbers, times = [int(row[0]) for row in rows], [float(row[1]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert times == sorted(set(times))
    told = json.loads((tmp_path / "s" / "session.json").read_text())
    assert told["frames"] == len(rows)
    assert told["frames"] + told["frames_dropped"] >= numbers[-1] + 1
    if told["frames_dropped"]:
        assert f"{told['frames_dropped']} frames dropped" in said
