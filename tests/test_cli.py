"""The ``atme`` command as users meet it: in a process of its own, on a pipe and in a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from conftest import SHORT_ACTION
from terminal import needs_terminal
from user_errors import complaint

from recognizer import CLASSES, UNCERTAIN
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.units import UNITS
from spotting.sensitivity import OPERATING_POINTS
from stream.cli import app
from stream.commands.options import SensitivityName

ROOT = Path(__file__).resolve().parents[1]
LABELS = (*CLASSES, UNCERTAIN)


def atme(*words: object, cwd: Path, expected: int = 0, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "stream.cli", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        **options,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def test_it_knows_the_names_of_the_sensitivities():
    assert [name.value for name in SensitivityName] == list(OPERATING_POINTS)


@pytest.fixture(scope="session")
def pair(portrait, moved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    cv2.imwrite(str(folder / "onset.png"), portrait.image)
    cv2.imwrite(str(folder / "apex.png"), moved((12, 0.009, 0.009), (6, 0.0045, 0.0045)))
    return folder / "onset.png", folder / "apex.png"


@pytest.mark.parametrize(("word", "expected"), [((), "normal"), (("--sensitivity", "quiet"), "quiet")])
def test_the_session_runs_at_the_sensitivity_that_was_asked_for(
    word, expected, short_clip, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    app(["replay", str(short_clip), "--speed", "max", "--out", "s", *word], standalone_mode=False)
    settings = json.loads((tmp_path / "s" / "session.json").read_text(encoding="utf-8"))["settings"]
    assert settings["spotter"]["sensitivity"] == expected
    assert settings["spotter"]["min_motion"] == OPERATING_POINTS[expected].min_motion


# --- recognize


def test_recognize_prints_label_shares_and_times(pair, weights, tmp_path):
    picture = tmp_path / "seen.png"
    done = atme("recognize", *pair, "--weights", weights, "--explain", picture, cwd=tmp_path)
    first, *shares, stages = done.stdout.splitlines()
    assert re.fullmatch(rf"({'|'.join(LABELS)})  \(confidence [01]\.\d\d, on (CPU|CUDA|TensorRT)\)", first)
    assert [share.split()[0] for share in shares[:3]] == list(CLASSES)
    assert [unit.split()[0] for unit in shares[3:]] == [name for name in UNITS if f"  {name} " in done.stdout]
    assert sum(float(share.split()[1]) for share in shares[:3]) == pytest.approx(1, abs=0.002)
    for stage in ("landmarks", "crop", "flow", "model"):
        assert re.search(rf"{stage} [\d.]+ ms", stages)
    if weights == DEFAULT_WEIGHTS:
        assert first.startswith("positive")
    seen = cv2.imread(str(picture))
    assert seen.shape[1] > 900
    assert seen.shape[0] > 400
    assert seen.std() > 20


def test_recognize_speaks_json(pair, weights, tmp_path):
    done = atme("recognize", *pair, "--weights", weights, "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["label"] in LABELS
    assert list(answer["probabilities"]) == list(CLASSES)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert set(answer["stage_ms"]) == {"landmarks", "crop", "flow", "model"}
    assert answer["provider"] in ("CPU", "CUDA", "TensorRT")
    assert len(done.stdout.splitlines()) == 1


# --- replay on a pipe


def test_replay_writes_json_lines_and_the_same_to_the_log(short_clip, weights, tmp_path):
    log = tmp_path / "events.jsonl"
    words = ("replay", short_clip, "--speed", "max", "--weights", weights, "--events", log)
    done = atme(*words, "--json", cwd=tmp_path)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 1
    assert events[0]["apex"] == pytest.approx(SHORT_ACTION.apex, abs=0.04)
    assert events[0]["label"] in LABELS
    assert log.read_text() == done.stdout
    # A second run is appended; for people the line is in words.
    done = atme(*words, cwd=tmp_path)
    assert len(done.stdout.splitlines()) == 1
    assert events[0]["label"] in done.stdout
    assert "\x1b" not in done.stdout
    first, second = map(json.loads, log.read_text().splitlines())
    for event in (first, second):
        del event["latency_ms"], event["stage_ms"]
    assert first == second


def test_a_settings_file_is_obeyed_and_flags_go_before_it(short_clip, weights, tmp_path):
    (tmp_path / "atme.toml").write_text(
        '[spotter]\nmin_motion = 50.0\n[recognizer]\nweights = "nowhere.onnx"\n'
    )
    done = atme("replay", short_clip, "--speed", "max", "--weights", weights, "--json", cwd=tmp_path)
    assert done.stdout == ""
    done = atme("replay", short_clip, "--speed", "max", cwd=tmp_path, expected=2)
    complaint(done, "nowhere.onnx")


def test_a_reader_that_leaves_ends_the_run_quietly(short_clip, weights, tmp_path):
    command = [sys.executable, "-m", "stream.cli", "replay", str(short_clip), "--speed", "max"]
    process = subprocess.Popen(
        [*command, "--weights", str(weights)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


# --- what users get wrong


def test_bad_input_is_one_line_and_exit_code_2(short_clip, weights, untrained, pair, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("not a video\n")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    typo = tmp_path / "typo.toml"
    typo.write_text("[spotter]\nmin_moton = 1\n")
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(untrained.read_bytes()[:5000])
    nowhere = tmp_path / "no" / "folder" / "events.jsonl"
    good = ("--weights", weights)
    cases = [
        (("replay", tmp_path / "missing.mp4", *good), tmp_path / "missing.mp4"),
        (("replay", text, *good), text),
        (("replay", empty, *good), empty),
        (("replay", short_clip, "--config", typo), "spotter.min_motion"),
        (("replay", short_clip, "--config", tmp_path / "none.toml"), tmp_path / "none.toml"),
        (("replay", short_clip, "--weights", corrupt), corrupt),
        (("replay", short_clip, *good, "--events", nowhere), nowhere),
        (("live", "63", *good), "camera 63"),
        (("live", "no such camera", *good), "'no such camera'"),
        (("live", "0", "--source", "udp://127.0.0.1:1"), "--source"),
        (("live", "--source", "http://127.0.0.1:9/x", *good), "http://127.0.0.1:9/x"),
        (("recognize", tmp_path / "missing.png", pair[1], *good), tmp_path / "missing.png"),
        (("recognize", text, pair[1], *good), text),
    ]
    for words, named in cases:
        done = atme(*words, cwd=tmp_path, expected=2)
        complaint(done, named)
        assert done.stdout == ""


def test_recognize_without_face_and_with_an_unwritable_picture(pair, weights, tmp_path, portrait):
    wall = tmp_path / "wall.png"
    cv2.imwrite(str(wall), portrait.image * 0 + 90)
    done = atme("recognize", wall, wall, "--weights", weights, cwd=tmp_path, expected=2)
    complaint(done)
    nowhere = tmp_path / "no" / "seen.png"
    done = atme("recognize", *pair, "--weights", weights, "--explain", nowhere, cwd=tmp_path, expected=2)
    complaint(done, nowhere)


def test_debug_shows_where_it_happened(tmp_path):
    done = atme("--debug", "replay", "missing.mp4", cwd=tmp_path, expected=2)
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("atme: missing.mp4: ")


# --- help and doctor


def test_help_loads_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stream.cli", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"mediapipe", "torch", "jax", "matplotlib", "training"}
    for command in ("live", "replay", "recognize", "demo", "doctor"):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_doctor_looks_at_everything(tmp_path):
    expected = 0 if DEFAULT_WEIGHTS.is_file() else 2
    done = atme("doctor", cwd=tmp_path, expected=expected)
    lines = {}
    for line in done.stdout.splitlines():
        mark, name, text = re.fullmatch(r"(ok|MISSING|without) {2,}(.+?) {2,}(.+)", line).groups()
        lines[name] = (mark, text)
    working = ["Python", "Packages", "Face landmarks", "Spotter", "Optical flow"]
    assert list(lines) == [*working, "Recognizer", "GPU", "Cameras", "Sound", "Terminal"]
    for name in working:
        assert lines[name][0] == "ok"
    assert lines["Terminal"] == ("without", "output is not a terminal: events come as lines")
    if DEFAULT_WEIGHTS.is_file():
        assert lines["Recognizer"][0] == "ok"
        assert re.search("runs on (CPU|CUDA|TensorRT)", lines["Recognizer"][1])
    assert "Traceback" not in done.stderr


# --- in a terminal


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "stream.cli", *map(str, words)]


@needs_terminal
def test_the_overlay_shows_an_event_and_q_quits(terminal, demo_clip, short_clip, weights, tmp_path):
    log = tmp_path / "events.jsonl"
    terminal.run(*command("replay", demo_clip, short_clip, "--weights", weights, "--events", log))
    terminal.wait_for(lambda text: any(label in text for label in LABELS) and "demo.mp4" in text)
    terminal.press("q")
    code, text = terminal.left()
    assert code == 0
    assert "demo.mp4: 1 micro-expression" in text
    assert "Traceback" not in text
    assert len(log.read_text().splitlines()) == 1
    assert "short.mp4" not in text, "q ended one recording and began the next"


@needs_terminal
def test_an_error_in_a_terminal_is_one_line(terminal, tmp_path):
    terminal.run(*command("replay", "missing.mp4"))
    code, text = terminal.left()
    assert code == 2
    assert text.count("atme: missing.mp4: ") == 1
    assert "Traceback" not in text
