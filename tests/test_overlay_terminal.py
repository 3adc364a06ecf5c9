"""The overlay in a real terminal: drawn, driven by keys, and left as it was found."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from terminal import PATIENCE_S, alive, needs_terminal

SCRIPT = Path(__file__).with_name("overlay_session.py")

pytestmark = needs_terminal


@pytest.fixture
def script(terminal):
    """The terminal; ``run`` starts the scripted session in it."""

    def run(*options: str) -> None:
        terminal.run(sys.executable, str(SCRIPT), *options)

    return run


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


def test_closing_the_terminal_leaves_no_process_and_no_file(terminal, script):
    script("--noise")
    terminal.wait_for(lambda text: "watching" in text)
    process = int((terminal.folder / "pid").read_text())
    terminal.tmux("kill-pane", ";", "new-session", "-d", "sh")
    deadline = time.monotonic() + PATIENCE_S
    while alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list(terminal.folder.glob("atme-*.log"))


def test_a_worker_error_restores_the_terminal_and_is_seen(terminal, script):
    script("--fail", "--log", "events.jsonl")
    code, text = terminal.left()
    assert code == 1
    assert "RuntimeError: the recognition worker died" in text
    assert len((terminal.folder / "events.jsonl").read_text().splitlines()) == 1
