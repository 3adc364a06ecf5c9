"""Many recordings at once: one folder each, nothing done twice, and one bad recording stops nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_cli import atme
from user_errors import check, complaint, raises

from stream.batch.jobs import Outcome, plan, run_job
from stream.batch.workers import run_here, run_on_ray
from stream.records.recorded_session import read_session


@pytest.fixture(scope="module")
def recordings(short_clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    shutil.copy(short_clip, folder / "one.mp4")
    shutil.copy(short_clip, folder / "two.mp4")
    (folder / "bad.mp4").write_text("not a video\n")
    return folder


def test_folders_are_named_after_recordings_and_never_shared(tmp_path, settings):
    files = [tmp_path / name for name in ("a/clip.mp4", "b/clip.mp4", "b/clip.avi", "b/other.mp4")]
    names = [job.folder.name for job in plan(files, tmp_path / "out", settings)]
    assert names == ["a-clip.mp4", "b-clip.mp4", "b-clip.avi", "other"]
    with raises("invalid", files[0]):
        plan([files[0], files[0]], tmp_path, settings)


def test_a_batch_does_what_can_be_done_and_goes_on_where_it_stood(recordings, weights, tmp_path):
    files = sorted(recordings.glob("*.mp4"))
    words = ("replay", *files, "--jobs", 2, "--out", "out", "--weights", weights)
    done = atme(*words, cwd=tmp_path, expected=2)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("atme: ")]
    assert "bad.mp4" in line
    assert "Traceback" not in done.stderr
    assert "1 failed" in done.stdout
    assert "unreadable" in done.stdout, "the table says what kind of failure it was"
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"one", "two"}
    first = read_session(out / "one")
    assert len(first.events) == 1
    assert first.about["end"] == "finished"

    # One session is made a half one, as a power cut leaves it; the other is finished.
    about = json.loads((out / "two" / "session.json").read_text())
    (out / "two" / "session.json").write_text(json.dumps({**about, "ended": None, "end": "running"}))
    (out / "two" / "events.jsonl").write_bytes((out / "two" / "events.jsonl").read_bytes()[:40])
    kept = (out / "one" / "session.json").stat().st_mtime_ns
    done = atme(*words, cwd=tmp_path, expected=2)
    assert "one: 1 micro-expression (finished before, skipped)" in done.stdout
    assert "two: 1 micro-expression\n" in done.stdout
    assert (out / "one" / "session.json").stat().st_mtime_ns == kept
    assert len(read_session(out / "two").events) == 1


def test_finished_sessions_of_other_settings_are_never_taken_for_ours(sample_folder, short_clip, settings):
    (job,) = plan([short_clip], Path("nowhere"), settings)
    job = replace(job, folder=sample_folder)
    assert run_job(job, print).state == "skipped"
    other = replace(settings, spotter=replace(settings.spotter, threshold_factor=9.0))
    outcome = run_job(replace(job, settings=other), print)
    assert outcome.state == "failed"
    check(outcome.error, "mismatch", sample_folder, "settings")
    check(run_job(replace(job, recording=Path("x.mp4")), print).error, "mismatch", "recording")
    assert read_session(sample_folder).events


def test_a_folder_with_other_things_in_it_is_left_alone(short_clip, settings, tmp_path):
    (job,) = plan([short_clip], tmp_path, settings)
    job.folder.mkdir()
    (job.folder / "events.jsonl").touch()
    (job.folder / "notes.txt").write_text("mine")
    outcome = run_job(job, print)
    assert outcome.state == "failed"
    check(outcome.error, "exists", job.folder)
    assert (job.folder / "notes.txt").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_worker_costs_only_its_recording(recordings, settings, tmp_path):
    jobs = plan([recordings / "one.mp4", recordings / "two.mp4"], tmp_path, settings)
    messages = run_here(jobs, 1)
    index, share = next(messages)
    assert (index, isinstance(share, float)) == (0, True)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (worker,) = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(worker), signal.SIGKILL)
    outcomes = {index: message for index, message in messages if isinstance(message, Outcome)}
    assert outcomes[0].state == "failed"
    check(outcomes[0].error, "internal", "one.mp4", "-9")
    assert outcomes[1].state == "done"


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")
def test_a_batch_on_ray(recordings, settings, tmp_path):
    import ray

    jobs = plan([recordings / "one.mp4", recordings / "bad.mp4"], tmp_path, settings)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        outcomes = dict(run_on_ray(jobs))
    finally:
        ray.shutdown()
    assert outcomes[0].state == "done"
    assert sum(outcomes[0].labels.values()) == 1
    assert outcomes[1].state == "failed"
    check(outcomes[1].error, "unreadable", "bad.mp4")


@pytest.mark.parametrize(
    "words", [("--jobs", 2), ("--jobs", 2, "--out", "o", "--json"), ("--executor", "ray")]
)
def test_what_a_batch_cannot_do_is_said_at_once(recordings, tmp_path, words):
    done = atme("replay", recordings / "one.mp4", *words, cwd=tmp_path, expected=2)
    complaint(done, "--jobs", "--executor", "--out")
    assert list(tmp_path.iterdir()) == []
