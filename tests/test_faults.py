"""A small part of the fault campaign, always the same; and that the campaign tells endings apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ENDINGS = """
import ctypes, sys, time
from pathlib import Path
from benchmarks.faults.forked import fork
from benchmarks.faults.outcome import outcome
from recognizer.console.command_line import run
from recognizer.errors import AtmeError

def clean(): raise AtmeError("unreadable", "x: damaged; get another")
def two_lines():
    print("atme: one", file=sys.stderr)
    sys.exit(2 if print("atme: two", file=sys.stderr) is None else 0)

works = {
    "ok": lambda: print("fine"),
    "clean": lambda: run(clean, "atme"),
    "two lines": two_lines,
    "traceback": lambda: {}["x"],
    "hang": lambda: time.sleep(60),
    "memory": lambda: bytearray(3_000_000_000),
    "crash": lambda: ctypes.string_at(0),
}
for name, work in works.items():
    place = Path(sys.argv[1]) / name
    place.mkdir()
    child = fork(work, place)
    while (ending := child.ended(2.0)) is None:
        time.sleep(0.01)
    print(f"{name}: {outcome(ending)}", flush=True)
"""


def campaign(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_endings_are_told_apart(tmp_path):
    done = campaign("-c", ENDINGS, str(tmp_path))
    assert done.stdout.splitlines() == [
        "ok: ok",
        "clean: clean",
        "two lines: traceback",
        "traceback: traceback",
        "hang: hang",
        "memory: memory",
        "crash: crash",
    ], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_damaged_archives_weights_and_sheets_end_cleanly_and_never_in_silence(tmp_path):
    kinds = ("archive", "weights", "classifier", "apexes", "state", "sheet", "list")
    only = [word for kind in kinds for word in ("--only", kind)]
    done = campaign(
        "-m",
        "benchmarks.faults",
        *only,
        "--cases",
        "60",
        "--kills",
        "0",
        "--disks",
        "0",
        "--killed-reviews",
        "0",
        "--out",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "faults.md").read_text(encoding="utf-8")
    assert table.strip() in done.stdout
    assert {line.split(" |")[0] for line in table.splitlines()[2:]} == {
        f"| {name}" for name in (*kinds, "all")
    }
