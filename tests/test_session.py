"""The whole program on real clips: what it finds, how it ends, and how it fails."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SHORT_ACTION
from user_errors import raises

import stream.session
from recognizer import CLASSES, UNCERTAIN
from recognizer.network.backend import DEFAULT_WEIGHTS
from spotting import MotionMeter
from spotting.candidate import Rejection
from stream import MicroExpression, Session
from stream.observer import Observer
from stream.settings import RecognizerConfig

WORKERS = {"capture", "landmarks", "spotting", "recognition"}
PATIENCE_S = 30.0


def workers() -> set[str]:
    return WORKERS & {thread.name for thread in threading.enumerate()}


@pytest.fixture(autouse=True)
def no_thread_survives():
    yield
    assert not workers()


class TurnedAway(Observer):
    """Keeps the rejections."""

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []

    def rejection(self, rejection: Rejection) -> None:
        self.rejections.append(rejection)


def truth(clip: Path, labelled: bool = True) -> list[dict]:
    rows = clip.with_suffix(".truth.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, rows) if row["label"] or not labelled]


def drain(session: Session, into: list[MicroExpression] | None = None) -> list[MicroExpression]:
    """The micro-expressions until the end, in ``into`` too if an error comes first; never hangs."""
    deadline = time.monotonic() + PATIENCE_S
    found = [] if into is None else into
    while session.running:
        assert time.monotonic() < deadline, "the session does not end"
        event = session.poll(0.2)
        if isinstance(event, MicroExpression):
            found.append(event)
    return found


def at_rest(session: Session) -> int:
    """Frames processed, once no more come."""
    deadline = time.monotonic() + PATIENCE_S
    frames = -1
    while frames != (frames := session.status().frames):
        assert time.monotonic() < deadline, "the session does not pause"
        session.poll(0.3)
    return frames


def test_the_demo_clip_shows_three_movements_and_three_are_found(demo_clip, settings, weights):
    session, turned_away = Session.replay(demo_clip, settings), TurnedAway()
    session.observer = turned_away
    with session:
        found = drain(session)
        status = session.status()
    expected = truth(demo_clip)
    assert len(found) == len(expected) == 3, [(event.apex, event.label) for event in found]
    for event, real in zip(found, expected, strict=True):
        assert event.onset == pytest.approx(real["onset"], abs=0.06)
        assert event.apex == pytest.approx(real["apex"], abs=0.035)
        assert event.offset == pytest.approx(real["offset"], abs=0.09)
        assert event.candidate.onset_frame < event.candidate.apex_frame < event.candidate.offset_frame
        assert abs(event.candidate.apex_frame / 60 - event.apex) < 0.02
        assert 0 < event.candidate.decided - event.apex <= 0.15
        assert event.candidate.score > 1
        assert event.label in (*CLASSES, UNCERTAIN)
        assert sum(event.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert event.latency_ms > 0
    assert status.frames == 540
    assert status.dropped == 0
    assert status.state == "finished"
    assert status.progress == pytest.approx(1, abs=0.01)
    assert status.rejected.keys() <= {
        "blink",
        "head motion",
        "noise",
        "gaze",
        "mouth",
        "macro",
        "fragment",
        "speech",
        "cut off",  # noise at the very end
    }
    blinks = [r.movement for r in turned_away.rejections if r.reason == "blink"]
    assert status.rejected["blink"] == len(blinks)
    # Each blink is rejected as one, in one movement or in two: lids that fall, and lids that rise.
    strong = [movement for movement in blinks if movement.peak > 1]
    shown = [row for row in truth(demo_clip, labelled=False) if row["kind"] == "blink"]
    assert len(shown) == 2
    for real in shown:
        assert any(real["onset"] < movement.apex < real["offset"] + 0.3 for movement in strong)
    for movement in strong:
        assert any(real["onset"] < movement.apex < real["offset"] + 0.3 for real in shown)
    assert status.latency_p50_ms is not None
    assert status.latency_p50_ms <= status.latency_p95_ms
    assert status.provider in ("CPU", "CUDA", "TensorRT")
    if weights == DEFAULT_WEIGHTS:
        assert [event.label for event in found] == [real["label"] for real in expected]


def test_five_lines_of_python(short_clip, settings):
    seen = []
    for event in Session.replay(short_clip, settings):
        seen.append((event.onset, event.apex, event.label, event.probabilities))
    assert len(seen) == 1
    assert seen[0][0] == pytest.approx(SHORT_ACTION.onset, abs=0.06)
    assert seen[0][1] == pytest.approx(SHORT_ACTION.apex, abs=0.04)


@pytest.mark.parametrize("name", ["single_face.mp4", "face_noface.mov"])
def test_real_faces(shared, settings, name):
    with Session.replay(shared / "media" / name, settings) as session:
        states = set()
        deadline = time.monotonic() + 2 * PATIENCE_S
        found = []
        while session.running:
            assert time.monotonic() < deadline
            event = session.poll(0.02)
            states.add(session.status().state)
            if event is not None:
                found.append(event)
        status = session.status()
    assert status.frames > 50
    assert status.dropped == 0
    assert "watching" in states
    for event in found:
        assert event.onset < event.apex <= event.candidate.decided
        assert event.candidate.duration <= 0.5
    if name == "face_noface.mov":
        assert "no face" in states


def test_a_folder_of_pictures_is_replayed_too(portrait, moved, settings, tmp_path):
    import cv2

    smile = moved((12, 0.009, 0.009))
    height = [0.0] * 80 + [0.3, 0.6, 0.9, 1.0, 1.0, 0.9, 0.7, 0.5, 0.3, 0.1] + [0.0] * 20
    for index, part in enumerate(height):
        picture = cv2.addWeighted(smile, part, portrait.image, 1 - part, 0)
        cv2.imwrite(str(tmp_path / f"{index:04d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    with Session.replay(
        tmp_path, replace(settings, session=replace(settings.session, image_fps=100))
    ) as session:
        found = drain(session)
        assert session.status().nominal_fps == 100
        assert session.status().frames == len(height)
    assert len(found) == 1
    assert found[0].apex == pytest.approx(0.835, abs=0.03)


# --- how it ends


def test_leaving_the_loop_ends_every_thread(demo_clip, settings):
    started = time.monotonic()
    for event in Session.replay(demo_clip, settings, speed="realtime"):
        assert event.apex < 3
        break
    left = time.monotonic()
    assert left - started < 8
    assert not workers()


def test_close_before_during_and_after(short_clip, settings):
    never = Session.replay(short_clip, settings)
    never.close()
    assert not never.running
    assert never.poll(0.1) is None
    during = Session.replay(short_clip, settings)
    during.start()
    assert workers()
    started = time.monotonic()
    during.close()
    assert time.monotonic() - started < 3
    assert not workers()
    during.close()
    with Session.replay(short_clip, settings) as session:
        for _ in session:
            pass
    assert list(session) == []


def test_stop_delivers_what_was_seen_and_then_ends(short_clip, settings):
    with Session.replay(short_clip, settings, speed="realtime") as session:
        session.start()
        deadline = time.monotonic() + PATIENCE_S
        while session.status().frames < 100:  # past the decision; the label may be on its way
            assert time.monotonic() < deadline
            time.sleep(0.005)
        session.stop()
        assert len(drain(session)) == 1
        assert not session.running
        assert session.status().frames < 144


def test_pause_and_resume_lose_nothing_of_a_recording(short_clip, settings):
    with Session.replay(short_clip, settings, speed="realtime") as session:
        session.start()
        deadline = time.monotonic() + PATIENCE_S
        while session.status().frames < 30:
            assert time.monotonic() < deadline
            session.poll(0.02)
        session.pause()
        assert session.status().paused
        assert session.status().state == "paused"
        standing = at_rest(session)  # what was on its way has arrived
        assert session.poll(0.3) is None
        assert session.status().frames == standing < 100
        session.resume()
        assert not session.status().paused
        found = drain(session)
        assert session.status().frames == 144
    assert len(found) == 1
    assert found[0].apex == pytest.approx(SHORT_ACTION.apex, abs=0.04)


# --- how it fails


def failing_at(frame, error):
    measure = MotionMeter.measure

    def broken(self, index, *rest):
        if index == frame:
            raise error
        return measure(self, index, *rest)

    return broken


def test_a_death_of_the_spotting_thread_arrives_after_the_events_before_it(short_clip, settings, monkeypatch):
    monkeypatch.setattr(MotionMeter, "measure", failing_at(120, RuntimeError("the meter broke")))
    with Session.replay(short_clip, settings) as session:
        found = []
        with pytest.raises(RuntimeError, match="the meter broke"):
            drain(session, found)
        assert len(found) == 1
        assert not session.running
        assert session.poll(0.1) is None


def test_a_death_of_the_recognition_thread_arrives(short_clip, settings, monkeypatch):
    def broken(self, features):
        raise ZeroDivisionError("the network broke")

    monkeypatch.setattr(stream.session.Recognizer, "recognize_features", broken)
    with (
        pytest.raises(ZeroDivisionError, match="the network broke"),
        Session.replay(short_clip, settings) as session,
    ):
        drain(session)


def test_a_death_in_the_loop_ends_every_thread(short_clip, settings, monkeypatch):
    monkeypatch.setattr(MotionMeter, "measure", failing_at(50, KeyError("frame 50")))
    with pytest.raises(KeyError, match="frame 50"):
        list(Session.replay(short_clip, settings))
    assert not workers()


def test_the_source_is_opened_while_the_networks_load(short_clip, settings, monkeypatch):
    loading, opened = threading.Event(), threading.Event()
    plain, opens = stream.session.Recognizer, stream.session.open_recording

    def loads(*weights, **options):
        loading.set()
        assert opened.wait(PATIENCE_S), "the source waits for the networks"
        return plain(*weights, **options)

    def opening(*path, **clock):
        assert loading.wait(PATIENCE_S), "the networks wait for the source"
        opened.set()
        return opens(*path, **clock)

    monkeypatch.setattr(stream.session, "Recognizer", loads)
    monkeypatch.setattr(stream.session, "open_recording", opening)
    Session.replay(short_clip, settings).close()


def test_bad_weights_leave_no_source_open(short_clip, settings, tmp_path, monkeypatch):
    opened = []
    open_recording = stream.session.open_recording

    def watched(*arguments, **options):
        opened.append(open_recording(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(stream.session, "open_recording", watched)
    missing = replace(settings, recognizer=RecognizerConfig(str(tmp_path / "none.onnx")))
    with raises("not-found", tmp_path / "none.onnx"):
        Session.replay(short_clip, missing)
    assert opened[0].read() is None, "the recording is still open"


def test_a_recording_that_breaks_off_says_so(short_clip, settings, tmp_path):
    whole = tmp_path / "whole.mkv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(short_clip), "-c", "copy", str(whole)], check=True, timeout=30
    )
    data = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) * 3 // 4])
    with Session.replay(cut, settings) as session:
        found = drain(session)
        assert 50 < session.status().frames < 144
        assert any("cut off" in warning for warning in session.warnings)
    assert len(found) == 1


# --- live


@contextmanager
def sender(clip: Path):
    """ffmpeg sends the clip, over and over, in real time; yields the address to watch."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip)]
    command += ["-c:v", "mpeg2video", "-q:v", "2", "-g", "15", "-bf", "0", "-f", "mpegts"]
    process = subprocess.Popen([*command, f"udp://127.0.0.1:{port}?pkt_size=1316"])
    try:
        yield f"udp://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@needs_ffmpeg
def test_a_live_stream(short_clip, settings):
    with sender(short_clip) as url, Session.open(url, settings) as session:
        deadline = time.monotonic() + PATIENCE_S
        event = None
        while event is None:
            assert time.monotonic() < deadline, session.status()
            event = session.poll(0.2)
        status = session.status()
        assert status.progress is None
        assert status.source == url
        assert (status.width, status.height) == (640, 480)
        assert 0 < event.onset < event.apex < event.candidate.decided <= status.time
        assert event.latency_ms < 2000
        session.stop()
        drain(session)


@needs_ffmpeg
def test_live_drops_the_oldest_and_counts_them(short_clip, settings, monkeypatch):
    """A spotter slower than the camera: frames are lost and counted, and what is seen is never old."""
    measure = MotionMeter.measure
    lateness = []

    def slow(self, index, timestamp, *rest):
        time.sleep(0.05)
        lateness.append(time.monotonic() - timestamp)
        return measure(self, index, timestamp, *rest)

    monkeypatch.setattr(MotionMeter, "measure", slow)
    with sender(short_clip) as url, Session.open(url, settings) as session:
        deadline = time.monotonic() + PATIENCE_S
        while session.status().frames < 60:
            assert time.monotonic() < deadline, session.status()
            session.poll(0.1)
        status = session.status()
        assert status.dropped > status.frames / 2
        assert max(lateness) - min(lateness) < 1.5  # the stream itself began more than 2 s ago
        assert status.time > 2
        session.stop()
        drain(session)


@needs_ffmpeg
def test_a_live_stream_that_falls_silent_is_an_error_after_what_was_seen(short_clip, settings):
    impatient = replace(settings, session=replace(settings.session, stall_timeout_s=1.0))
    with sender(short_clip) as url:
        session = Session.open(url, impatient)
        deadline = time.monotonic() + PATIENCE_S
        while session.status().frames < 10:
            assert time.monotonic() < deadline
            session.poll(0.1)
    with session, raises("source-lost", session.source.name):
        drain(session)
    assert session.status().frames >= 10


@needs_ffmpeg
def test_a_pause_of_a_live_stream_is_not_seen(short_clip, settings):
    with sender(short_clip) as url, Session.open(url, settings) as session:
        deadline = time.monotonic() + PATIENCE_S
        while session.status().state != "watching":
            assert time.monotonic() < deadline, session.status()
            session.poll(0.05)
        session.pause()
        standing = at_rest(session)
        session.poll(0.3)
        assert session.status().frames == standing
        session.resume()
        while session.status().frames < standing + 5:
            assert time.monotonic() < deadline
            session.poll(0.02)
        assert session.status().state == "learning the face"
        session.stop()
        drain(session)
