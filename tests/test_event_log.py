"""Events on disk and on standard output: valid JSON, at once, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from overlay_session import EVENTS, make_event
from user_errors import raises

from stream.outputs.event_log import EventLog, event_line
from stream.outputs.lines import human_line

SCRIPT = Path(__file__).with_name("overlay_session.py")
ROOT = SCRIPT.parents[1]


def command(*options: str) -> list[str]:
    return [sys.executable, str(SCRIPT), *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_line_is_the_event_rounded():
    event = make_event(1 / 3, probabilities=(2 / 3, 1 / 6, 1 / 6))
    line = event_line(event)
    assert "\n" not in line
    written = json.loads(line)
    assert written.keys() == event.to_dict().keys()
    assert written["onset"] == 0.333333
    assert written["onset_frame"] == 10
    assert written["probabilities"] == {"negative": 0.6667, "positive": 0.1667, "surprise": 0.1667}
    assert written["confidence"] == 0.6667
    assert written["latency_ms"] == 141.7
    assert written["label"] == "negative"
    assert written["stage_ms"] == {"landmarks": 2.1, "flow": 43.2, "model": 1.4}


def test_numpy_numbers_and_nan_are_written():
    event = make_event()
    odd = replace(
        event,
        candidate=replace(event.candidate, score=np.float32(2.4), onset_frame=np.int64(7), peak=float("nan")),
    )
    written = json.loads(event_line(odd), parse_constant=pytest.fail)
    assert (written["score"], written["onset_frame"], written["peak"]) == (2.4, 7, None)


def test_each_event_is_on_disk_before_write_returns(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        assert path.exists()
        for count, (label, odds) in enumerate(EVENTS, start=1):
            log.write(make_event(count, label, odds))
            on_disk = path.read_text(encoding="utf-8")
            assert on_disk.endswith("\n")
            assert [json.loads(line)["label"] for line in on_disk.splitlines()][-1] == label
            assert on_disk.count("\n") == count


def test_an_existing_log_is_continued_even_after_half_a_line(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"label": "positive"}\n{"label": "nega')
    with EventLog(path) as log:
        log.write(make_event())
    whole, half, new = path.read_text().splitlines()
    assert json.loads(whole)["label"] == "positive"
    assert half == '{"label": "nega'
    assert json.loads(new)["label"] == "negative"


@pytest.mark.parametrize("where", ["missing/events.jsonl", "."])
def test_an_unwritable_path_is_one_clear_line_at_once(tmp_path, where):
    with raises("unwritable", tmp_path / where, "--events"):
        EventLog(tmp_path / where)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_clear_line():
    log = EventLog(Path("/dev/full"))
    with raises("unwritable", "/dev/full", "No space left on device"):
        log.write(make_event())


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_killed_process_leaves_whole_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    with subprocess.Popen(
        command("--json", "--log", str(path)), stdout=subprocess.PIPE, env=environment()
    ) as process:
        printed = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert json.loads(printed)["label"] == "negative"
    assert path.read_bytes() == printed


def test_one_json_object_a_line_as_it_happens():
    done = subprocess.run(
        command("--json", "--events", "2"), capture_output=True, env=environment(), check=True, text=True
    )
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["negative", "surprise"]
    assert done.stderr == ""


def test_one_human_line_an_event():
    done = subprocess.run(
        command("--lines", "--events", "1"), capture_output=True, env=environment(), check=True, text=True
    )
    (line,) = done.stdout.splitlines()
    assert line.isascii()
    assert line == human_line(make_event(0.1, *EVENTS[0]))
    for part in ("negative", "87%", "onset 0.100", "apex 0.260", "offset 0.460", "360 ms"):
        assert part in line


def test_an_uncertain_event_names_the_nearest_class():
    event = make_event(0.1, "uncertain", (0.2, 0.64, 0.16))
    assert event.recognition.in_words == "uncertain, nearest: positive 64 %"
    assert "  uncertain, nearest: positive 64 %  onset 0.100" in human_line(event)
    assert make_event(0.1, *EVENTS[0]).recognition.in_words == "negative 87 %"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently on Windows")
def test_a_closed_pipe_ends_quietly(tmp_path):
    path = tmp_path / "events.jsonl"
    with subprocess.Popen(
        command("--json", "--log", str(path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == b""
    assert len(path.read_text().splitlines()) == 2, "the event nobody read is still logged"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_ends_the_lines_quietly(number):
    with subprocess.Popen(
        command("--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        process.stdout.readline()
        process.send_signal(getattr(signal, number))
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == b""
