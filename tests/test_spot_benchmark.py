"""The spotting benchmark from rendering to report: repeatable clips, and the commands a user types."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from motion_curves import Agreeing
from user_errors import raises

from spotting.apexes.detector import ApexDetector
from spotting.candidate import Candidate
from spotting.classifier import KINDS
from spotting.motion import MotionMeter
from training.cli.main import app
from training.datasets.long_video import LongVideo, Movement
from training.rendering.clip import render, truth
from training.rendering.head_motion import HeadGesture, HeadPose
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import GLANCE_S, ClipScript, Glance
from training.spotting.classifier.snapshots import View, snapshots
from training.spotting.evaluate import OTHER_POINTS, SPOTTERS, read_benchmark
from training.spotting.labelling import Labelled, gated
from training.spotting.rendered import timeline as spot_timeline
from training.spotting.rendered.benchmark import STORIES, read_index, write_benchmark
from training.spotting.rendered.benchmark import portrait as face_of
from training.spotting.rendered.timeline import PEAKS, SIZE, Plan, plan, script
from training.spotting.score import Hit, SpotScore
from training.spotting.signal import measured, part_path, signal_of, without_words


def clip(fps: float = 30.0, timeline: int = 0, drift: float = 2.5) -> Plan:
    return Plan("clip", None, timeline, fps, 1.5, drift, seed=3)


@pytest.fixture(scope="module")
def person() -> Portrait:
    return load_portrait(None, SIZE)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory):
    """One clip of nine seconds at 30 fps."""
    out = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        for story in STORIES.values():
            patch.setattr(story, "SECONDS", 9.0)
        assert list(write_benchmark(out, 0.15, seed=2, faces=[None], workers=1, story="first")) == [
            (0, 1),
            (1, 1),
        ]
        # What is there is not rendered again.
        assert list(write_benchmark(out, 0.15, seed=2, faces=[None], workers=1, story="first")) == [(1, 1)]
        with raises("mismatch", out):
            list(write_benchmark(out, 0.15, seed=9, faces=[None], workers=1, story="first"))
    return out


# --- the plan


def test_an_hour_has_every_peak_drift_face_and_rate_about_equally():
    faces = [Path("a.png"), Path("b.png"), Path("c.png")]
    plans = plan(60, 1, faces)
    assert len(plans) == 120
    at_30 = [clip for clip in plans if clip.fps == 30]
    assert len(at_30) == 90
    for name in ("peak", "drift", "face"):
        counts = Counter(getattr(clip, name) for clip in at_30)
        assert max(counts.values()) - min(counts.values()) <= 6, name
    assert len({(clip.face, clip.peak) for clip in at_30}) == 3 * len(PEAKS)
    # Any beginning is mixed, so that an unfinished benchmark is a smaller one.
    assert {clip.fps for clip in plans[:40]} == set(spot_timeline.RATES)
    assert plan(30, 1, faces) == plans[:60]


def test_wanted_rates_come_in_equal_parts():
    plans = plan(30, 1, [None], {60.0: 0.5, 200.0: 0.5})
    assert Counter(clip.fps for clip in plans) == {60.0: 30, 200.0: 30}
    at_200 = [clip for clip in plan(60, 1, [None]) if clip.fps == 200]
    assert [clip for clip in plans if clip.fps == 200][: len(at_200)] == at_200


def test_clips_of_one_timeline_show_the_same_events_at_every_rate(person: Portrait):
    slow, fast = (script(clip(fps), person) for fps in (30.0, 200.0))
    assert slow == replace(fast, fps=30.0)
    assert slow != script(clip(timeline=1), person)


@pytest.mark.parametrize("timeline", range(6))
def test_events_keep_apart_and_micro_expressions_are_micro(person: Portrait, timeline: int):
    story = script(clip(timeline=timeline), person)
    events = [a for a in story.actions if a.kind != "speech"]
    events += [*story.blink_actions, *story.gesture_actions]
    events.sort(key=lambda event: event.onset)
    for before, after in pairwise(events):
        assert after.onset - before.offset >= 0.39
    for micro in (a for a in story.actions if a.kind == "micro"):
        assert spot_timeline.SHORTEST <= micro.offset - micro.onset <= spot_timeline.LONGEST
        assert micro.label is not None
    assert all(a.label is None for a in story.actions if a.kind != "micro")
    assert events[-1].offset < story.duration


def test_without_drift_the_head_makes_no_gestures(person: Portrait):
    assert all(not script(clip(timeline=k, drift=0.0), person).gestures for k in range(6))


def test_eyes_rest_in_half_of_the_timelines_and_wander_in_the_others(person: Portrait):
    stories = [script(clip(timeline=k), person) for k in range(40)]
    wandering = [story for story in stories if story.glances]
    assert 12 <= len(wandering) <= 28
    for story in wandering:
        times = [glance.time for glance in story.glances]
        assert min(later - sooner for sooner, later in pairwise(times)) > GLANCE_S
        assert len(times) > 10
        assert max(abs(glance.right) for glance in story.glances) <= 3.5


# --- the eyes


def test_a_glance_moves_the_irises_and_leaves_the_skin(person: Portrait):
    import cv2

    story = ClipScript(1.0, fps=10, size=SIZE, glances=(Glance(0.25, 3.0, 0.0), Glance(0.65, 0.0, 0.0)))
    assert [story.gaze(time)[0] for time in (0.2, 0.27, 0.3, 0.6, 0.7)] == pytest.approx([0, 1.5, 3, 3, 0])
    images = [image for _, image in render(person, story)]
    np.testing.assert_array_equal(images[0], images[9])
    change = cv2.cvtColor(cv2.absdiff(images[0], images[5]), cv2.COLOR_BGR2GRAY)
    unit = np.linalg.norm(person.landmarks[15] - person.landmarks[1])
    x, y = person.landmarks[36:42].mean(axis=0).round().astype(int)
    assert change[y - 3 : y + 4, x - 8 : x + 9].max() > 20
    below = round(y + 0.09 * unit)
    assert change[below : below + 20, x - 20 : x + 20].max() <= 1
    assert [record["kind"] for record in truth(person, story)] == ["gaze", "gaze"]


# --- head gestures in the image


def test_a_gesture_moves_the_head_and_brings_it_back(person: Portrait):
    reach = HeadPose(dx=6.0, dy=0.0, roll=0.0, scale=0.0, yaw=0.0)
    story = ClipScript(1.0, fps=10, size=SIZE, gestures=(HeadGesture(0.2, 0.8, reach),))
    poses = [story.head_pose(index / 10) for index in range(10)]
    assert poses[0].dx == poses[1].dx == poses[9].dx == 0
    assert poses[5].dx == pytest.approx(6.0)
    assert poses[5].scale == 1
    images = [image for _, image in render(person, story)]
    np.testing.assert_array_equal(images[0], images[9])
    right = images[5][100:300, 106:256].astype(int)
    assert np.abs(right - images[0][100:300, 100:250]).mean() < 1


def test_turning_the_head_moves_the_nose_further_than_the_ears(person: Portrait):
    reach = HeadPose(dx=0.0, dy=0.0, roll=0.0, scale=0.0, yaw=0.1)
    story = ClipScript(1.0, fps=10, size=SIZE, gestures=(HeadGesture(0.2, 0.8, reach),))
    images = [image for _, image in render(person, story)]
    import cv2

    grey = [cv2.cvtColor(images[k], cv2.COLOR_BGR2GRAY) for k in (0, 5)]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[0], grey[1], None)
    nose, ear = (person.landmarks[k].round().astype(int) for k in (30, 1))
    assert flow[nose[1], nose[0], 0] - flow[ear[1], ear[0], 0] > 3


# --- the files


def test_a_benchmark_says_what_it_shows(benchmark: Path):
    (row,) = read_index(benchmark)
    assert (row["clip"], row["face"], row["fps"], row["seed"]) == ("030fps-000.mp4", "built-in", 30.0, 2)
    (video,) = read_benchmark(benchmark)
    with av.open(str(video.file)) as container:
        assert container.streams.video[0].frames == 270
        assert (container.streams.video[0].width, container.streams.video[0].height) == SIZE
    kinds = {"micro", "macro", "speech", "blink", "gesture", "gaze"}
    assert {movement.kind for movement in video.movements} <= kinds
    for micro in video.micros:
        assert micro.peak_px == pytest.approx(row["peak"], rel=0.02)
    times = [time for _, time, _ in video.pictures()]
    assert times == pytest.approx([index / 30 for index in range(270)])


def test_the_first_picture_of_a_video_is_a_face_too(short_clip: Path, benchmark: Path):
    assert face_of(short_clip).image.shape == (SIZE[1], SIZE[0], 3)
    truth = benchmark / "030fps-000.truth.mp4"
    with raises("not-found", truth):
        face_of(truth)


@pytest.fixture(scope="module")
def signal(benchmark: Path):
    (video,) = read_benchmark(benchmark)
    return video, signal_of(video, benchmark / ".signals")


def test_a_kept_signal_is_what_the_live_meter_measures(signal, benchmark: Path):
    video, kept = signal
    meter = MotionMeter()
    for (number, time, image), sample in zip(video.pictures(), kept.samples[:20], strict=False):
        assert meter.measure(number, time, image) == sample
    meter.close()
    assert len(kept.samples) == len(kept.difference) == 270
    assert kept.minutes == pytest.approx(0.15, abs=0.01)
    assert list(measured([video], benchmark / ".signals", workers=1)) == [1]


def test_a_broken_or_stale_signal_is_measured_again(signal, benchmark: Path):
    video, kept = signal
    path = part_path(video, benchmark / ".signals")
    path.write_bytes(path.read_bytes()[:1000])
    assert signal_of(video, benchmark / ".signals").samples == kept.samples
    other = LongVideo(video.name, video.movements, 60.0, video.file)
    assert part_path(other, benchmark) != part_path(video, benchmark)


def test_measured_signals_outlive_changes_of_wording_only():
    code = 'STEP = 2\n"""Pixels."""\n\n\ndef far():\n    """How far."""\n    return 2 * STEP\n'
    reworded = 'STEP = 2  # a step\n"""In pixels."""\n\n\ndef far():\n    return 2*STEP\n'
    assert without_words(code) == without_words(reworded)
    assert without_words(code) != without_words(code.replace("2 * STEP", "3 * STEP"))


# --- the commands


def run(capsys, *arguments: str) -> str:
    app(list(arguments), standalone_mode=False)
    return capsys.readouterr().out


def test_evaluate_prints_tables_and_writes_plots_and_the_submission(benchmark: Path, tmp_path: Path, capsys):
    sheet, plots = tmp_path / "out.csv", tmp_path / "plots"
    out = run(capsys, "spot-evaluate", str(benchmark), "--submission", str(sheet), "--plots", str(plots))
    for expected in (*SPOTTERS, "recall at false alarms a minute", "alarms/min", "peak, px", "overlap"):
        assert expected in out
    assert sheet.read_text(encoding="utf-8").startswith("vid,pred_onset,pred_offset,type")
    assert "precision, recall, F1" in out
    names = {path.name for path in plots.iterdir()}
    assert names == {"froc.png", "f1-peak.png", "f1-fps.png", "f1-drift.png", "f1-crf.png", "timeline.png"}


def test_evaluate_as_json_with_labels(benchmark: Path, capsys):
    result = json.loads(run(capsys, "spot-evaluate", str(benchmark), "--json", "--label", "1"))
    assert set(result["froc"]) == set(SPOTTERS)
    assert set(result["spotters"]) == {*SPOTTERS, *OTHER_POINTS}
    causal = result["spotters"]["causal"]
    assert result["by type"]["causal"]["micro"]["f1"] == causal["f1"]
    assert set(result["by type"]["MDMD"]) == {"micro", "macro", "overall"}
    assert causal["truths"] == len(read_benchmark(benchmark)[0].micros)
    assert result["labels"]["hits"] == min(1, causal["hits"])
    assert result["strs"] == pytest.approx(causal["f1"] * result["labels"]["uf1"], abs=1e-3)


def test_what_cannot_be_evaluated_is_one_line(tmp_path: Path):
    with raises("not-found", tmp_path, "spot-benchmark --out"):
        app(["spot-evaluate", str(tmp_path)], standalone_mode=False)
    with raises("invalid", "'casme9'", "casme-sq, samm-lv"):
        app(["spot-evaluate", str(tmp_path), "--dataset", "casme9"], standalone_mode=False)


def test_what_the_recognizer_declines_counts_neither_for_nor_against():
    true = Movement("micro", 1.0, 1.1, 1.2)
    event = Candidate(1.0, 1.1, 1.2, 30, 33, 36, 2.0, 1.0, "chin", 1.2)
    one_hit = (Hit(true, event, LongVideo("clip", (true,), 30.0)),)
    spotted = SpotScore(minutes=2, truths=10, found=12, hits=one_hit * 6, false_alarms=4)
    half = Labelled(6, 1.0, hits_refused=0.5, alarms=4, alarms_refused=0.75, beside=2, beside_refused=1.0)
    kept = gated(spotted, half)
    assert (kept.precision, kept.recall, kept.false_alarms_per_minute) == (0.75, 0.3, 0.5)
    assert kept.f1 == pytest.approx(6 / 14)
    everything = gated(spotted, Labelled(6, 1.0, 0.0, 4, 0.0, 2, 0.0))
    assert (everything.f1, everything.precision) == (spotted.f1, spotted.precision)


# --- teaching the classifier


def test_movements_are_seen_at_several_moments_and_named_by_the_truth(benchmark: Path):
    (video,) = read_benchmark(benchmark)
    seen = list(snapshots(View(video), benchmark / ".signals", lambda samples: Agreeing()))
    micros = [snapshot for snapshot in seen if snapshot.kind == 0]
    assert micros
    for snapshot in micros:
        onset, apex, offset = snapshot.times
        assert onset < apex < offset
        assert abs(apex) < 0.15
    stages = {snapshot.movement.decided for snapshot in micros}
    assert len(stages) > 1, "a movement is shown early and late"
    assert {KINDS[snapshot.kind] for snapshot in seen} <= set(KINDS)


def test_fit_says_when_there_is_too_little_to_learn_from(benchmark: Path, capsys, tmp_path: Path):
    with raises("too-little", str(len(KINDS))):
        run(capsys, "spot-fit", str(benchmark), "--simulated", "0", "--out", str(tmp_path / "new"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["apexes.onnx"]
    ApexDetector(tmp_path / "new" / "apexes.onnx")
    (tmp_path / "file").touch()
    with raises("exists", tmp_path / "file"):
        run(capsys, "spot-fit", str(benchmark), "--out", str(tmp_path / "file"))
