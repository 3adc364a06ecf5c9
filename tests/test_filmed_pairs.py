"""Pairs of real video are sorted by what moves in the face: every rule on a face that moves as told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from conftest import Move

from benchmarks.filmed_pairs import CORNERS, LIDS, NOSE, SUBTLE, follow, kind_of, moves_subtly
from training.rendering.portrait import Portrait
from training.synthesis.face_shape import CANONICAL

Points = npt.NDArray[np.float32]
FPS, FIRST, SECOND = 30, 10, 14


def face() -> Points:
    """A face 128 px wide: half of the width that the rule's pixels mean."""
    return (CANONICAL.numpy() * 128 + 200).astype(np.float32)


def smile(points: Points, amount: float) -> None:
    points[[48, 54]] += np.array(((-amount / 2, 0), (amount / 2, 0)), np.float32)


def frown(points: Points, amount: float) -> None:
    points[[48, 54], 1] += amount


def blink(points: Points, amount: float) -> None:
    points[[37, 38, 43, 44], 1] += amount


def nod(points: Points, amount: float) -> None:
    points[:, 1] += amount


def sort(move: Callable[[Points, float], None], amount: float, since: int = 12) -> str:
    """The kind of the pair of a face that moves by ``amount`` (256-px face) from frame ``since`` on."""
    faces = [face() for _ in range(24)]
    for points in faces[since:]:
        move(points, amount / 2)
    return kind_of(follow(np.arange(24) / FPS, list(faces)), FIRST, SECOND)


@pytest.mark.parametrize(
    ("move", "limit", "name"),
    [
        (smile, CORNERS, "expression"),
        (frown, CORNERS, "expression"),
        (blink, LIDS, "blink"),
        (nod, NOSE, "head"),
    ],
)
def test_movement_beyond_its_limit_gives_the_name(
    move: Callable[[Points, float], None], limit: float, name: str
) -> None:
    assert sort(move, 1.1 * limit) == name
    assert sort(move, -1.1 * limit) == name
    assert sort(move, 0.9 * limit) == "still"


def test_an_expression_just_after_the_pair_counts_and_one_long_after_does_not() -> None:
    assert sort(smile, 2 * CORNERS, since=SECOND + 2) == "expression"
    assert sort(smile, 2 * CORNERS, since=SECOND + 7) == "still"


def test_a_tilted_head_that_nods_does_not_smile() -> None:
    angle = 0.3
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))), np.float32)
    faces = [face() @ turn.T + (k * 2, k) for k in range(24)]
    assert (
        kind_of(follow(np.arange(24) / FPS, [f.astype(np.float32) for f in faces]), FIRST, SECOND) == "head"
    )


def test_frames_without_a_face_are_passed_over() -> None:
    faces: list[Points | None] = [face() for _ in range(24)]
    faces[11] = faces[12] = faces[13] = None
    assert kind_of(follow(np.arange(24) / FPS, faces), FIRST, SECOND) == "still"


@pytest.mark.parametrize(("pixels", "moves"), [(0.3, False), (0.5 * SUBTLE, False), (2 * SUBTLE, True)])
def test_the_flow_tells_corners_that_move_by_too_little_for_landmarks(
    portrait: Portrait, moved: Move, pixels: float, moves: bool
) -> None:
    assert moves_subtly(portrait.image, moved((12, pixels / 256, pixels / 256))) == moves
    assert not moves_subtly(portrait.image, moved((1, pixels / 256, pixels / 256)))
