"""A batch does again only what its marker and the recording prove to be its own; it deletes nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_cli import atme
from user_errors import check, complaint, raises

from stream.batch.folder import clear, held, locked
from stream.batch.jobs import plan, run_job
from stream.batch.session_names import session_names

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def halve(folder: Path) -> None:
    """As a power cut leaves a session."""
    about = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps({**about, "ended": None, "end": "running"}))


@pytest.fixture
def half(sample_folder, short_clip, settings, tmp_path):
    """A job whose folder holds half a session of its recording, without a marker."""
    (job,) = plan([short_clip], tmp_path / "out", settings)
    shutil.copytree(sample_folder, job.folder)
    halve(job.folder)
    return job


def sign(job) -> None:
    """Puts the marker there, as the batch that began it would have."""
    empty = job.folder.with_name("other")
    with held(empty, job.recording):
        shutil.copy(empty / "batch.json", job.folder)


# --- whose it is


@pytest.mark.parametrize("end", ["running", "failed: the camera has gone"])
def test_half_a_session_that_no_batch_began_is_left_alone(half, end):
    about = json.loads((half.folder / "session.json").read_text())
    (half.folder / "session.json").write_text(json.dumps({**about, "end": end}))
    before = everything(half.folder)
    outcome = run_job(half, print)
    assert outcome.state == "failed"
    check(outcome.error, "exists", half.folder)
    assert everything(half.folder) == before


def test_half_a_session_of_another_recording_is_left_alone(half, tmp_path):
    sign(half)
    about = json.loads((half.folder / "session.json").read_text())
    about["source"] = {**about["source"], "recording": None, "live": True}
    (half.folder / "session.json").write_text(json.dumps(about))
    before = everything(half.folder)
    check(run_job(half, print).error, "exists", half.folder)
    assert everything(half.folder) == before


def test_a_marker_of_another_recording_is_no_proof(half, tmp_path):
    other = tmp_path / "elsewhere" / half.recording.name
    other.parent.mkdir()
    shutil.copy(half.recording, other)
    with held(tmp_path / "m", other):
        shutil.copy(tmp_path / "m" / "batch.json", half.folder)
    before = everything(half.folder)
    check(run_job(half, print).error, "mismatch", half.folder)
    assert everything(half.folder) == before


def test_what_a_batch_began_is_done_again_once(half):
    sign(half)
    outcome = run_job(half, print)
    assert (outcome.state, outcome.error) == ("done", None)
    assert not (half.folder / "faces").exists()
    again = run_job(half, print)
    assert again.state == "skipped"
    assert again.labels == outcome.labels


def test_a_session_with_lost_events_is_not_taken_for_finished(half):
    sign(half)
    about = json.loads((half.folder / "session.json").read_text())
    lost = ["1 of 2 events (events.jsonl)"]
    (half.folder / "session.json").write_text(json.dumps({**about, "end": "finished", "unwritten": lost}))
    assert run_job(half, print).state == "done"


def test_a_recording_that_has_changed_is_not_skipped(sample_folder, short_clip, settings, tmp_path):
    clip = Path(shutil.copy(short_clip, tmp_path / "clip.mp4"))
    (job,) = plan([clip], tmp_path / "out", settings)
    assert run_job(job, print).state == "done"
    with open(clip, "ab") as file:
        file.write(bytes(100))
    check(run_job(job, print).error, "mismatch", job.folder)


def test_an_empty_folder_is_taken_and_a_failed_start_leaves_none(tmp_path, settings):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    (job,) = plan([bad], tmp_path / "out", settings)
    job.folder.mkdir(parents=True)
    assert run_job(job, print).state == "failed"
    assert not job.folder.exists()


# --- nothing is followed


@posix
@pytest.mark.parametrize("name", ["faces", "events.jsonl", "marks.jsonl", "batch.json"])
def test_no_link_is_followed_and_nothing_removed_beside_one(half, tmp_path, name):
    sign(half)
    precious = tmp_path / "precious"
    source = half.folder / name
    if source.exists():
        shutil.move(source, precious)
    else:
        precious.write_text("{}\n")
    (half.folder / name).symlink_to(precious)
    before, kept = (
        everything(half.folder),
        everything(precious) if precious.is_dir() else precious.read_bytes(),
    )
    outcome = run_job(half, print)
    assert outcome.state == "failed"
    assert everything(half.folder) == before
    assert (everything(precious) if precious.is_dir() else precious.read_bytes()) == kept


@posix
def test_a_folder_that_is_a_link_is_refused(half, tmp_path):
    sign(half)
    shutil.move(half.folder, tmp_path / "elsewhere")
    half.folder.symlink_to(tmp_path / "elsewhere")
    before = everything(tmp_path / "elsewhere")
    check(run_job(half, print).error, "exists", half.folder)
    assert everything(tmp_path / "elsewhere") == before


def test_only_what_a_session_writes_is_removed(half):
    (half.folder / "faces" / "holiday.png").write_bytes(b"mine")
    with raises("unwritable", half.folder):
        clear(half.folder)
    assert (half.folder / "faces" / "holiday.png").read_bytes() == b"mine"


# --- one at a time


@posix
def test_what_another_batch_is_writing_is_left_to_it(half):
    sign(half)
    before = everything(half.folder)
    with held(half.folder, half.recording):
        outcome = run_job(half, print)
    check(outcome.error, "busy", half.folder)
    assert everything(half.folder) == before
    begun = replace(half, folder=half.folder.with_name("begun"))
    with held(begun.folder, half.recording):  # so far its marker is all that is there
        check(run_job(begun, print).error, "busy", begun.folder)
        assert (begun.folder / "batch.json").exists()


HOLDER = """
import sys
from pathlib import Path
from stream.batch.folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@posix
def test_a_second_batch_on_one_folder_is_refused_at_once(short_clip, tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        done = atme("replay", short_clip, "--jobs", 1, "--out", "out", cwd=tmp_path, expected=2)
        complaint(done, "out: ")
        holder.stdin.close()
    with locked(tmp_path / "out"):
        assert list((tmp_path / "out").iterdir()) == []


# --- names


@pytest.mark.parametrize(
    "files",
    [
        ("a-b/s.mp4", "a/b/s.mp4"),
        ("Talk.mp4", "talk.mp4"),
        ("x/caf\u00e9.mp4", "x/cafe\u0301.mp4"),
        ("a/b/s.mp4", "a-b/s.mp4", "x/a-b-s.mp4.avi"),
        ("x/..mp4", "x/...mp4", "x/.mp4"),
        ("x/" + "l" * 240 + ".mp4", "y/" + "l" * 240 + ".mp4"),
    ],
)
def test_no_two_recordings_share_a_folder(files):
    paths = [Path(name) for name in files]
    names = session_names(paths)
    assert len({name.casefold() for name in names}) == len(names)
    assert not any(name in (".", "..") or name.startswith(".") or "/" in name for name in names)
    assert all(len(os.fsencode(name)) <= 240 for name in names)
    assert session_names(paths[::-1]) == names[::-1], "the same recordings, the same folders"


def test_recordings_of_one_name_have_folders_of_their_own_without_jobs_too(tmp_path):
    """And what is in the way is said before the first of them is replayed."""
    for name in ("a/s.mp4", "b/s.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no video: opening it would be another error")
    (tmp_path / "out" / "b-s.mp4").mkdir(parents=True)
    (tmp_path / "out" / "b-s.mp4" / "mine.txt").write_text("mine")
    words = ("replay", "a/s.mp4", "b/s.mp4", "--out", "out")
    complaint(atme(*words, cwd=tmp_path, expected=2), "b-s.mp4: ")
    twice = atme("replay", "a/s.mp4", "a/s.mp4", "--out", "out", cwd=tmp_path, expected=2)
    complaint(twice, "a/s.mp4: ", "2")
    assert read_names(tmp_path / "out") == ["b-s.mp4"]


def read_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
