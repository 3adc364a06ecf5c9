"""What cannot be written is said at once and counted at the end, with exit code 2; it ends no session."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from overlay_session import make_event, make_extras, make_status
from rich.console import Console
from test_cli import atme
from user_errors import check_line

from recognizer.errors import AtmeError
from stream.outputs.event_log import EventLog
from stream.outputs.line_file import LineFile
from stream.overlay.screen import screen
from stream.records.recorded_session import read_session

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@contextmanager
def replaying(clip: Path, *words: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "stream.cli", "replay", str(clip), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def ours(text: str) -> list[str]:
    assert "Traceback" not in text
    return [line for line in text.splitlines() if line.startswith("atme: ") and ": seen: " not in line]


@needs_full
@pytest.mark.parametrize("json_lines", [True, False])
def test_a_log_on_a_full_disk(short_clip, weights, tmp_path, json_lines):
    words = ["replay", short_clip, "--speed", "max", "--weights", weights, "--events", "/dev/full"]
    done = atme(*words, *(["--json"] if json_lines else []), cwd=tmp_path, expected=2)
    assert len(done.stdout.splitlines()) == 1, "the event is shown all the same"
    first, last = ours(done.stderr)
    check_line(first, "/dev/full: No space left on device")
    check_line(last, "short.mp4: ", "1 of 1 events (/dev/full)")


@needs_full
@pytest.mark.parametrize("json_lines", [True, False])
def test_lines_on_a_full_device_end_no_session(short_clip, weights, tmp_path, json_lines):
    command = [sys.executable, "-m", "stream.cli", "replay", str(short_clip), "--speed", "max", "--out", "s"]
    command += ["--weights", str(weights), *(["--json"] if json_lines else [])]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    first, last = ours(done.stderr)
    check_line(first, "standard output: ", "(No space left on device)")
    check_line(last, "1 of 1 lines (standard output)")
    assert "Exception ignored" not in done.stderr
    session = read_session(tmp_path / "s")
    assert len(session.events) == 1
    assert session.about["end"] == "finished"


@needs_full
@pytest.mark.parametrize("words", [("doctor",), ("--help",)])
def test_every_command_says_that_its_output_is_full(tmp_path, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    check_line(ours(done.stderr)[-1], "atme: standard output: No space left on device")
    assert "Exception ignored" not in done.stderr


@posix
def test_a_session_on_a_full_disk_goes_on_and_counts(small_disk, short_clip, weights, tmp_path):
    """144 rows of the motion curve are 24 kB; with images of the face there is no room for them."""
    (small_disk / "ballast").write_bytes(bytes(44 * 1024))
    words = ("--speed", "max", "--weights", weights, "--json", "--out", small_disk / "s")
    done = atme("replay", short_clip, *words, cwd=tmp_path, expected=2)
    assert len(done.stdout.splitlines()) == 1, "the event is shown all the same"
    *said, last = ours(done.stderr)
    assert any("motion.csv: " in line and "(No space left on device)" in line for line in said)
    check_line(last, "of 145 lines")
    session = read_session(small_disk / "s")
    assert session.about["end"] == "running" or session.about["unwritten"]


@posix
def test_what_was_refused_is_written_once_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    with EventLog(small_disk / "log.jsonl") as log:
        log.write(make_event(1.0))
        ballast.write_bytes(bytes(60 * 1024))
        refused = 0
        for k in range(20):
            try:
                log.write(make_event(2.0 + k))
            except AtmeError:
                refused += 1
        assert refused == log.missing > 5
        ballast.unlink()
        log.write(make_event(99.0))
        assert log.missing == 0
    onsets = [event.onset for event in read_session(small_disk / "log.jsonl").events]
    assert onsets == [1.0, *(2.0 + k for k in range(20)), 99.0], "each once and in order"


@posix
def test_a_video_on_a_full_disk(small_disk, short_clip, weights, tmp_path):
    words = (
        "--speed",
        "max",
        "--weights",
        weights,
        "--json",
        "--record",
        small_disk / "film.mp4",
        "--out",
        "s",
    )
    done = atme("replay", short_clip, *words, cwd=tmp_path, expected=2)
    assert len(done.stdout.splitlines()) == 1
    first, last = ours(done.stderr)
    check_line(first, "film.mp4: ", "(No space left on device)")
    check_line(last, "of 144 frames (")
    assert len(read_session(tmp_path / "s").events) == 1


@posix
def test_a_folder_removed_while_it_is_written(short_clip, weights, tmp_path):
    """Said the moment the next frame comes, with the event that is not on the disk counted at the end."""
    words = ("--json", "--weights", weights, "--out", "s", "--record", "film.mp4")
    with replaying(short_clip, *words, cwd=tmp_path) as process:
        rows = tmp_path / "s" / "motion.csv"
        while not (rows.exists() and rows.read_bytes().count(b"\n") > 2):
            assert process.poll() is None, process.stderr.read()
        shutil.rmtree(tmp_path / "s")
        first = process.stderr.readline()
        while not first.startswith("atme: "):  # native libraries have their say
            first = process.stderr.readline()
        assert process.poll() is None, "at once, not at the end"
        shown, rest = process.communicate()
    assert process.returncode == 2
    check_line(first.rstrip(), f"{Path('s') / 'motion.csv'}: ")
    assert len([json.loads(line) for line in shown.splitlines()]) == 1
    last = ours(rest)[-1]
    check_line(last, f"1 of 1 events ({Path('s') / 'events.jsonl'})", "145 of 145 lines")
    assert not (tmp_path / "s").exists(), "nobody makes again what somebody has removed"
    assert (tmp_path / "film.mp4").stat().st_size > 0


def test_the_overlay_shows_it_as_long_as_it_is_so():
    lost = "2 of 5 events (s/events.jsonl)"
    for unwritten, shown in ((lost, True), ("", False)):
        console = Console(width=120, file=io.StringIO())
        console.print(screen(make_status(paused=True), (), 120, 30, make_extras(unwritten=unwritten)))
        assert (f"! not on disk: {lost}" in console.file.getvalue()) == shown


@posix
def test_a_line_written_in_part_is_completed(tmp_path):
    """As a disk leaves it that takes half of a line."""

    class Halting:
        room = 5
        data = b""
        closed = False

        def fileno(self):
            raise OSError

        def write(self, data):
            taken = data[: self.room]
            if not taken:
                raise OSError(28, "No space left on device")
            self.data += taken
            self.room -= len(taken)
            return len(taken)

        def close(self):
            self.closed = True

    disk = Halting()
    file = LineFile(disk)
    with pytest.raises(OSError, match="No space"):
        file.write(b"whole\n")
    with pytest.raises(OSError, match="No space"):
        file.write(b"second\n")
    assert (file.missing, file.lines) == (2, 2)
    disk.room = 100
    file.close()
    assert disk.data == b"whole\nsecond\n"
    assert file.missing == 0
