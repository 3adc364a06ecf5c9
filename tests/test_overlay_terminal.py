"""The overlay in a real terminal: drawn, driven by keys, and left as it was found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("overlay_session.py")
ROOT = SCRIPT.parents[1]
PATIENCE_S = 20.0

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None or shutil.which("bash") is None, reason="needs tmux and bash"
)


class Terminal:
    """A shell in a tmux window of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "tmux")
        self.folder = folder

    def open(self, width: int, height: int) -> None:
        folder = self.folder
        variables = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        settings = [option for name, value in variables.items() for option in ("-e", f"{name}={value}")]
        (folder / "rc").write_text("PS1='ready> '\n")
        shell = f"bash --noprofile --rcfile {folder}/rc"
        self.tmux(
            "-f", os.devnull, "new-session", "-d", "-x", str(width), "-y", str(height), *settings, shell
        )
        self.wait_for(lambda text: "ready>" in text)

    def tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def run(self, *options: str) -> None:
        """Note the terminal's mode before and after, and the exit code."""
        call = f"sh -c 'echo $$ >pid; exec {sys.executable} {SCRIPT} {' '.join(options)}'"
        script = f"cd {self.folder}; stty -g >before; {call}; echo $? >code; stty -g >after; echo over >over"
        (self.folder / "script.sh").write_text(f"{script}\n")
        self.tmux("send-keys", f"clear; . {self.folder}/script.sh", "Enter")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not condition(text := self.text()):
            assert time.monotonic() < deadline, f"waited in vain; the terminal shows:\n{text}"
            time.sleep(0.05)
        return text

    def left(self) -> tuple[int, str]:
        """Wait for the program's end, check that the terminal is as before; exit code and what it shows."""
        self.wait_for(lambda _: (self.folder / "over").exists())
        assert (self.folder / "after").read_text() == (self.folder / "before").read_text()
        assert self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]
        text = self.wait_for(lambda text: text.rstrip().endswith("ready>"))
        return int((self.folder / "code").read_text()), text


@pytest.fixture
def terminal(tmp_path):
    window = Terminal(tmp_path)
    try:
        window.open(80, 24)
        yield window
    finally:
        window.tmux("kill-server")


def test_events_keys_and_summary(terminal):
    terminal.run("--noise")
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


def test_follows_the_terminal_when_it_is_resized(terminal):
    terminal.run()
    terminal.wait_for(lambda text: "▼ negative" in text)
    terminal.tmux("resize-window", "-x", "132", "-y", "40")
    terminal.wait_for(lambda text: "██████" in text and text.splitlines()[39].startswith("  q  quit"))
    terminal.press("q")
    assert terminal.left()[0] == 0


def test_leaves_when_the_session_ends(terminal):
    terminal.run("--events", "1")
    code, text = terminal.left()
    assert code == 0
    assert "1 micro-expression " in text


@pytest.mark.parametrize("how", ["C-c", "TERM"])
def test_interrupts_behave_like_q(terminal, how):
    terminal.run()
    terminal.wait_for(lambda text: "watching" in text)
    if how == "C-c":
        terminal.press("C-c")
    else:
        os.kill(int((terminal.folder / "pid").read_text()), 15)
    code, text = terminal.left()
    assert code == 0
    assert "Traceback" not in text


def test_closing_the_terminal_leaves_no_process_and_no_file(terminal):
    terminal.run("--noise")
    terminal.wait_for(lambda text: "watching" in text)
    process = int((terminal.folder / "pid").read_text())
    terminal.tmux("kill-pane", ";", "new-session", "-d", "sh")
    deadline = time.monotonic() + PATIENCE_S
    while alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list(terminal.folder.glob("atme-*.log"))


def alive(process: int) -> bool:
    """Whether the process exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_error_restores_the_terminal_and_is_seen(terminal):
    terminal.run("--fail", "--log", "events.jsonl")
    code, text = terminal.left()
    assert code == 1
    assert "RuntimeError: the recognition worker died" in text
    assert len((terminal.folder / "events.jsonl").read_text().splitlines()) == 1
