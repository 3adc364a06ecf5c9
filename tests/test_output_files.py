"""What is written for others: over nothing else, in one step, and with nothing in it that a program runs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as etree
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import webvtt
from overlay_session import make_event
from test_cli import atme
from user_errors import complaint, raises

from recognizer.files.write import write_file
from stream.outputs.event_log import EventLog
from stream.overlay.onlooker import Onlooker
from stream.overlay.snapshot import save_snapshot
from stream.records.export.formats import FORMATS, export
from stream.records.motion_file import Motion
from stream.records.recorded_session import Mark, RecordedSession, read_session
from stream.records.report.gather import write_report
from stream.records.session_files import SESSION_FILES

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
HOSTILE = "negative\n\n9\n00:00:00.000 --> 99:00:00.000\n<b>\x00\x1b]0;x\x07\ud800\u2028 & \ufffe"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# --- nothing is replaced that is not an earlier output of the same kind


def test_a_recording_called_motion_is_exported_beside_its_motion_curve(sample_folder, tmp_path):
    session = shutil.copytree(sample_folder, tmp_path / "s")
    about = json.loads((session / "session.json").read_text())
    about["source"]["recording"] = "/somewhere/motion.mp4"
    (session / "session.json").write_text(json.dumps(about))
    before = content(session)
    done = atme("export", "s", "--format", "csv", cwd=tmp_path)
    assert done.stdout == f"{Path('s') / 'motion-events.csv'}: 1 event\n"
    assert {name: data for name, data in content(session).items() if name != "motion-events.csv"} == before


@pytest.mark.parametrize(
    "name", [*sorted(SESSION_FILES), "MOTION.CSV", "clip.mp4", "new.mp4", "faces/0001-onset.png"]
)
@pytest.mark.parametrize("command", ["export", "report"])
def test_no_output_replaces_the_session_or_a_video(sample_folder, tmp_path, command, name):
    session = shutil.copytree(sample_folder, tmp_path / "s")
    (session / "clip.mp4").write_bytes(b"precious")
    before = content(session) | content(session / "faces")
    recorded = read_session(session)
    out = session / name
    attempts = [partial(export, recorded, format, out) for format in FORMATS]
    if command == "report":
        attempts = [partial(write_report, recorded, out, pictures=False)]
    for attempt in attempts:
        with raises("invalid", out):
            attempt()
    assert content(session) | content(session / "faces") == before


@pytest.mark.parametrize("name", [*FORMATS, "report"])
def test_only_an_earlier_output_of_the_same_kind_is_replaced(sample_folder, tmp_path, name):
    recorded = read_session(sample_folder)
    suffix = ".html" if name == "report" else FORMATS[name].suffix
    out = tmp_path / f"x{suffix}"

    def write(session: RecordedSession) -> bytes:
        if name == "report":
            return write_report(session, out, pictures=False).read_bytes()
        return export(session, name, out).read_bytes()

    write(recorded)
    grown = replace(recorded, events=(*recorded.events, make_event(99.0)))
    assert write(grown) == write(grown) != write(recorded)
    for mine in (b"a,b\n1,2\n", b"<html>mine</html>", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"):
        out.write_bytes(mine)
        with raises("exists", out):
            write(recorded)
        assert out.read_bytes() == mine
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_what_was_annotated_in_elan_is_not_replaced(sample_folder, tmp_path):
    recorded = read_session(sample_folder)
    out = export(recorded, "elan", tmp_path / "x.eaf")
    # ELAN gives each document it saves a name of its own.
    urn = '<PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:6ab0</PROPERTY></HEADER>'
    out.write_text(out.read_text(encoding="utf-8").replace("</HEADER>", urn), encoding="utf-8")
    with raises("exists", out):
        export(replace(recorded, events=()), "elan", out)
    assert "6ab0" in out.read_text(encoding="utf-8")


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "device", "folder", "pipe"])
def test_no_output_goes_through_a_link_or_into_a_device(sample_folder, tmp_path, kind):
    other, out = tmp_path / "other", tmp_path / "x.csv"
    if "link" in kind:
        out.symlink_to(other)
        if kind == "link":
            other.write_text("precious")
    elif kind == "folder":
        out.mkdir()
    elif kind == "pipe":
        os.mkfifo(out)
    elif os.geteuid() == 0:
        try:
            os.mknod(out, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except OSError:
            pytest.skip("may not make devices")
    else:
        pytest.skip("only root makes devices")
    with raises("exists", out):
        export(read_session(sample_folder), "csv", out)
    assert not stat.S_ISREG(out.lstat().st_mode)
    assert other.exists() == (kind == "link")
    if kind == "link":
        assert other.read_text() == "precious"


# --- in one step


@posix
def test_a_file_is_whole_or_old_and_no_part_stays(tmp_path):
    path = tmp_path / "a.json"
    write_file(path, b"old")
    code = (
        "import resource, sys; from pathlib import Path; from recognizer.files.write import write_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_file(Path(sys.argv[1]), bytes(5000))\n"
        "except OSError as error: print(error.strerror)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert content(tmp_path) == {"a.json": b"old"}


@posix
def test_faces_are_for_their_owner_only(sample_folder, tmp_path):
    assert stat.S_IMODE((sample_folder / "faces").stat().st_mode) == 0o700
    for path in (sample_folder / "faces").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    session = read_session(sample_folder)
    with_faces = write_report(session, tmp_path / "a.html")
    without = write_report(session, tmp_path / "b.html", pictures=False)
    assert stat.S_IMODE(with_faces.stat().st_mode) == 0o600
    assert stat.S_IMODE(without.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- what other programs read


@pytest.fixture
def hostile(tmp_path) -> RecordedSession:
    """A session whose every text tries to be something else."""
    odd = make_event(1.0, label=HOSTILE)
    odd = replace(odd, candidate=replace(odd.candidate, region='=HYPERLINK("http://x")'))
    about = {"source": {"name": HOSTILE, "recording": "/x/=1+1.mp4"}}
    return RecordedSession(tmp_path, (odd, make_event(1.0)), marks=(Mark(2.0, HOSTILE),), about=about)


def test_no_text_becomes_a_cue(hostile, tmp_path):
    cues = webvtt.read(str(export(hostile, "vtt", tmp_path / "x.vtt")))
    assert len(cues) == 2
    text = (tmp_path / "x.vtt").read_text(encoding="utf-8")
    assert text.count("-->") == 2
    assert "<b>" not in text
    subtitles = export(hostile, "srt", tmp_path / "x.srt").read_text(encoding="utf-8")
    assert subtitles.count("-->") == 2
    assert not re.search(r"[<{\x00-\x09\x0b-\x1f]", subtitles)


def test_no_text_becomes_a_formula(hostile, tmp_path):
    for name in ("csv", "megc"):
        text = export(hostile, name, tmp_path / f"x{FORMATS[name].suffix}").read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) == 3
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t"))]


def test_xml_json_and_textgrid_stay_valid(hostile, tmp_path):
    root = etree.parse(export(hostile, "elan", tmp_path / "x.eaf")).getroot()
    labels = [value.text for value in root.iter("ANNOTATION_VALUE")]
    assert sum("negative" in (label or "") for label in labels) >= 2
    project = json.loads(export(hostile, "boris", tmp_path / "x.boris").read_text(encoding="utf-8"))
    assert not re.search(r"[\x00-\x1f\ud800]", json.dumps(project, ensure_ascii=False))
    grid = export(hostile, "praat", tmp_path / "x.TextGrid").read_text(encoding="utf-8")
    assert grid.count('class = "TextTier"') == 1


def test_the_report_holds_only_numbers_that_json_knows(tmp_path):
    numbers = np.array([0.0, 1.0, 1.5, 2.0])
    odd = np.array([0.0, np.nan, np.inf, 1.0])
    motion = Motion(np.arange(4), numbers, numbers >= 0, odd, odd)
    event = make_event(1.0, probabilities=(float("nan"), 0.0, 0.0))
    page = write_report(RecordedSession(tmp_path, (event,), motion=motion)).read_text(encoding="utf-8")
    data = re.search(r'id="data">(.*?)</script>', page).group(1)
    curve = json.loads(data, parse_constant=pytest.fail)["curve"]
    assert curve["signal"] == [0.0, None, None, 1.0]
    assert "inf" not in re.search(r"<svg class='spark'.*?</svg>", page).group()


@posix
def test_a_name_that_is_not_utf_8_is_exported_and_reported(sample_folder, tmp_path):
    session = shutil.copytree(sample_folder, tmp_path / "s")
    about = json.loads((session / "session.json").read_text())
    about["source"]["recording"] = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    (session / "session.json").write_text(json.dumps(about))
    for format in FORMATS:
        out = tmp_path / f"x{FORMATS[format].suffix}"
        export(read_session(session), format, out).read_text(encoding="utf-8")
    write_report(read_session(session), tmp_path / "x.html").read_text(encoding="utf-8")


# --- the event log


def test_events_are_never_appended_to_something_else(short_clip, tmp_path, sample_folder):
    film = Path(shutil.copy(short_clip, tmp_path / "film.mp4"))
    before = film.read_bytes()
    done = atme("replay", film, "--events", film, cwd=tmp_path, expected=2)
    complaint(done, "film.mp4: ", "--events")
    assert film.read_bytes() == before
    session = shutil.copytree(sample_folder, tmp_path / "s")
    for name in ("events.jsonl", "rejected.jsonl", "marks.jsonl", "session.json", "motion.csv"):
        data = (session / name).read_bytes()
        with raises("exists", session / name):
            EventLog(session / name)
        assert (session / name).read_bytes() == data


# --- videos


@posix
def test_no_video_is_written_over_anything(short_clip, tmp_path):
    film = Path(shutil.copy(short_clip, tmp_path / "film.mp4"))
    before = film.read_bytes()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere.mp4")
    for option in ("--record", "--render"):
        for name in ("film.mp4", "link.mp4"):
            done = atme("replay", film, option, name, cwd=tmp_path, expected=2)
            complaint(done, f"{name}: ")
    done = atme("replay", film, "--record", "one.mp4", "--render", "One.mp4", cwd=tmp_path, expected=2)
    complaint(done, "One.mp4: ", "--record", "--render")
    assert film.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "link.mp4"]


@posix
def test_a_snapshot_follows_no_link(tmp_path):
    (tmp_path / "snapshot-1.500s-screen.svg").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="a link, folder or device has this name"):
        save_snapshot(tmp_path, 1.5, Onlooker(), "drawn", 20, 2)
    assert not (tmp_path / "precious").exists()
