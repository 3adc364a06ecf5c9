"""The session folder: on disk as it happens, nothing that was not asked for, readable after any end."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from overlay_session import make_event
from sample_session import open_sample
from user_errors import raises

from recognizer.errors import AtmeError
from spotting.face.places import REGIONS
from stream.pipeline.gap import Gap
from stream.records.folder import SessionFolder
from stream.records.recorded_session import read_session
from stream.records.records import RecordOptions, Records

ROOT = Path(__file__).resolve().parents[1]


def test_folder_holds_what_the_session_saw(sample_folder):
    about = json.loads((sample_folder / "session.json").read_text(encoding="utf-8"))
    assert about["end"] == "finished"
    assert "error_code" not in about
    assert about["started"] < about["ended"]
    assert (about["frames"], about["frames_dropped"], about["events"]) == (144, 0, 1)
    event = json.loads((sample_folder / "events.jsonl").read_text(encoding="utf-8"))
    assert about["latency_ms"]["max"] == pytest.approx(event["latency_ms"], abs=0.056)  # both are rounded
    assert about["rejected"].keys() <= {"noise", "cut off"}, "the blink came from the test"
    assert about["source"]["recording"].endswith("short.mp4")
    assert len(about["weights"]["sha256"]) == 64
    assert about["settings"]["spotter"]["max_duration_ms"] == 600.0

    with open(sample_folder / "motion.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["frame", "timestamp", "confidence", "success"]
    assert [int(row["frame"]) for row in rows] == list(range(144))
    regions = [name.replace(" ", "_") for name in REGIONS]
    assert all(float(row["signal"]) == max(float(row[name]) for name in regions) for row in rows)
    highest = max(rows, key=lambda row: float(row["signal"]))
    assert event["onset"] < float(highest["timestamp"]) < event["offset"]


def test_a_failed_session_says_of_which_kind_the_failure_was(short_clip, weights, tmp_path):
    with (
        raises("source-lost", "camera 0"),
        SessionFolder(tmp_path / "s") as folder,
        open_sample(short_clip, weights) as session,
    ):
        folder.begin(session)
        raise AtmeError("source-lost", "camera 0: the camera stalled")
    about = read_session(tmp_path / "s").about
    assert (about["end"], about["error_code"]) == ("failed: camera 0: the camera stalled", "source-lost")


def test_face_pictures_show_the_face(sample_folder, landmarker):
    names = sorted(path.name for path in (sample_folder / "faces").iterdir())
    assert names == [f"0001-{name}.png" for name in ("apex", "attention", "flow", "onset", "puzzle")]
    for name in ("onset", "apex"):
        picture = cv2.imread(str(sample_folder / "faces" / f"0001-{name}.png"))
        assert picture.shape == (256, 256, 3)
        assert landmarker.detect(picture) is not None


def test_session_is_read_back_as_it_was(sample_folder):
    session = read_session(sample_folder)
    assert session.notes == ()
    assert session.name == "short"
    said = [rejection for rejection in session.rejections if rejection.reason not in ("noise", "cut off")]
    assert (len(session.events), len(said), len(session.motion)) == (1, 1, 144)
    assert said[0].reason == "blink"
    assert said[0].movement.apex_frame == 25
    assert session.marks[0].text == "noise <outside>"
    assert session.gaps == (Gap(0.0, 1.0, "paused"),)
    line = json.loads((sample_folder / "events.jsonl").read_text(encoding="utf-8"))
    assert session.events[0].to_dict() == line


def test_nothing_is_recorded_unless_asked_for(tmp_path, monkeypatch, short_clip, weights):
    monkeypatch.chdir(tmp_path)
    session = open_sample(short_clip, weights)
    with session, Records(RecordOptions()) as records:
        records.begin(session, short_clip)
        records.mark(1.0)
    assert list(tmp_path.iterdir()) == []
    with SessionFolder(tmp_path / "s") as folder:
        folder.begin(session)
    assert not (tmp_path / "s" / "faces").exists()


def test_existing_recordings_are_never_mixed_with_new_ones(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with raises("exists", tmp_path):
        SessionFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_session_that_never_began_leaves_no_folder(tmp_path):
    options = RecordOptions(tmp_path / "session", save_faces=True, record=tmp_path / "session" / "film.mp4")
    with raises("not-found", "no camera"), Records(options):
        raise AtmeError("not-found", "no camera")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with raises("unwritable", tmp_path / "file" / "session"):
        SessionFolder(tmp_path / "file" / "session")


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"save_faces": True}, "invalid", ("--save-faces", "--out")),
        ({"record": Path("film.txt")}, "invalid", ("film.txt", ".mp4")),
        ({"render": Path("no/such/film.mp4")}, "unwritable", ("no/such",)),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options, code, named):
    with raises(code, *named):
        Records(RecordOptions(**options))


CHILD = """
import sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from sample_session import open_sample, run_sample
from stream.records.folder import SessionFolder

class Talking(SessionFolder):
    def event(self, event, onset, apex, features):
        super().event(event, onset, apex, features)
        print(event.candidate.apex_frame, flush=True)
        sys.stdin.read()  # until killed

with Talking(Path(sys.argv[2])) as folder:
    session = open_sample(Path(sys.argv[1]), Path(sys.argv[3]))
    folder.begin(session, Path(sys.argv[1]))
    run_sample(session, folder)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_killed_session_can_be_read(tmp_path, short_clip, weights):
    out = tmp_path / "session"
    command = [sys.executable, "-c", CHILD, str(short_clip), str(out), str(weights)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as child:
        apex = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    session = read_session(out)
    assert [event.candidate.apex_frame for event in session.events] == [apex]
    assert session.motion.frame[-1] >= apex, "every frame up to the event is on disk"
    assert "cut off" in session.notes[0]


LIMITED = """
import resource, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from overlay_session import make_event
from stream.records.folder import SessionFolder
from spotting.motion import NO_FACE, STILL, MotionSample
with SessionFolder(Path(sys.argv[1])) as folder:
    folder.event(make_event(1.0), None, None, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
    for k in range(50):
        folder.frame(None, MotionSample(k, k / 60, False, NO_FACE, 0, "", 0, 0, 0, False, 0, 0, STILL), 0.3)
        folder.event(make_event(2.0 + k), None, None, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    folder.event(make_event(99.0), None, None, None)
print(*folder.warnings, sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_said_once_and_stops_nothing(tmp_path):
    out = tmp_path / "session"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(out)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("cannot be written" in line for line in lines)
    onsets = [event.onset for event in read_session(out).events]
    assert onsets[0] == 1.0
    assert onsets[-1] == 99.0, "written again once there was room"


@pytest.mark.skipif(sys.platform == "win32", reason="open files keep folders there")
def test_a_folder_removed_meanwhile_is_said_and_stops_nothing(tmp_path, short_clip, weights):
    with SessionFolder(tmp_path / "session") as folder, open_sample(short_clip, weights) as session:
        folder.begin(session)
        shutil.rmtree(tmp_path / "session")
        folder.event(make_event(), None, None, None)
    assert any("session.json" in warning for warning in folder.warnings)


@pytest.mark.parametrize("name", ["events.jsonl", "motion.csv", "session.json", "rejected.jsonl"])
@pytest.mark.parametrize("cut", ["empty", "half", "missing", "noise"])
def test_damaged_files_never_stop_the_reading(tmp_path, sample_folder, name, cut):
    copy = shutil.copytree(sample_folder, tmp_path / "session")
    path = copy / name
    data = path.read_bytes()
    if cut == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "noise": bytes(range(256))}[cut])
    if (name, cut) == ("events.jsonl", "missing"):
        with raises("not-found", copy, "events.jsonl"):
            read_session(copy)
        return
    session = read_session(copy)
    assert len(session.events) == (0 if name == "events.jsonl" else 1)
    if (name, cut) not in {
        ("events.jsonl", "empty"),  # a session without events
        ("rejected.jsonl", "empty"),
        ("rejected.jsonl", "missing"),
        ("motion.csv", "empty"),
    }:
        assert session.notes


def test_lines_that_were_written_before_a_field_was_added_are_read(tmp_path, sample_folder):
    copy = shutil.copytree(sample_folder, tmp_path / "session")
    for name in ("events.jsonl", "rejected.jsonl"):
        lines = [json.loads(line) for line in (copy / name).read_text(encoding="utf-8").splitlines()]
        for line in lines:
            del line["probability"]
            line.pop("kind", None)
        (copy / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    session = read_session(copy)
    assert [event.candidate.probability for event in session.events] == [None]
    assert session.micros == session.events
    assert session.rejections[-1].movement.probability is None
    assert not session.notes


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"[1, 2]\n", b'{"onset": 1}\n'])
def test_a_file_that_is_no_event_log_is_refused(tmp_path, content):
    path = tmp_path / "something.jsonl"
    path.write_bytes(content)
    with raises("unreadable", path):
        read_session(path)
    with raises("not-found", tmp_path / "nothing"):
        read_session(tmp_path / "nothing")
