"""Made-up faces: each another person, with a face that can be found, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from user_errors import raises

from recognizer.landmarks import Landmarker
from training.cli.main import app
from training.rendering.blended_portraits import SIZE, blended, write_blended
from training.rendering.portrait import Portrait, load_portrait


@pytest.fixture(scope="module")
def two() -> tuple[Portrait, Portrait]:
    """The built-in portrait, and the same person longer, narrower and darker."""
    first = load_portrait(None, SIZE)
    stretch = np.array(((0.88, 0, 0.06 * SIZE[0]), (0, 1.08, -0.04 * SIZE[1])))
    image = cv2.convertScaleAbs(cv2.warpAffine(first.image, stretch, SIZE), alpha=0.7)
    moved = first.landmarks @ stretch[:, :2].T + stretch[:, 2]
    return first, Portrait(np.asarray(image, np.uint8), np.asarray(moved, np.float32))


def test_each_is_another_face_that_is_found(two: tuple[Portrait, Portrait]) -> None:
    faces = [blended(two, np.random.default_rng(seed)) for seed in (1, 2, 1)]
    assert np.array_equal(faces[0], faces[2])
    assert faces[0].shape == (SIZE[1], SIZE[0], 3)
    landmarker = Landmarker(tracking=False)
    found = [landmarker.detect(face) for face in faces[:2]]
    landmarker.close()
    assert found[0] is not None
    assert found[1] is not None
    assert np.abs(found[0] - found[1]).max() > 5, "two people"


def test_a_blend_of_a_face_with_itself_is_that_face(two: tuple[Portrait, Portrait]) -> None:
    first = two[0]
    plain = replace(first, image=np.full_like(first.image, 90))
    assert np.abs(blended([plain, plain], np.random.default_rng(0)).astype(int) - 90).max() <= 1


def test_written_faces_can_be_rendered(tmp_path: Path, two: tuple[Portrait, Portrait]) -> None:
    given = [tmp_path / name for name in ("a.png", "b.png")]
    for path, one in zip(given, two, strict=True):
        cv2.imwrite(str(path), one.image)
    app(
        ["blend-faces", *map(str, given), "--out", str(tmp_path / "out"), "--count", "2"],
        standalone_mode=False,
    )
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["000.png", "001.png"]
    for path in written:
        assert load_portrait(path).landmarks.shape == (68, 2)


def test_one_portrait_is_refused(tmp_path: Path) -> None:
    with raises("invalid", "two or more"):
        next(write_blended(tmp_path / "out", [tmp_path / "a.png"], 2, 0))
