"""Made-up faces between a few portraits: a spotter needs more people than there are free portraits.

Shape: a random mixture of the portraits' landmarks, and somewhat beyond. Skin: in each place that of one of
two portraits, in smooth patches, so that no texture is blurred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator

from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from recognizer.landmarks import Landmarks
from training.rendering.portrait import Image, Portrait, load_portrait

SIZE = (640, 800)
"""Width and height, pixels."""
_BEYOND = 0.4
"""By how much more a mixture may be like one portrait than that portrait is."""
_PATCH, _EDGE = 90.0, 0.25
"""Pixels: width of a patch of one portrait's skin; standard deviations of the patches: width of its edge."""
_GRID = 16
"""Pixels between the points at which a warp is computed."""

Mask = npt.NDArray[np.float32]
Points = npt.NDArray[Any]
"""(n, 2), pixels."""


def write_blended(out: Path, faces: Sequence[Path], count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Writes ``000.png`` and so on, to be rendered (``spot-benchmark --face``); yields (done, of how many).

    AtmeError for fewer than two images, and those of ``load_portrait``.
    """
    if len(faces) < 2:
        raise AtmeError("invalid", f"{len(faces)} portrait cannot be blended; give two or more")
    portraits = [load_portrait(face, SIZE) for face in faces]
    out.mkdir(parents=True, exist_ok=True)
    yield 0, count
    for number in range(count):
        face = blended(portraits, np.random.default_rng((seed, number)))
        write_file(out / f"{number:03d}.png", cv2.imencode(".png", face)[1].tobytes())
        yield number + 1, count


def blended(portraits: Sequence[Portrait], rng: np.random.Generator) -> Image:
    """One made-up face of the portraits' size. Needs two portraits or more, all of one size."""
    faces = [one.mirrored() if rng.random() < 0.5 else one for one in portraits]
    places = rng.choice(len(faces), 2, replace=False)
    first, second = (faces[k] for k in places)
    others = [_fitted(face.landmarks, face.landmarks, first.landmarks) - first.landmarks for face in faces]
    mixture = sum(
        share * other for share, other in zip(rng.dirichlet([0.5] * len(faces)), others, strict=True)
    )
    shape = first.landmarks + rng.uniform(-_BEYOND, _BEYOND) * others[places[1]] + mixture
    images = [_warped(face, np.asarray(shape, np.float32)) for face in (first, second)]
    images[1] = _toned(images[1], images[0], np.asarray(shape, np.float32))
    mask = _patches(images[0].shape[:2], rng)[..., None]
    return np.asarray(np.rint(images[0] * mask + images[1] * (1 - mask)), np.uint8)


def _fitted(points: Points, landmarks: Landmarks, to: Landmarks) -> Points:
    """The points, turned, scaled and moved so that these landmarks lie as close to the others as possible."""
    matrix, _ = cv2.estimateAffinePartial2D(landmarks, to, method=cv2.LMEDS)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], points.dtype)


def _warped(face: Portrait, shape: Landmarks) -> Image:
    """The face with its landmarks at ``shape``; the image's edge follows as the whole face does."""
    height, width = face.image.shape[:2]
    edge = np.array([(x, y) for x in (0, width / 2, width) for y in (0, height)], np.float64)
    known = np.vstack([shape, edge])
    there = np.vstack([face.landmarks, _fitted(edge, shape, face.landmarks)])
    rows, columns = np.arange(0, height + _GRID, _GRID), np.arange(0, width + _GRID, _GRID)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).astype(np.float64)
    field = RBFInterpolator(known, there - known, smoothing=1.0)(grid.reshape(-1, 2)).reshape(grid.shape)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    coarse = field.astype(np.float32)
    offset = cv2.remap(coarse, x / _GRID, y / _GRID, cv2.INTER_LINEAR)
    found = cv2.remap(
        face.image, x + offset[..., 0], y + offset[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(found, np.uint8)


def _toned(image: Image, like: Image, shape: Landmarks) -> Image:
    """With the brightness, contrast and colour that the other image has within the face."""
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.rint(shape).astype(np.int32)), 1)
    lab, other = (cv2.cvtColor(one, cv2.COLOR_BGR2LAB).astype(np.float32) for one in (image, like))
    for channel in range(3):
        here, there = lab[..., channel][inside > 0], other[..., channel][inside > 0]
        scale = np.clip(there.std() / max(float(here.std()), 1e-3), 0.6, 1.6)
        lab[..., channel] = (lab[..., channel] - here.mean()) * scale + there.mean()
    return np.asarray(
        cv2.cvtColor(np.clip(np.rint(lab), 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR), np.uint8
    )


def _patches(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """(H, W) share of the first face, mostly 0 or 1."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), None, _PATCH / 2)
    return np.asarray(
        1 / (1 + np.exp(-(noise - rng.normal(0, 0.5) * noise.std()) / (_EDGE * noise.std()))), np.float32
    )
