"""What goes wrong around a session: disks, folders, kills, clocks. Said in a line; nothing shown is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from overlay_session import make_event
from test_cli import atme
from test_gaps import WithHole
from user_errors import check, complaint, raises

from stream.batch.jobs import Job, run_job
from stream.outputs.event_log import EventLog
from stream.records.export.formats import FORMATS, export
from stream.records.recorded_session import read_session
from stream.session import Session

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@pytest.fixture(scope="module")
def four_events(short_clip, tmp_path_factory) -> Path:
    """The short clip four times on end."""
    path = tmp_path_factory.mktemp("four") / "four.mp4"
    command = ["ffmpeg", "-v", "error", "-stream_loop", "3", "-i", str(short_clip), "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    return path


@posix
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("shown", [1, 3])
def test_whatever_was_shown_before_a_kill_is_in_the_log(four_events, weights, tmp_path, shown):
    command = [sys.executable, "-m", "stream.cli", "replay", str(four_events), "--speed", "max", "--json"]
    with subprocess.Popen(
        [*command, "--out", "s", "--events", "all.jsonl", "--weights", str(weights)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        seen = [process.stdout.readline() for _ in range(shown)]
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.readlines()
    for path in (tmp_path / "s" / "events.jsonl", tmp_path / "all.jsonl"):
        assert path.read_text().startswith("".join(seen)), path
    session = read_session(tmp_path / "s")
    assert len(session.events) >= len(seen)
    assert "cut off" in session.notes[0]


@posix
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize(
    ("ends_it", "said"),
    [("SIGINT", "stopped"), ("SIGTERM", "stopped by SIGTERM"), ("", "output closed")],
)
def test_the_records_say_how_the_session_ended(four_events, weights, tmp_path, settings, ends_it, said):
    command = [sys.executable, "-m", "stream.cli", "replay", str(four_events), "--json", "--out", "s"]
    with subprocess.Popen(
        [*command, "--weights", str(weights)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout.readline()
        if ends_it:
            process.send_signal(getattr(signal, ends_it))
        else:
            process.stdout.close()
        assert process.wait(timeout=60) == 0
    about = json.loads((tmp_path / "s" / "session.json").read_text())
    assert about["end"] == said
    assert about["ended"] is not None
    outcome = run_job(Job(four_events, tmp_path / "s", settings), print)
    check(outcome.error, "exists", f"({said})")  # somebody's, never done again unasked
    assert read_session(tmp_path / "s").events


@posix
def test_a_log_that_is_removed_meanwhile_is_missed(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.write(make_event(1.0))
        (tmp_path / "events.jsonl").unlink()
        with raises("unwritable", tmp_path / "events.jsonl"):
            log.write(make_event(2.0))


@pytest.mark.parametrize("content", [b"", b'{"onset": 1.5, "ap'])
def test_an_empty_or_half_session_is_exported_and_reported(sample_folder, tmp_path, content):
    shutil.copytree(sample_folder, tmp_path / "s")
    for name in ("events.jsonl", "motion.csv", "session.json", "rejected.jsonl", "marks.jsonl", "gaps.jsonl"):
        (tmp_path / "s" / name).write_bytes(content)
    session = read_session(tmp_path / "s")
    for name in FORMATS:
        assert export(session, name, tmp_path / f"x{FORMATS[name].suffix}").is_file()
    done = atme("report", "s", cwd=tmp_path)
    assert done.stdout == f"{Path('s') / 'report.html'}: 0 events\n"
    assert "atme: s: session.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("report",), ("export", "--format", "csv")])
def test_what_is_no_session_is_one_line(tmp_path, command):
    (tmp_path / "nothing").mkdir()
    done = atme(*command, "nothing", cwd=tmp_path, expected=2)
    complaint(done, "nothing: ", "events.jsonl")
    complaint(atme(*command, "missing", cwd=tmp_path, expected=2), "missing: ")


def test_a_clock_that_jumps_back_loses_no_event(short_clip, settings):
    """The frames from there on are spaced by the frame rate until time has caught up."""
    source = WithHole(short_clip, 0.5, by=-0.4)
    (event,) = list(Session(source, settings))
    assert event.candidate.duration < 0.5
    assert "no usable timestamp" in source.warnings[0]


def test_the_wall_clock_plays_no_part(short_clip, settings, monkeypatch):
    """It may be set back to 1970 while the session runs."""
    monkeypatch.setattr(time, "time", lambda: 0.0)
    (event,) = list(Session.replay(short_clip, settings))
    assert 0 <= event.latency_ms < 60_000
