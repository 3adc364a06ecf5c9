"""Clips from recordings: motion measured in one, laid into another, and nothing else changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from user_errors import raises

from recognizer.flow.engine import FlowEngine
from recognizer.landmarks import Landmarker, Landmarks
from spotting.motion import MotionSample
from training.cli.main import app
from training.datasets.long_video import LongVideo
from training.rendering.clip import render_clip
from training.rendering.head_motion import HeadGesture, HeadPose
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import Action, Blink, ClipScript
from training.spotting.evaluate import read_benchmark
from training.spotting.filmed.clips import (
    DURATION,
    FALL,
    INCOMPLETE,
    LEAD_S,
    PEAKS,
    RISE,
    TAIL_S,
    FilmedEvent,
    plan_filmed,
    recordings,
    stretches,
)
from training.spotting.filmed.motion import SIDE, STEP, Donor, donors, level, moved, rises
from training.spotting.filmed.warp import field_on, with_motion
from training.spotting.rendered.benchmark import read_index
from training.spotting.rendered.timeline import SIZE
from training.spotting.signal import Signal, measured, signal_of
from training.synthesis.motion_model import Activation, displacement

FPS = 25
BROWS = (Activation(1, 6 / 256, 6 / 256), Activation(2, 6 / 256, 6 / 256))
RAISE = Action(None, BROWS, 1.5, 1.8, 3.4, 1.0, "macro")


@pytest.fixture(scope="module")
def person() -> Portrait:
    return load_portrait(None, SIZE)


def record(folder: Path, name: str, person: Portrait, **script: object) -> LongVideo:
    story = ClipScript(3.6, fps=FPS, size=SIZE, noise=1.0, **script)  # type: ignore[arg-type]
    path = render_clip(folder / name, person, story, progress=False)
    return LongVideo(path.stem, (), FPS, path)


@pytest.fixture(scope="module")
def folder(person: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which brows rise, and one of a face that blinks and drifts."""
    path = tmp_path_factory.mktemp("recordings")
    record(path, "brows.mp4", person, actions=(RAISE,))
    record(path, "rest.mp4", person, blinks=(Blink(0.8),), head_motion=3.0)
    return path


@pytest.fixture(scope="module")
def signals(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signals")
    assert list(measured(recordings(folder), path, 1)) == [0, 1, 2]
    return path


@pytest.fixture(scope="module")
def brows(folder: Path, signals: Path) -> Donor:
    (video,) = (video for video in recordings(folder) if video.name == "brows")
    rising, *_ = donors(video, signal_of(video, signals))
    return rising


# --- what moves in a recording


def test_an_expression_that_rises_from_rest_is_found_and_its_motion_measured(brows: Donor, person: Portrait):
    assert brows.name.startswith("brows.mp4 1.")
    assert brows.rise.region in ("inner brows", "outer brows")
    assert 1.3 < brows.rise.start < 1.53, "from rest, not from half-way up"
    assert 1.7 < brows.rise.end < 2.2
    pose = level(person.landmarks)
    true = displacement(person.landmarks, RAISE.activations, person.image.shape[:2])
    scale = float(np.hypot(pose[0, 0], pose[0, 1]))
    true = scale * cv2.warpAffine(true, pose, (SIDE, SIDE))
    found = whole(brows.field)
    along = (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum())
    assert along > 0.9, "the same motion, but for its size"
    assert 0.7 < brows.strength / np.linalg.norm(true, axis=2).max() < 1.1, "smoothing takes some off"
    assert np.linalg.norm(brows.field, axis=2).max() == pytest.approx(1)


@pytest.mark.parametrize(
    "script",
    [
        {"blinks": (Blink(1.5),)},
        {"gestures": (HeadGesture(1.2, 2.6, HeadPose(5, 2, 0, 0, 0.08, 0.05)),)},
        {"actions": (Action(None, (Activation(26, 0.04, 0.04),), 1.5, 1.6, 1.8, kind="speech"),)},
    ],
    ids=["a blink", "a turn of the head", "a mouth that opens"],
)
def test_other_movements_are_no_donors(script: dict[str, object], person: Portrait, tmp_path: Path):
    video = record(tmp_path, "other.mp4", person, **script)
    assert list(donors(video, signal_of(video, tmp_path))) == []


def test_no_expression_is_read_across_a_lost_face_or_a_new_neutral_face(folder: Path, signals: Path):
    (video,) = (video for video in recordings(folder) if video.name == "brows")
    samples = signal_of(video, signals).samples
    rise, *others = rises(samples)
    between = (rise.rest + rise.peak) // 2
    for change in ({"rebased": True}, {"face": False}):
        spoilt = [replace(s, **change) if s.frame == between else s for s in samples]
        assert rises(spoilt) == others
    assert rises([]) == []


def whole(field: np.ndarray) -> np.ndarray:
    """A field at every pixel of the level image."""
    places = np.dstack(np.meshgrid(np.arange(SIDE), np.arange(SIDE))).astype(np.float32) / STEP
    return cv2.remap(field, places, None, cv2.INTER_LINEAR)


# --- laid on another face


def turned(person: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """The portrait, smaller and rolled, with its landmarks."""
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), 12, 0.8)
    return cv2.warpAffine(person.image, matrix, SIZE), moved(matrix, person.landmarks)


@pytest.mark.parametrize("peak", [0.5, 4.0])
@pytest.mark.parametrize("upright", [True, False])
def test_the_face_moves_as_far_as_intended(brows: Donor, person: Portrait, peak: float, upright: bool):
    image, landmarks = (person.image, person.landmarks) if upright else turned(person)
    after = with_motion(image, landmarks, [(brows, peak)])
    assert seen_of(brows, peak, (image, after), landmarks) == pytest.approx(1, abs=0.15)
    field = field_on(brows, moved(level(landmarks), landmarks))
    assert np.linalg.norm(field, axis=2).max() == pytest.approx(1, rel=1e-3)


def seen_of(donor: Donor, peak: float, pair: tuple[np.ndarray, np.ndarray], landmarks: Landmarks) -> float:
    """Displacement by dense flow where the motion is strong, as a part of the intended one."""
    pose = level(landmarks)
    before, after = (
        cv2.cvtColor(cv2.warpAffine(p, pose, (SIDE, SIDE), flags=cv2.INTER_CUBIC), cv2.COLOR_BGR2GRAY)
        for p in pair
    )
    (flow,) = FlowEngine().flows([(before, after)])
    wanted = peak * whole(field_on(donor, moved(pose, landmarks)))
    much = np.linalg.norm(wanted, axis=2) > 0.6 * peak
    return float((flow * wanted).sum(axis=2)[much].sum() / (wanted**2).sum(axis=2)[much].sum())


def test_without_motion_and_beside_the_face_every_bit_stays(brows: Donor, person: Portrait):
    for nothing in ([], [(brows, 0.0)]):
        np.testing.assert_array_equal(with_motion(person.image, person.landmarks, nothing), person.image)
    after = with_motion(person.image, person.landmarks, [(brows, 3.0)])
    changed = np.argwhere((after != person.image).any(axis=2))
    margin = 0.4 * np.linalg.norm(person.landmarks[15] - person.landmarks[1])  # the forehead counts
    assert len(changed) > 1000
    assert (changed[:, ::-1].min(axis=0) > person.landmarks.min(axis=0) - margin).all()
    assert (changed[:, ::-1].max(axis=0) < person.landmarks.max(axis=0) + margin).all()


def test_the_noise_of_the_camera_is_left_in_the_moved_skin(brows: Donor, person: Portrait):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, person.image.shape[:2])[..., None]
    noisy = np.clip(person.image + noise, 0, 255).astype(np.uint8)
    pair = [with_motion(i, person.landmarks, [(brows, 1.5)]).astype(int) for i in (person.image, noisy)]
    x, y = person.landmarks[19].astype(int)
    brow = slice(y - 15, y + 15), slice(x - 15, x + 15), 1
    left = (pair[1] - pair[0])[brow].std()
    assert left > 0.8 * (noisy.astype(int) - person.image)[brow].std()


# --- the course, and the plan


def test_a_movement_begins_peaks_and_leaves_what_it_leaves(brows: Donor):
    event = FilmedEvent(brows, peak=2.0, onset=1.0, apex=1.2, offset=1.4, left=0.25)
    assert [event.displacement(t) for t in (0.5, 1.0, 1.1, 1.2, 1.4, 9.0)] == pytest.approx(
        [0, 0, 1, 2, 0.5, 0]
    )
    course = [event.displacement(t) for t in np.arange(0.9, 4.5, 0.001)]
    assert max(abs(b - a) for a, b in pairwise(course)) < 0.02, "no jump"
    after = [event.displacement(t) for t in np.arange(1.4, 4.5, 0.01)]
    assert all(b <= a for a, b in pairwise(after))
    assert max(a - b for a, b in pairwise(after)) < 0.005, "what is left goes slowly"


def test_movements_are_as_micro_expressions_are_and_never_from_the_same_recording(
    folder: Path, signals: Path, brows: Donor
):
    clips = plan_filmed(recordings(folder), signals, [brows], minutes=12, seed=1)
    assert sum(clip.row(0, 1)["frames"][1] - clip.first + 1 for clip in clips) >= 12 * 60 * FPS - len(clips)
    events = [event for clip in clips for event in clip.events]
    assert {clip.video.name for clip in clips if clip.events} == {"rest"}
    assert {clip.video.name for clip in clips if not clip.events} == {"rest", "brows"}
    assert {event.peak for event in events} == {peak for peak in PEAKS if peak}
    for event in events:
        assert within(event.offset - event.onset, *DURATION)
        assert within(event.apex - event.onset, *RISE[1:])
        assert within(event.offset - event.apex, *FALL[1:])
        assert event.onset >= LEAD_S
        assert event.offset <= 3.6 - TAIL_S
    assert INCOMPLETE - 0.15 < np.mean([event.left > 0 for event in events]) < INCOMPLETE + 0.15
    fewer = plan_filmed(recordings(folder), signals, [brows], minutes=3, seed=1)
    assert [clip.row(0, 1) for clip in fewer] == [clip.row(0, 1) for clip in clips[: len(fewer)]]


def within(value: float, least: float, most: float) -> bool:
    return least - 1e-9 <= value <= most + 1e-9


def test_a_recording_is_divided_where_the_face_is_lost_or_jumps(folder: Path, signals: Path):
    kept = signal_of(recordings(folder)[0], signals)

    def divided(frame: int, **change: object) -> list[tuple[int, int]]:
        samples = tuple(replace(s, **change) if s.frame >= frame else s for s in longer)
        return [(part[0][0], part[-1][0]) for part in stretches(Signal(samples, kept.difference))]

    longer = [shifted(s, lap) for lap in range(6) for s in kept.samples]
    assert divided(10_000) == [(0, 269), (270, 539)]
    assert divided(100, eyes_x=900.0) == [(0, 99), (100, 319), (320, 539)]
    assert divided(100, face=False) == [(0, 99)]
    assert divided(30, face_px=400.0)[0][0] == 30, "what is shorter than two seconds is left out"


def shifted(sample: MotionSample, lap: int) -> MotionSample:
    return replace(sample, frame=sample.frame + 90 * lap, time=sample.time + 3.6 * lap)


# --- the folder and the commands


@pytest.fixture(scope="module")
def benchmark(folder: Path, signals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("filmed")
    shutil.copytree(signals, out / ".signals")
    app(["spot-benchmark", *arguments(out, folder)], standalone_mode=False)
    return out


def arguments(out: Path, folder: Path, seed: int = 3) -> list[str]:
    return ["--filmed", str(folder), "--out", str(out), "--minutes", "0.5", "--seed", str(seed)]


def test_a_clip_is_its_recording_to_the_bit_but_for_the_movement(
    benchmark: Path, folder: Path, brows: Donor, person: Portrait
):
    """At the apex, dense flow between the two sees the intended displacement."""
    rows = {bool(row["events"]): row for row in reversed(read_index(benchmark))}
    for row in rows.values():
        pairs = list(beside_its_recording(benchmark, folder, row))
        micros = [line for line in row["events"] if line["kind"] == "micro"]
        assert len(micros) == len(row["events"])
        first = micros[0]["onset"] if micros else float("inf")
        assert sum(time <= first for time, _, _ in pairs) > 20
        for time, before, after in pairs:
            if time <= first:
                np.testing.assert_array_equal(after, before)
        if not micros:
            continue
        event = FilmedEvent(
            brows, *(micros[0][name] for name in ("peak_px", "onset", "apex", "offset", "left"))
        )
        time, before, after = min(pairs, key=lambda pair: abs(pair[0] - event.apex))
        landmarks = landmarks_of(before)
        share = seen_of(brows, event.displacement(time), (before, after), landmarks)
        assert share == pytest.approx(1, abs=0.15)
    assert set(rows) == {True, False}


def landmarks_of(image: np.ndarray) -> Landmarks:
    landmarker = Landmarker(tracking=False)
    found = landmarker.detect(image)
    landmarker.close()
    assert found is not None
    return found


def beside_its_recording(
    benchmark: Path, folder: Path, row: dict[str, Any]
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """(seconds, the recording's frame, the clip's); the first cut to what the clip keeps of it."""
    (video,) = (video for video in read_benchmark(benchmark) if video.name == row["name"])
    frames = {
        number: image for number, _, image in LongVideo("", (), FPS, folder / row["recording"]).pictures()
    }
    place = None
    for number, time, image in video.pictures():
        source = frames[row["frames"][0] + number]
        if place is None:
            _, _, place, _ = cv2.minMaxLoc(cv2.matchTemplate(source, image, cv2.TM_SQDIFF))
        left, top = place
        yield time, source[top : top + image.shape[0], left : left + image.shape[1]], image


def test_blinks_of_the_recording_are_in_the_ground_truth(benchmark: Path):
    for video in read_benchmark(benchmark):
        blinks = [m for m in video.movements if m.kind == "blink"]
        if "rest" in video.name:
            assert len(blinks) == 1
            assert blinks[0].onset < 0.95 < blinks[0].offset
        else:
            assert not blinks


def test_it_goes_on_where_it_was_and_takes_no_other_benchmark(benchmark: Path, folder: Path):
    clips = sorted(benchmark.glob("*.mp4"))
    kept = {clip: clip.stat().st_mtime_ns for clip in clips[1:]}
    first = clips[0].read_bytes()
    clips[0].unlink()
    app(["spot-benchmark", *arguments(benchmark, folder)], standalone_mode=False)
    assert clips[0].read_bytes() == first
    assert kept == {clip: clip.stat().st_mtime_ns for clip in clips[1:]}
    with raises("mismatch", benchmark):
        app(["spot-benchmark", *arguments(benchmark, folder, seed=4)], standalone_mode=False)


def test_it_is_evaluated_like_a_rendered_one(benchmark: Path, tmp_path: Path, capsys):
    app(["spot-evaluate", str(benchmark), "--json", "--plots", str(tmp_path)], standalone_mode=False)
    result = json.loads(capsys.readouterr().out)
    causal = result["spotters"]["causal"]
    assert causal["truths"] == sum(len(row["events"]) for row in read_index(benchmark)) > 0
    assert set(result["by"]["recording"]) == {"as it is", "with motion"}
    assert result["by"]["recording"]["as it is"]["causal"]["truths"] == 0
    assert {"f1-peak.png", "timeline.png"} <= {path.name for path in tmp_path.iterdir()}


def test_nothing_is_trained_from_it(benchmark: Path, tmp_path: Path):
    with raises("mismatch", benchmark):
        app(["spot-fit", str(benchmark), "--out", str(tmp_path / "new")], standalone_mode=False)


def test_what_cannot_be_used_is_one_line(folder: Path, signals: Path, tmp_path: Path):
    def benchmark(of: Path, *more: str) -> None:
        app(["spot-benchmark", *arguments(tmp_path / "out", of), *more], standalone_mode=False)

    few = tmp_path / "few"
    with raises("not-found", tmp_path / "none"):
        benchmark(tmp_path / "none")
    few.mkdir()
    with raises("not-found", few):
        benchmark(few)
    (few / "a.mp4").write_bytes(b"no video")
    with raises("unreadable", few / "a.mp4"):
        benchmark(few)
    with raises("invalid", "--face"):
        benchmark(folder, "--face", "built-in")
    shutil.copy(folder / "brows.mp4", few / "a.mp4")
    with raises("too-little"):
        benchmark(few)
