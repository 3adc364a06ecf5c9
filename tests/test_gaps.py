"""A source that goes away comes back, and what lies across the gap is never taken for one movement."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHORT_ACTION
from test_sources import free_port, needs_ffmpeg, open_when_up, sending, write_clip
from user_errors import raises

from stream.frame import Frame, Image
from stream.observer import Observer
from stream.pipeline.gap import Gap, GapFinder
from stream.session import Session
from stream.sources import FrameSource, Returning, open_recording, open_url

ROOT = Path(__file__).resolve().parents[1]
AWAY_S = 2.0
PATIENCE_S = 300.0


def frame(index: int, time: float) -> Frame:
    return Frame(index, time, np.zeros((2, 2, 3), np.uint8))


def test_a_gap_is_longer_than_a_micro_expression_or_a_pause():
    finder = GapFinder()
    assert finder.before(frame(0, 0.0)) is None
    assert finder.before(frame(1, 0.5)) is None
    assert finder.before(frame(2, 1.1)) == Gap(0.5, 1.1, "no frames")
    assert finder.before(frame(40, 2.0)) == Gap(1.1, 2.0, "frames dropped")
    assert finder.before(frame(41, 2.1), paused=True) == Gap(2.0, 2.1, "paused")


class WithHole(FrameSource):
    """A clip in which time jumps at a moment."""

    def __init__(self, clip: Path, moment: float, by: float = AWAY_S) -> None:
        self.inner, self.moment, self.by = open_recording(clip), moment, by
        super().__init__(name="holed", live=False, size=self.inner.size, nominal_fps=self.inner.nominal_fps)

    def read_next(self) -> tuple[float, Image] | None:
        taken = self.inner.read()
        if taken is None:
            return None
        return taken.timestamp + (self.by if taken.timestamp > self.moment else 0.0), taken.image

    def release(self) -> None:
        self.inner.close()


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Leaves no process behind where a check fails; whoever waits for one in vain fails as well."""
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        process.kill()


class Noting(Observer):
    """An observer that keeps gaps and reasons."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.reasons: list[str] = []

    def rejection(self, rejection) -> None:
        self.reasons.append(rejection.reason)

    def gap(self, gap: Gap) -> None:
        self.gaps.append(gap)


def test_a_movement_that_a_gap_cuts_is_turned_away_and_the_gap_told(short_clip, settings):
    session = Session(WithHole(short_clip, SHORT_ACTION.apex), settings)
    session.observer = noting = Noting()
    assert list(session) == []
    (gap,) = noting.gaps
    assert gap.start == pytest.approx(SHORT_ACTION.apex, abs=0.02)
    assert gap.end - gap.start == pytest.approx(AWAY_S, abs=0.02)
    assert gap.reason == "no frames"
    assert [reason for reason in noting.reasons if reason != "noise"] == ["cut off"]
    assert session.status().gaps == 1


def test_a_gap_before_the_movement_costs_only_the_time_to_learn_the_face(short_clip, settings):
    session = Session(WithHole(short_clip, 0.4), settings)
    (event,) = list(session)
    assert event.apex == pytest.approx(SHORT_ACTION.apex + AWAY_S, abs=0.04)


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory) -> Path:
    """Four seconds to be sent."""
    return write_clip(tmp_path_factory.mktemp("gaps") / "long.mkv", [33 * index for index in range(120)])


@needs_ffmpeg
def test_a_stalled_udp_stream_is_taken_up_again(broadcast):
    url = f"udp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        senders: list[subprocess.Popen[bytes]] = []

        def opener() -> FrameSource:  # whoever looks for the stream finds it sending
            senders.append(stack.enter_context(sending(broadcast, url)))
            return open_url(url, stall_timeout=1.0)

        source = stack.enter_context(Returning(opener))
        frames = [source.read() for _ in range(10)]
        senders[0].kill()
        while len(senders) == 1:
            frames.append(source.read())
        frames += [source.read() for _ in range(10)]
    assert [one.index for one in frames] == list(range(len(frames)))
    steps = np.diff([one.timestamp for one in frames])
    assert (steps > 0).all()
    assert steps.max() > 0.9
    assert "was away once" in source.warnings[0]
    assert "stalled" in source.warnings[0]


@needs_ffmpeg
def test_closing_ends_the_waiting(broadcast):
    url = f"http://127.0.0.1:{free_port()}/live"
    waiting = threading.Event()

    def opener() -> FrameSource:
        if sender.poll() is None:
            return open_when_up(url)
        waiting.set()
        return open_url(url)

    with sending(broadcast, "-listen", "1", url) as sender:
        source = Returning(opener)
        frames: list[Frame | None] = []
        reader = threading.Thread(target=lambda: frames.extend(iter(source.read, None)), daemon=True)
        reader.start()
        while not frames:
            reader.join(0.01)
        sender.kill()
        assert waiting.wait(10), "the stream has ended and is looked for"
        source.close()
        reader.join(10)
        assert not reader.is_alive()
    assert frames


def test_a_source_that_is_not_there_at_the_start_is_an_error():
    address = f"tcp://127.0.0.1:{free_port()}"
    with raises("not-found", address):
        Returning(lambda: open_url(address))


def face_clip(clip: Path, folder: Path) -> Path:
    """The clip with a key frame every fifth of a second: a receiver joins at one."""
    path = folder / "face.ts"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", "12"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), *encode, str(path)], check=True)
    return path


@contextmanager
def sending_to_the_next(listener: socket.socket, clip: Path) -> Iterator[float]:
    """Once somebody connects: ffmpeg, sending the clip over and over in real time; when they connected."""
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"]
    with ExitStack() as stack:
        with listener.accept()[0] as connection:
            connected = time.monotonic()
            sender = stack.enter_context(
                subprocess.Popen(
                    [*command, "-f", "mpegts", "pipe:1"],
                    stdin=subprocess.DEVNULL,
                    stdout=connection,
                    stderr=subprocess.DEVNULL,
                )
            )
        stack.enter_context(ended(sender))
        yield connected


def first_event(live: subprocess.Popen[str], after: float) -> dict[str, Any]:
    """The first that begins later than this, in seconds of the session."""
    for line in live.stdout:
        event = json.loads(line)
        if event["onset"] > after:
            return event
    pytest.fail(f"ended without an event after {after:.1f} s: {live.stderr.read()}")


@needs_ffmpeg
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_atme_live_waits_for_a_stream_and_logs_the_gap(tmp_path, short_clip, weights):
    clip = face_clip(short_clip, tmp_path)
    (tmp_path / "atme.toml").write_text("[session]\nbacklog_ms = 8000.0\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(PATIENCE_S)
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "stream.cli", "live", "--source", url, "--json", "--out", "s01"]
        live = stack.enter_context(
            subprocess.Popen([*command, "--weights", str(weights)], cwd=tmp_path, env=environment, **pipes)
        )
        stack.enter_context(ended(live))
        with sending_to_the_next(listener, clip) as connected:
            first = first_event(live, after=0.0)
        with sending_to_the_next(listener, clip):
            # The session's clock begins with its first frame, so none from before the gap is as late as this.
            second = first_event(live, after=time.monotonic() - connected)
            live.send_signal(signal.SIGINT)
            errors = live.stderr.read()
            assert live.wait() == 0, errors
    assert "was away" in errors
    assert "Traceback" not in errors
    about = json.loads((tmp_path / "s01" / "session.json").read_text(encoding="utf-8"))
    gaps = [json.loads(line) for line in (tmp_path / "s01" / "gaps.jsonl").read_text().splitlines()]
    assert about["gaps"] == len(gaps) >= 1
    assert any(first["onset"] < gap["start"] < gap["end"] < second["onset"] for gap in gaps)
