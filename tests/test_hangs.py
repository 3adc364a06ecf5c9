"""Whatever part of a session fails or hangs, every worker comes to an end and the user hears of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from test_record_video import SAMPLE, picture
from test_session import drain, workers
from test_sources import write_pictures
from user_errors import check, raises

import stream.records.video.record as recording
import stream.session
from stream.batch.jobs import Outcome, plan
from stream.batch.workers import run_here
from stream.event import MicroExpression
from stream.frame import Frame, Image
from stream.observer import Observer
from stream.outputs.lsl import Markers
from stream.records.video.record import VideoRecorder
from stream.records.video.writer import VideoWriter
from stream.session import Session
from stream.settings import Settings
from stream.sources import FrameSource, open_recording

ERRORS = [
    OSError(5, "Input/output error"),
    RuntimeError("a bug"),
    av.error.InvalidDataError(1094995529, "Invalid data found"),  # an FFmpeg error that is no OSError
]
named = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


class Hang:
    """Blocks whoever calls it, until the test is over."""

    def __init__(self) -> None:
        self.entered, self.over = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> Any:
        self.entered.set()
        assert self.over.wait(60)


@pytest.fixture
def hang() -> Iterator[Hang]:
    """After the test nothing may be left of the session."""
    before = set(threading.enumerate())
    hang = Hang()
    yield hang
    hang.over.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive(), thread


@pytest.fixture
def impatient(monkeypatch) -> None:
    """What hangs is given up on sooner."""
    monkeypatch.setattr(stream.session, "_STOP_S", 0.5)
    monkeypatch.setattr(stream.session, "_CLOSE_S", 0.5)
    monkeypatch.setattr(recording, "HANGING_S", 0.3)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


class Faulty(FrameSource):
    """A clip; what comes after ``whole`` frames, and what closing it does, is the test's affair."""

    def __init__(self, clip: Path, whole: int = 1000, *, live: bool = False) -> None:
        self.inner, self.whole, self.taken = open_recording(clip), whole, 0
        super().__init__(name="faulty", live=live, size=self.inner.size, nominal_fps=60.0)
        self.fault: Callable[[], Any] = lambda: None
        self.at_close: Callable[[], Any] = lambda: None

    def read_next(self) -> tuple[float, Image] | None:
        self.taken += 1
        if self.taken > self.whole:
            self.fault()
        frame = self.inner.read()
        return None if frame is None else (frame.timestamp, frame.image)

    def release(self) -> None:
        self.inner.close()
        self.at_close()


class FaultyObserver(Observer):
    """Does the test's will at an event, or at the sixth frame."""

    def __init__(self, what: str, fault: Callable[[], Any]) -> None:
        self.what, self.fault = what, fault

    def frame(self, frame: Frame, *_: Any) -> None:
        if self.what == "frame" and frame.index == 5:
            self.fault()

    def event(self, *_: Any) -> None:
        if self.what == "event":
            self.fault()


def observed(clip: Path, settings: Settings, what: str, fault: Callable[[], Any]) -> Session:
    session = Session.replay(clip, settings)
    session.observer = FaultyObserver(what, fault)
    return session


# --- failures: the error arrives, after the events before it


@named
def test_a_source_that_fails(short_clip, settings, error):
    source = Faulty(short_clip, 5)
    source.fault = raising(error)
    with pytest.raises(type(error)) as caught, Session(source, settings) as session:
        drain(session)
    assert caught.value is error
    assert not workers()


@named
def test_an_observer_that_fails(short_clip, settings, error):
    with (
        pytest.raises(type(error)) as caught,
        observed(short_clip, settings, "frame", raising(error)) as session,
    ):
        drain(session)
    assert caught.value is error
    assert not workers()


def test_an_observer_that_fails_at_an_event_leaves_the_event_as_true_as_it_was(short_clip, settings):
    found: list[MicroExpression] = []
    with (
        pytest.raises(OSError, match="output error"),
        observed(short_clip, settings, "event", raising(ERRORS[0])) as session,
    ):
        drain(session, found)
    assert len(found) == 1
    assert not workers()


def test_a_recognizer_that_fails_and_a_source_that_fails_when_it_is_closed(short_clip, settings, monkeypatch):
    monkeypatch.setattr(stream.session.Recognizer, "recognize_features", raising(ERRORS[2]))
    source = Faulty(short_clip)
    source.at_close = raising(ERRORS[0])
    with pytest.raises(av.error.InvalidDataError) as caught, Session(source, settings) as session:
        drain(session)
    assert caught.value is ERRORS[2]
    assert not workers()


@named
@pytest.mark.parametrize("method", ["write", "close"])
def test_an_encoder_that_fails_costs_only_the_video(monkeypatch, tmp_path, error, method):
    monkeypatch.setattr(VideoWriter, method, raising(error))
    recorder = VideoRecorder(tmp_path / "v.mp4")
    recorder.begin((64, 48), 30.0, live=False)
    for index in range(200):  # more than may wait
        recorder.frame(Frame(index, index / 30, picture(0)), SAMPLE, 0.0)
    recorder.close()
    (warning,) = recorder.warnings
    assert "v.mp4: the video ends here, it cannot be written" in warning
    assert recorder.written + recorder.dropped == 200
    assert not [thread for thread in threading.enumerate() if thread.name == "recording"]


@pytest.mark.skipif(sys.platform != "linux", reason="writes where no file can be")
def test_a_video_that_cannot_be_begun_is_refused_before_the_session():
    with raises("unwritable", "/proc/v.mp4"):
        VideoWriter(Path("/proc/v.mp4"), (64, 48), 30.0)


def test_markers_that_fail_cost_only_the_markers(monkeypatch):
    markers = Markers.__new__(Markers)
    markers.warnings = []
    markers._source = type("Source", (), {"origin": 0.0})
    markers._outlet = type("Outlet", (), {"push_sample": raising(RuntimeError("lost"))})
    markers._pylsl = type("Lsl", (), {"local_clock": staticmethod(lambda: 0.0)})
    markers.mark(1.0)
    markers.mark(2.0)
    assert markers.warnings == ["--lsl: some markers could not be sent (lost); check liblsl"]


# --- hangs: a request to stop is enough


def stop_and_wait(session: Session, hang: Hang) -> None:
    session.start()
    assert hang.entered.wait(30)
    session.stop()
    drain(session)


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_hangs(short_clip, settings, hang, live):
    source = Faulty(short_clip, 5, live=live)
    source.fault = hang
    with Session(source, settings) as session:
        stop_and_wait(session, hang)


def test_a_source_that_hangs_when_it_is_closed(short_clip, settings, hang):
    source = Faulty(short_clip)
    source.at_close = hang
    with Session(source, settings) as session:
        session.start()
        session.stop()
        drain(session)
    assert hang.entered.wait(30)


@pytest.mark.parametrize("what", ["frame", "event"])
def test_an_observer_that_hangs(short_clip, settings, hang, impatient, what):
    with (
        observed(short_clip, settings, what, hang) as session,
        raises("internal", session.source.name, {"frame": "spotting", "event": "recognition"}[what]),
    ):
        stop_and_wait(session, hang)
    assert not session.running


def test_a_recognizer_that_hangs(short_clip, settings, monkeypatch, hang, impatient):
    monkeypatch.setattr(stream.session.Recognizer, "recognize_features", hang)
    with (
        Session.replay(short_clip, settings) as session,
        raises("internal", session.source.name, "recognition"),
    ):
        stop_and_wait(session, hang)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("method", ["write", "close"])
def test_an_encoder_that_hangs_is_not_waited_for(tmp_path, monkeypatch, hang, impatient, live, method):
    monkeypatch.setattr(VideoWriter, method, hang)
    monkeypatch.setattr(recording, "BACKLOG_BYTES", 0)  # two frames may wait
    recorder = VideoRecorder(tmp_path / "v.mp4")
    recorder.begin((64, 48), 30.0, live=live)
    for index in range(5):
        recorder.frame(Frame(index, index / 30, picture(0)), SAMPLE, 0.0)
    recorder.close()
    (warning,) = recorder.warnings
    assert "nothing was written for 0 s" in warning


# --- batches


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_every_recording_of_a_batch_has_an_outcome(settings: Settings, tmp_path):
    """An image that the system refuses to read raised an OSError, which was taken for a closed pipe."""
    folder = write_pictures(tmp_path / "pictures", 3)
    (folder / "img2.png").unlink()
    (folder / "img2.png").symlink_to("nowhere")
    jobs = plan([folder, tmp_path / "gone.mp4"], tmp_path / "out", settings)
    outcomes = {index: one for index, one in run_here(jobs, 1) if isinstance(one, Outcome)}
    assert [outcomes[index].state for index in (0, 1)] == ["failed", "failed"]
    check(outcomes[0].error, "not-found", "img2.png", "No such file or directory")
    check(outcomes[1].error, "not-found", "gone.mp4")
