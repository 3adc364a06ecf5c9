"""The overlay in a real terminal: drawn, driven by keys, and left as it was found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import PATIENCE_S, ROOT, alive, needs_terminal

from stream.records.recorded_session import read_session

pty = pytest.importorskip("pty")
SCRIPT = Path(__file__).with_name("overlay_session.py")

pytestmark = needs_terminal


@pytest.fixture
def script(terminal):
    """The terminal; ``run`` starts the scripted session in it."""

    def run(*options: str) -> None:
        terminal.run(sys.executable, str(SCRIPT), *options)

    return run


def wait_for_the_end_of(process: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_events_keys_and_summary(terminal, script):
    script("--noise")
    text = terminal.wait_for(lambda text: "▼ negative" in text)
    assert "camera 0 (HD Webcam)" in text
    assert "NOISE" not in text
    terminal.press("p")
    terminal.wait_for(lambda text: "paused" in text and "resume" in text)
    terminal.press("Up", "x", "C-z", "F5", "p")  # all but the last do nothing
    terminal.wait_for(lambda text: "resume" not in text and "watching" in text)
    terminal.press("q")
    code, text = terminal.left()
    assert code == 0
    assert "micro-expression" in text
    assert "NOISE" not in text
    assert not list(terminal.folder.glob("atme-*.log")), "the temporary log was left behind"


def test_follows_the_terminal_when_it_is_resized(terminal, script):
    script()
    terminal.wait_for(lambda text: "▼ negative" in text)
    terminal.tmux("resize-window", "-x", "132", "-y", "40")
    terminal.wait_for(lambda text: "██████" in text and text.splitlines()[39].startswith("  q  quit"))
    terminal.press("q")
    assert terminal.left()[0] == 0


def test_leaves_when_the_session_ends(terminal, script):
    script("--events", "1")
    code, text = terminal.left()
    assert code == 0
    assert "1 micro-expression " in text


@pytest.mark.parametrize("how", ["C-c", "TERM"])
def test_interrupts_behave_like_q(terminal, script, how):
    script()
    terminal.wait_for(lambda text: "watching" in text)
    if how == "C-c":
        terminal.press("C-c")
    else:
        os.kill(int((terminal.folder / "pid").read_text()), 15)
    code, text = terminal.left()
    assert code == 0
    assert "Traceback" not in text


def test_every_key_answers(terminal, script):
    script()
    terminal.wait_for(lambda text: "watching" in text and "onset→apex" in text)
    terminal.press("m")
    terminal.wait_for(lambda text: "mark at" in text and "┃ mark 1" in text)
    assert len((terminal.folder / "marks").read_text().splitlines()) == 1
    terminal.press("r")
    terminal.wait_for(lambda text: "╌ rejected" in text and "head motion" in text)
    terminal.press("r")
    terminal.wait_for(lambda text: "╌ rejected" not in text)
    terminal.press("?")
    terminal.wait_for(lambda text: "keep this frame, face and screen as files" in text)
    terminal.press("h")
    terminal.wait_for(lambda text: "keep this frame" not in text)
    terminal.press("c")
    terminal.wait_for(lambda text: "1 files snapshot-" in text)
    (screen,) = terminal.folder.glob("snapshot-*-screen.svg")
    assert "interview" not in screen.read_text()
    assert "HD&#160;Webcam" in screen.read_text()
    terminal.press("s")
    terminal.wait_for(lambda text: "sound on" in text or "no sound: " in text)
    terminal.press("q")
    assert terminal.left()[0] == 0


def test_ascii_is_kept_to_the_end(terminal, script):
    script("--ascii", "--events", "2")
    text = terminal.wait_for(lambda text: "v negative" in text)
    assert text.isascii()
    assert terminal.left()[0] == 0


def test_a_dumb_terminal_gets_lines(terminal, short_clip, weights):
    command = [sys.executable, "-m", "stream.cli", "replay", str(short_clip), "--speed", "max"]
    terminal.run("env", "TERM=dumb", *command, "--weights", str(weights))
    code, text = terminal.left()
    assert code == 0
    assert "latency" in text
    assert "lasted" in text
    assert "quit" not in text


def test_closing_the_terminal_completes_the_records(terminal, short_clip, weights):
    folder = terminal.folder / "session"
    command = [sys.executable, "-m", "stream.cli", "replay", str(short_clip), "--out", str(folder)]
    terminal.run(*command, "--weights", str(weights))
    terminal.wait_for(lambda text: "pause" in text and "frames 0" not in text)
    terminal.press("p", "m")
    terminal.wait_for(lambda text: "paused" in text and "mark at" in text)
    process = int((terminal.folder / "pid").read_text())
    terminal.tmux("kill-pane", ";", "new-session", "-d", "sh")
    wait_for_the_end_of(process)
    about = json.loads((folder / "session.json").read_text())
    assert about["end"] == "terminal closed"
    session = read_session(folder)
    assert session.notes == ()
    assert len(session.motion) == about["frames"]
    assert len(session.marks) == 1


def test_a_screen_that_nobody_reads_any_more_ends_the_session_quietly(tmp_path):
    """The terminal goes without a word: no signal comes, writing fails."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--log", "events.jsonl"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    drawn = b""
    while b"surprise" not in drawn:
        drawn += os.read(ours, 65536)
    os.close(ours)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) >= 2


def test_closing_the_terminal_leaves_no_process_and_no_file(terminal, script):
    script("--noise")
    terminal.wait_for(lambda text: "watching" in text)
    process = int((terminal.folder / "pid").read_text())
    terminal.tmux("kill-pane", ";", "new-session", "-d", "sh")
    wait_for_the_end_of(process)
    assert not list(terminal.folder.glob("atme-*.log"))


def test_a_worker_error_restores_the_terminal_and_is_seen(terminal, script):
    script("--fail", "--log", "events.jsonl")
    code, text = terminal.left()
    assert code == 1
    assert "RuntimeError: the recognition worker died" in text
    assert len((terminal.folder / "events.jsonl").read_text().splitlines()) == 1
