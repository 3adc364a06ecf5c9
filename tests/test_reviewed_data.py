"""Own recordings as training data: a study, and the closed loop from a replay to weights that run live."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sample_session import open_sample, run_sample
from test_cli import atme
from test_session import needs_ffmpeg, sender
from user_errors import complaint, raises

from spotting.reviews.decision import CodedUnit, Decision
from spotting.reviews.study import Who, read_study
from stream.commands.demo import read_truth
from stream.records.recorded_session import read_session
from stream.records.records import RecordOptions, Records
from stream.records.reviewed import named_movements
from stream.review.writing import ReviewWriter
from stream.session import Session
from stream.settings import RecognizerConfig, Settings
from training.datasets import reviewed
from training.datasets.reviewed import load, load_videos
from training.features.archive import load as read_archive
from training.features.prepare import prepare
from training.learning.engine import Recipe
from training.loso.fit import fit
from training.loso.run import LosoConfig, run_loso

TEXT = """
participants = ["P07", "P08"]
conditions = ["baseline", "stress"]

[sessions.mirror]
participant = "P08"
condition = "stress"
"""


@pytest.fixture(scope="module")
def study(demo_clip, weights, tmp_path_factory) -> Path:
    """Two people, each with a movement of each class: P07 in the demo clip, P08 in its mirror image."""
    root = tmp_path_factory.mktemp("study")
    (root / "study.toml").write_text(TEXT, encoding="utf-8")
    mirror = tmp_path_factory.mktemp("mirror") / "mirror.mp4"
    quick = ("-crf", "10", "-preset", "ultrafast")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", demo_clip, "-vf", "hflip", *quick, mirror]
    subprocess.run(command, check=True)
    for clip, who in ((demo_clip, Who("P07", "baseline")), (mirror, Who())):
        out = root / clip.stem
        with Records(RecordOptions(out, who=who)) as records, open_sample(clip, weights) as session:
            records.begin(session, clip)
            run_sample(session, records)
    for name in ("demo", "mirror"):
        decide(root / name, [(t.label, t.onset, t.apex, t.offset) for t in read_truth(demo_clip)])
    return root


def decide(folder: Path, truth: list[tuple[str, float, float, float]]) -> None:
    """As a coder who knows the truth: yes to what is nearest to it, no to all else, the rest added."""
    session = read_session(folder)
    left = {one.id: one.movement for one in named_movements(session)}
    with closing(ReviewWriter(folder, "ana")) as writer:
        for k, (label, *times) in enumerate(truth, start=1):
            near = [name for name, m in left.items() if times[0] <= m.apex <= times[2]]
            name = near[0] if near else f"added-{k}"
            left.pop(name, None)
            writer.decide(Decision(name, "yes", *times, label=label, units=(CodedUnit(12, "B", "B"),)))
        for name, m in left.items():
            writer.decide(Decision(name, "no", m.onset, m.apex, max(m.apex, m.offset)))


@needs_ffmpeg
def test_the_closed_loop(study, short_clip, tmp_path):
    loaded = load(study)
    expected = {(subject, label) for subject in ("P07", "P08") for label in (0, 1, 2)}
    assert {(s.subject, s.label) for s in loaded.samples} == expected
    assert {s.units for s in loaded.samples} == {((12, None),)}
    picture = loaded.samples[0].onset_path
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    archive = tmp_path / "F.npz"
    prepare(loaded, archive, "reviewed", jobs=1)
    assert sorted(read_archive(archive).subject) == ["P07"] * 3 + ["P08"] * 3
    short = Recipe(epochs=1)
    run = run_loso(LosoConfig(archive, tmp_path / "run", (0,), short, workers=1))
    assert run is not None
    mine = tmp_path / "mine.onnx"
    fit(archive, mine, short, None, None, "atme-train fit F.npz")
    settings = Settings(recognizer=RecognizerConfig(str(mine)))
    with sender(short_clip) as url, Session.open(url, settings) as live:
        event = next(iter(live))
        assert set(event.probabilities) == {"negative", "positive", "surprise"}


def test_the_spotter_is_measured_on_what_was_decided(study, demo_clip):
    videos = {video.name: video for video in load_videos(study).videos}
    assert videos.keys() == {"demo", "mirror"}
    assert [m.label for m in videos["mirror"].movements] == [t.label for t in read_truth(demo_clip)]
    assert videos["mirror"].conditions == {"participant": "P08", "condition": "stress"}
    assert videos["demo"].conditions == {"participant": "P07", "condition": "baseline"}
    assert next(iter(videos["mirror"].pictures()))[2].shape == (480, 640, 3)


def test_what_cannot_be_used_is_said(study, tmp_path):
    root = Path(shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns(".reviewed*")))
    text = TEXT.partition("[sessions")[0]
    (root / "study.toml").write_text(text, encoding="utf-8")
    about = json.loads((root / "demo" / "session.json").read_text(encoding="utf-8"))
    about["source"]["recording"] = "/nowhere/demo.mp4"
    (root / "demo" / "session.json").write_text(json.dumps(about), encoding="utf-8")
    problems = {problem.sample: problem.what for problem in load(root).problems}
    assert "no participant" in problems["reviewed/mirror"]
    assert "is not where it was" in problems["reviewed/demo"]
    (root / "study.toml").write_text(text.replace('"P07", ', ""), encoding="utf-8")
    with raises("invalid", "'P07'", "P08"):
        load(root)
    with raises("not-found", root / "demo"):
        load(root / "demo")


def test_pictures_of_another_program_are_not_removed(study, tmp_path, monkeypatch):
    root = Path(shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns(".reviewed*")))
    monkeypatch.setattr(reviewed, "PICTURES", "mine")
    (root / "mine" / "mirror").mkdir(parents=True)
    (root / "mine" / "mirror" / "thesis.txt").write_text("years of work")
    assert any("not a folder of this program" in problem.what for problem in load(root).problems)
    assert (root / "mine" / "mirror" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("participants = 7", "invalid", "participants"),
        ('participant = ["a"]', "invalid", "participants"),
        ('participants = ["a b"]', "invalid", "'a b'"),
        ('participants = ["a"]\n[sessions.x]\nparticipant = "b"', "invalid", "'b'"),
        ('[sessions.x]\nwho = "b"', "invalid", "[sessions.x]"),
        ("participants = [", "unreadable", "study.toml"),
    ],
)
def test_a_study_that_is_none(tmp_path, text, code, named):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with raises(code, named):
        read_study(tmp_path)


def test_a_participant_that_the_study_does_not_know_is_refused_before_the_session(short_clip, tmp_path):
    (tmp_path / "study.toml").write_text(TEXT, encoding="utf-8")
    for words, named in (
        (("--out", "s01", "--participant", "P7"), ("'P7'", "P07")),
        (("--out", "s01", "--condition", "a/b"), ("'a/b'",)),
        (("--participant", "P07"), ("--participant", "--out")),
    ):
        done = atme("replay", short_clip, "--speed", "max", "--json", *words, cwd=tmp_path, expected=2)
        complaint(done, *named)
    assert not (tmp_path / "s01").exists()


def test_clips_of_a_session_without_a_recording_can_be_reviewed(short_clip, weights, tmp_path):
    """``--save-clips`` on a session that forgets its recording, as a live one."""
    from stream.review.opened import Opened

    out = tmp_path / "s"
    with Records(RecordOptions(out, save_clips=True)) as records, open_sample(short_clip, weights) as session:
        records.begin(session)
        run_sample(session, records)
        assert not records.unwritten
    clips = sorted((out / "clips").iterdir())
    assert clips
    assert {stat.S_IMODE(path.stat().st_mode) for path in clips} == {0o600}
    assert stat.S_IMODE((out / "clips").stat().st_mode) == 0o700
    opened = Opened(out, "ana", False)
    try:
        (event,) = [one for one in opened.movements if one.reason is None]
        frames = list(opened.reader().frames(*opened.span(event.id)[:2]))
        whole = round((opened.span(event.id)[1] - opened.span(event.id)[0]) * 60)
        assert abs(len(frames) - whole) <= 1
        assert frames[0].index == round(frames[0].timestamp * 60)
        with raises("not-found"):
            next(opened.reader().frames(50.0, 51.0))
    finally:
        opened.close()


def test_the_session_says_whom_it_shows(study):
    about = read_session(study / "demo").about
    assert (about["participant"], about["condition"]) == ("P07", "baseline")
