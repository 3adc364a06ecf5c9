"""A real terminal for tests: tmux, driven by keys and read as text."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 30.0

needs_terminal = pytest.mark.skipif(
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

    def run(self, *command: str) -> None:
        """Note the terminal's mode before and after, and the exit code."""
        call = f"sh -c {shlex.quote(f'echo $$ >pid; exec {shlex.join(command)}')}"
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


def alive(process: int) -> bool:
    """Whether the process exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
