"""Synthetic clips: the script's time curves, rendered motion against the script, files and their truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from user_errors import raises

from recognizer.errors import ErrorCode
from recognizer.landmarks import Landmarker, eye_opening
from recognizer.recognition import CLASSES
from training.rendering.clip import render, render_clip, truth
from training.rendering.clip_file import truth_path, write_clip
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import Action, Blink, ClipScript, demo_script
from training.synthesis.motion_model import Activation, displacement, face_width

MICRO = Action("positive", (Activation(12, 0.0085, 0.0085),), onset=0.1, apex=0.25, offset=0.4)
STILL = ClipScript(duration=0.5, fps=20)


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return load_portrait()


def frames(portrait: Portrait, script: ClipScript) -> list[npt.NDArray[np.uint8]]:
    return [image for _, image in render(portrait, script)]


def flow(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Dense (H, W, 2) flow in pixels."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (first, second)]
    return np.asarray(dis.calc(grey[0], grey[1], None))


# --- the script ---------------------------------------------------------------------------------------------


@st.composite
def actions(draw: st.DrawFn) -> Action:
    onset = draw(st.floats(0, 5))
    rise, hold, fall = draw(st.floats(0.02, 2)), draw(st.floats(0, 1)), draw(st.floats(0.02, 2))
    return Action(None, (), onset, onset + rise, onset + rise + hold + fall, hold=hold)


@given(action=actions(), time=st.floats(-1, 12))
def test_strength_is_between_rest_and_peak_and_changes_smoothly(action: Action, time: float) -> None:
    assert 0 <= action.strength(time) <= 1
    steepest = np.pi / 2 / min(action.apex - action.onset, action.offset - action.apex - action.hold)
    step = 1e-4
    assert abs(action.strength(time + step) - action.strength(time)) <= steepest * step * 1.01 + 1e-9


@given(action=actions())
def test_strength_is_zero_at_rest_and_one_from_the_apex_through_the_hold(action: Action) -> None:
    assert action.strength(action.onset) == 0 == action.strength(action.offset)
    assert action.strength(action.apex) == pytest.approx(1)
    assert action.strength(action.apex + action.hold) == pytest.approx(1)
    assert action.strength((action.onset + action.apex) / 2) == pytest.approx(0.5)


@given(action=actions(), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_strength_rises_to_the_apex_and_falls_from_there(action: Action, shares: tuple[float, float]) -> None:
    early, late = sorted(shares)
    rise, fall = action.apex - action.onset, action.offset - action.apex
    assert action.strength(action.onset + early * rise) <= action.strength(action.onset + late * rise) + 1e-9
    assert action.strength(action.apex + early * fall) >= action.strength(action.apex + late * fall) - 1e-9


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), time=st.floats(0, 60), amplitude=st.floats(0, 20))
def test_head_and_light_drift_slowly_and_within_their_amplitudes(
    seed: int, time: float, amplitude: float
) -> None:
    script = ClipScript(1, head_motion=amplitude, light=0.02, seed=seed)
    now, soon = script.head_pose(time), script.head_pose(time + 0.01)
    assert abs(now.dx) <= amplitude
    assert abs(now.dy) <= amplitude
    assert abs(now.roll) * 120 <= 0.5 * amplitude + 1e-9
    assert abs(now.scale - 1) * 120 <= 0.25 * amplitude + 1e-9
    assert abs(soon.dx - now.dx) <= 0.01 * amplitude * 2 * np.pi * 0.3
    assert abs(script.brightness(time) - 1) <= 0.02


@pytest.mark.parametrize(
    ("label", "onset", "apex", "offset", "hold"),
    [("joy", 0, 1, 2, 0), (None, 1, 1, 2, 0), (None, 0, 1, 1, 0), (None, 0, 1, 2, 1), (None, 0, 1, 2, -0.1)],
)
def test_an_impossible_action_is_refused(
    label: str | None, onset: float, apex: float, offset: float, hold: float
) -> None:
    with pytest.raises(ValueError, match="action"):
        Action(label, (), onset, apex, offset, hold)


@pytest.mark.parametrize("change", [{"duration": 0.0}, {"fps": 0.0}, {"size": (641, 480)}])
def test_an_impossible_script_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="clip"):
        replace(STILL, **change)


@pytest.mark.parametrize("seed", range(12))
def test_the_demo_shows_each_class_once_well_apart_and_micro(portrait: Portrait, seed: int) -> None:
    script = demo_script(seed)
    records = truth(portrait, script)
    shown = [record for record in records if record["label"]]
    assert sorted(record["label"] for record in shown) == sorted(CLASSES)
    for record in shown:
        assert 2.0 <= record["peak_px"] <= 2.5
        assert 0.12 <= record["apex"] - record["onset"] <= 0.17
        assert 0.13 <= record["offset"] - record["apex"] <= 0.20
    for before, after in pairwise(shown):
        assert after["onset"] - before["offset"] >= 2
    assert [record["units"] for record in records if not record["label"]] == [[45], [45]]
    for before, after in pairwise(records):
        assert after["onset"] - before["offset"] >= 0.5
    assert records[-1]["offset"] < script.duration - 1


# --- the image --------------------------------------------------------------------------------------------


def test_the_built_in_portrait_has_a_face_of_the_right_size(portrait: Portrait) -> None:
    assert portrait.image.shape == (480, 640, 3)
    assert portrait.image.dtype == np.uint8
    assert 230 <= face_width(portrait.landmarks) <= 260


@pytest.mark.parametrize(
    ("unit", "side"), [(4, "left"), (4, "right"), (12, "left"), (12, "right"), (1, "left")]
)
def test_the_skin_moves_as_far_as_the_script_says_and_the_rest_not_at_all(
    portrait: Portrait, unit: int, side: str
) -> None:
    activation = Activation(unit, 0.009 * (side == "left"), 0.009 * (side == "right"))
    script = replace(STILL, fps=10, actions=(replace(MICRO, activations=(activation,), onset=0, apex=0.2),))
    images = frames(portrait, script)
    measured = flow(images[0], images[2])
    scripted = displacement(portrait.landmarks, (activation,), portrait.image.shape[:2])
    size = np.linalg.norm(scripted, axis=2)
    anchor = size > 0.8 * size.max()
    # Over skin without texture flow sees nothing, so it is read where there is some.
    grey = cv2.cvtColor(images[0], cv2.COLOR_BGR2GRAY).astype(np.float32)
    texture = cv2.GaussianBlur(np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)), None, 4)
    anchor &= texture >= np.median(texture[anchor])
    expected = scripted[anchor].mean(axis=0)
    assert np.linalg.norm(measured[anchor].mean(axis=0) - expected) < 0.2 * np.linalg.norm(expected)
    assert np.abs(measured[size < 0.01 * size.max()]).max() < 0.1


def test_the_skin_moves_with_the_envelope_and_comes_back(portrait: Portrait) -> None:
    images = frames(portrait, replace(STILL, actions=(MICRO,)))
    change = [float(np.abs(image.astype(int) - images[0]).mean()) for image in images]
    assert change[:3] == [0, 0, 0]
    assert change[3] < change[4] < change[5] > change[6] > change[7]
    assert change[8:] == [0, 0]


def test_a_jaw_drop_is_inverted_to_less_than_a_pixel(portrait: Portrait) -> None:
    action = Action(None, (Activation(26, 0.045, 0.045),), 0, 0.2, 0.4)
    scripted = displacement(portrait.landmarks, action.activations, portrait.image.shape[:2])
    # A portrait whose grey values are its own rows, two levels each, tells where each pixel came from.
    chin = round(float(portrait.landmarks[8, 1]))
    rows = np.clip(2 * (np.arange(480) - chin) + 128, 0, 255)
    ramp = np.broadcast_to(rows[:, None, None], (480, 640, 3)).astype(np.uint8)
    image = frames(Portrait(ramp, portrait.landmarks), replace(STILL, fps=10, actions=(action,)))[2]
    ys, xs = np.indices((480, 640), np.float32)
    forward = cv2.remap(
        image[..., 0].astype(np.float32), xs + scripted[..., 0], ys + scripted[..., 1], cv2.INTER_LINEAR
    )
    error = cv2.blur((forward - ramp[..., 0]) / 2, (5, 5))[chin - 50 : chin + 30, 50:-50]
    assert np.abs(error).max() < 0.3  # pixels, of which 0.25 are the rounding to grey levels
    assert np.linalg.norm(scripted, axis=2).max() > 10


def test_the_head_moves_as_scripted(portrait: Portrait) -> None:
    script = replace(STILL, duration=2, fps=2, head_motion=6.0, seed=3)
    images = frames(portrait, script)
    points = portrait.landmarks
    centre = points.mean(axis=0)
    poses = [script.head_pose(index / script.fps).matrix(centre) for index in range(4)]
    first, last = (points @ pose[:, :2].T + pose[:, 2] for pose in (poses[0], poses[3]))
    moved = flow(images[0], images[3])
    at = first.round().astype(int)
    measured = moved[at[:, 1], at[:, 0]]
    assert np.linalg.norm(last - first, axis=1).max() > 2
    assert np.median(np.linalg.norm(measured - (last - first), axis=1)) < 0.25


def test_a_blink_closes_the_eyes_and_opens_them_again(portrait: Portrait) -> None:
    images = frames(portrait, replace(STILL, blinks=(Blink(0.05),)))
    landmarker = Landmarker(tracking=False)
    found = [landmarker.detect(images[index]) for index in (0, 3, 9)]
    landmarker.close()
    before, closed, after = (eye_opening(landmarks) for landmarks in found if landmarks is not None)
    assert closed < 0.65 * before
    assert after == pytest.approx(before)
    # What is dark in an open eye is hidden behind skin; around the eyes nothing happens.
    eye = np.s_[int(portrait.landmarks[37, 1]) + 3 : int(portrait.landmarks[41, 1]) - 2]
    iris = np.s_[int(portrait.landmarks[37, 0]) + 2 : int(portrait.landmarks[38, 0]) - 1]
    assert images[3][eye, iris].mean() > images[0][eye, iris].mean() + 20
    below = np.s_[int(portrait.landmarks[33, 1]) :]
    np.testing.assert_array_equal(images[3][below], images[0][below])


def test_noise_and_light_have_the_scripted_size(portrait: Portrait) -> None:
    grey = Portrait(np.full_like(portrait.image, 128), portrait.landmarks)
    noisy = frames(grey, replace(STILL, noise=1.7))
    assert np.std(noisy[0].astype(float)) == pytest.approx(np.hypot(1.7, 12**-0.5), rel=0.02)
    assert np.mean(noisy[0]) == pytest.approx(128, abs=0.1)
    assert not np.array_equal(noisy[0], noisy[1])
    script = replace(STILL, light=0.1)
    lit = frames(grey, script)
    assert [int(image[0, 0, 0]) for image in lit] == [
        round(128 * script.brightness(k / 20)) for k in range(10)
    ]


def test_the_same_seed_gives_the_same_frames_and_another_one_others(portrait: Portrait) -> None:
    script = replace(demo_script(5), duration=0.1, head_motion=0, light=0)
    first, again, other = (
        frames(portrait, candidate) for candidate in (script, script, replace(script, seed=6))
    )
    assert len(first) == 6
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_portrait_must_fit_the_script_and_the_skin_must_not_fold(portrait: Portrait) -> None:
    with pytest.raises(ValueError, match="640×480"):
        render(portrait, replace(STILL, size=(320, 240)))
    wild = replace(MICRO, activations=(Activation(12, 0.2, 0.2),))
    with pytest.raises(ValueError, match="too hard"):
        render(portrait, replace(STILL, actions=(wild,)))


# --- the files ----------------------------------------------------------------------------------------------


def test_a_clip_and_its_truth_are_written(portrait: Portrait, tmp_path: Path) -> None:
    script = replace(STILL, fps=50, actions=(MICRO,), blinks=(Blink(0.05),), noise=1.5)
    out = render_clip(tmp_path / "new" / "clip.mp4", portrait, script, progress=False)
    with av.open(str(out)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.time for frame in decoded] == pytest.approx([index / 50 for index in range(25)])
    rendered = frames(portrait, replace(script, noise=0))
    for frame, image in zip(decoded, rendered, strict=True):
        assert np.abs(frame.to_ndarray(format="bgr24").astype(int) - image).mean() < 3
    blink, smile = [json.loads(line) for line in truth_path(out).read_text(encoding="utf-8").splitlines()]
    assert truth_path(out).name == "clip.truth.jsonl"
    peak = smile.pop("peak_px")
    assert smile == {
        "kind": "micro",
        "label": "positive",
        "onset": 0.1,
        "apex": 0.25,
        "offset": 0.4,
        "units": [12],
    }
    assert 0.0085 * 256 < peak < 0.0085 * 256 * 1.2
    assert blink["label"] is None
    assert blink["units"] == [45]
    assert (blink["onset"], blink["apex"], blink["offset"]) == pytest.approx((0.05, 0.15, 0.35))
    assert sorted(path.name for path in out.parent.iterdir()) == ["clip.mp4", "clip.truth.jsonl"]


def test_motion_survives_the_codec(portrait: Portrait, tmp_path: Path) -> None:
    action = replace(MICRO, activations=(Activation(4, 0.009, 0.009),))
    script = replace(STILL, duration=0.3, fps=60, actions=(action,), noise=1.7)
    out = render_clip(tmp_path / "clip.mkv", portrait, script, progress=False)
    with av.open(str(out)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    scripted = displacement(portrait.landmarks, action.activations, portrait.image.shape[:2])
    size = np.linalg.norm(scripted, axis=2)
    measured = flow(images[6], images[15])
    down = measured[size > 0.8 * size.max(), 1].mean()
    assert down == pytest.approx(scripted[size > 0.8 * size.max(), 1].mean(), rel=0.3)


def test_the_times_of_the_frames_are_kept(portrait: Portrait, tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.2]
    out = write_clip(tmp_path / "uneven.mp4", ((time, portrait.image) for time in times), fps=30)
    with av.open(str(out)) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times)
    assert truth_path(out).read_text(encoding="utf-8") == ""


def test_nothing_half_remains_when_rendering_fails(portrait: Portrait, tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        yield 0.0, portrait.image
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip(tmp_path / "clip.mp4", failing(), fps=30)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_cannot_be_written_is_one_line(portrait: Portrait, tmp_path: Path) -> None:
    with raises("invalid", tmp_path / "clip.gif", ".mp4, .mkv or .mov"):
        write_clip(tmp_path / "clip.gif", [(0.0, portrait.image)], fps=30)
    (tmp_path / "file").write_text("")
    with raises("unwritable", tmp_path / "file" / "clip.mp4"):
        write_clip(tmp_path / "file" / "clip.mp4", [(0.0, portrait.image)], fps=30)


def test_a_picture_of_ones_own_is_cropped_around_the_face(portrait: Portrait, tmp_path: Path) -> None:
    own = cv2.copyMakeBorder(portrait.image, 100, 300, 500, 100, cv2.BORDER_REPLICATE)
    path = tmp_path / "Porträt.png"
    path.write_bytes(cv2.imencode(".png", own)[1].tobytes())
    found = load_portrait(path, size=(480, 480))
    assert found.image.shape == (480, 480, 3)
    assert face_width(found.landmarks) == pytest.approx(240, abs=15)
    assert abs(found.landmarks[:, 0].mean() - 240) < 20


def test_a_tight_portrait_fills_the_height(portrait: Portrait, tmp_path: Path) -> None:
    path = tmp_path / "tight.png"
    path.write_bytes(cv2.imencode(".png", portrait.image[60:440, 130:520])[1].tobytes())
    found = load_portrait(path)
    assert 280 < face_width(found.landmarks) < 330


def test_an_unfit_picture_is_one_line_that_names_it(portrait: Portrait, tmp_path: Path) -> None:
    no_picture, no_face, small = tmp_path / "notes.png", tmp_path / "grey.png", tmp_path / "small.png"
    no_picture.write_text("no picture")
    no_face.write_bytes(cv2.imencode(".png", np.full((480, 640, 3), 90, np.uint8))[1].tobytes())
    third = cv2.resize(portrait.image, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    small.write_bytes(cv2.imencode(".png", third)[1].tobytes())
    cases: list[tuple[Path, ErrorCode, str]] = [
        (tmp_path / "missing.png", "not-found", ""),
        (no_picture, "unreadable", ""),
        (no_face, "no-face", ""),
        (small, "no-face", "84 px"),
    ]
    for path, code, found in cases:
        with raises(code, path, found):
            load_portrait(path)
