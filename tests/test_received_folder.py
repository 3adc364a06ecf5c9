"""A session folder may come from anyone: whatever is in it, a command ends in one line or a good file."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

import pytest
from test_cli import atme
from user_errors import complaint, raises

from stream.batch.jobs import Job, run_job
from stream.records.export.formats import FORMATS, export
from stream.records.read_about import read_about
from stream.records.recorded_session import read_session
from stream.records.report.gather import write_report

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
JSON_LINES = ("events.jsonl", "rejected.jsonl", "marks.jsonl", "gaps.jsonl")
RECORDS = (*JSON_LINES, "motion.csv", "session.json")


@pytest.fixture
def session(sample_folder, tmp_path) -> Path:
    return Path(shutil.copytree(sample_folder, tmp_path / "s"))


def refused(session: Path, short_clip: Path, settings, out: Path, *parts: object) -> None:
    """Reading ends in one line; a batch that would resume there changes nothing either."""
    with raises("unreadable", *parts) as caught:
        write_report(read_session(session), out / "x.html")
    line = str(caught.value)
    assert len(line) < 400
    before = sorted(os.listdir(session))
    outcome = run_job(Job(short_clip, session, settings), print)
    assert outcome.state == "failed" or "faces" in line, "images are the report's affair"
    assert sorted(os.listdir(session)) == before


@posix
@pytest.mark.parametrize("name", [*RECORDS, "faces", "faces/0001-onset.png"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_no_link_is_followed_and_no_pipe_waited_for(session, short_clip, settings, tmp_path, name, kind):
    path = session / name
    shutil.move(path, tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)
    refused(session, short_clip, settings, tmp_path, f"{path}: ")


@posix
@pytest.mark.parametrize("name", RECORDS)
def test_a_file_without_end_is_not_read(session, short_clip, settings, tmp_path, name):
    with open(session / name, "r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    refused(session, short_clip, settings, tmp_path, f"{session / name}: ", "1048576 MiB")


def changed(line: dict, where: str, value) -> bytes:
    *path, last = where.split(".")
    inner = line
    for key in path:
        inner = inner[key]
    inner[last] = value
    return json.dumps(line).encode()


HUGE = 10**400
WRONG = [
    *(
        ("events.jsonl", name, value)
        for name in ("onset", "decided")
        for value in ("1", None, [], True, 1e300, HUGE)
    ),
    *(("events.jsonl", "onset_frame", value) for value in (1.5, -1, HUGE, "7", None)),
    *(("events.jsonl", name, value) for name in ("label", "region") for value in (7, None, [], "x" * 5000)),
    *(("events.jsonl", "probabilities", value) for value in ([], 1, {"negative": "x"}, {"negative": 1e9})),
    ("events.jsonl", "confidence", HUGE),
    ("events.jsonl", "stage_ms", [["a", 1]]),
    *(
        ("events.jsonl", "compared", value)
        for value in (7, None, [], [3], [1, 2, 3], [1.5, 2], [True, 2], [-1, 2])
    ),
    ("events.jsonl", "kind", "other"),
    ("events.jsonl", "offset", -5.0),
    ("rejected.jsonl", "reason", {"a": 1}),
    ("rejected.jsonl", "peak", "high"),
    ("marks.jsonl", "time", "soon"),
    ("marks.jsonl", "text", 5),
    ("gaps.jsonl", "end", HUGE),
    *(("session.json", name, value) for name in ("source", "settings", "weights") for value in ([], "x", 1)),
    ("session.json", "source.recording", ["/etc/passwd"]),
    ("session.json", "source.nominal_fps", "fast"),
    ("session.json", "settings.session", [1]),
    ("session.json", "seconds", HUGE),
    ("session.json", "warnings", {"a": 1}),
    ("session.json", "rejected", {"blink": "many"}),
    ("session.json", "latency_ms", [1, 2]),
]


@pytest.mark.parametrize(("name", "where", "value"), WRONG)
def test_values_of_the_wrong_kind(session, short_clip, settings, tmp_path, name, where, value):
    first, _, rest = (session / name).read_bytes().partition(b"\n")
    if name == "session.json":
        first, rest = (session / name).read_bytes(), b""
    (session / name).write_bytes(changed(json.loads(first), where, value) + b"\n" + rest)
    refused(session, short_clip, settings, tmp_path, f"{session / name}: ")


NESTED = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize("name", [*JSON_LINES, "session.json"])
@pytest.mark.parametrize(
    "line",
    [NESTED, b'{"a":' * 90_000 + b"1" + b"}" * 90_000, b"9" * 5000, b"NaN", b"[]", b'"x"', b"x" * (2 << 20)],
)
def test_json_that_no_session_writes(session, short_clip, settings, tmp_path, name, line):
    (session / name).write_bytes(line + b"\n")
    if name == "session.json" and line.startswith(b"x"):
        assert "session.json cannot be read" in read_session(session).notes[0]
        return
    refused(session, short_clip, settings, tmp_path, f"{session / name}: ")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", "nan"),
        ("timestamp", "1e300"),
        ("frame", "-1"),
        ("frame", "9" * 400),
        ("signal", "inf"),
        ("signal", "x"),
    ],
)
def test_rows_that_no_session_measures(session, short_clip, settings, tmp_path, column, value):
    head, row, *rows = (session / "motion.csv").read_text().splitlines()
    cells = row.split(",")
    cells[head.split(",").index(column)] = value
    (session / "motion.csv").write_text("\n".join([head, ",".join(cells), *rows]) + "\n")
    refused(session, short_clip, settings, tmp_path, f"{session / 'motion.csv'}: ", "row 2 ")


def png(width: int, height: int) -> bytes:
    """One colour, of so many pixels: a few bytes each row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj()
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content", [png(20_000, 20_000), b"\xff\xd8\xff\xe0 a jpeg", b"", b"\x89PNG\r\n\x1a\n"]
)
def test_pictures_that_no_session_saves(session, tmp_path, content):
    (session / "faces" / "0001-onset.png").write_bytes(content)
    done = atme("report", "s", cwd=tmp_path, expected=2)
    complaint(done, "0001-onset.png: ")
    atme("report", "s", "--no-pictures", cwd=tmp_path)


def test_the_recording_is_shown_only_if_it_is_the_very_one(session, short_clip, tmp_path):
    """Or a received folder could have any video of its reader passed on with the report."""
    shutil.rmtree(session / "faces")
    about = json.loads((session / "session.json").read_text())
    about["source"]["fingerprint"] = "0" * 64
    (session / "session.json").write_text(json.dumps(about))
    page = write_report(read_session(session), tmp_path / "x.html").read_text(encoding="utf-8")
    assert "data:image" not in page
    page = write_report(read_session(session), tmp_path / "x.html", short_clip).read_text(encoding="utf-8")
    assert "data:image" in page


@pytest.mark.parametrize("name", ["x" * 5000, "\0", "a" * 300 + "/b", ""])
def test_a_recording_with_a_name_that_no_file_has(session, tmp_path, name):
    about = json.loads((session / "session.json").read_text())
    about["source"]["recording"] = name
    (session / "session.json").write_text(json.dumps(about))
    shutil.rmtree(session / "faces")
    for format in FORMATS.values():
        export(read_session(session), format.name, tmp_path / f"x{format.suffix}")
    write_report(read_session(session), tmp_path / "x.html")


def test_commands_end_in_one_line(session, tmp_path):
    (session / "session.json").write_bytes(NESTED)
    for words in (("report", "s"), ("export", "s", "--format", "csv")):
        complaint(atme(*words, cwd=tmp_path, expected=2), "session.json: ")


def test_what_a_session_writes_is_read_back_whole(sample_folder):
    """A key that is added to ``session.json`` is added to what its reader knows."""
    path = sample_folder / "session.json"
    assert read_about(path) == json.loads(path.read_text(encoding="utf-8"))
