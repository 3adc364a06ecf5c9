"""Pairs of images of real video without a micro-expression, sorted by what they show.

The rule looks at landmarks and at what the spotter's flow measures, not at the network or its features.
Distances are in pixels of a face 256 px wide:

- *expression*: somewhere between ``AROUND`` before the first and after the second image, the corners of the
  mouth move ``CORNERS`` apart, together, up or down (mean of three frames, against the nose). Such a pair
  is not a non-event and is counted separately.
- *blink*: the eyes' opening differs by ``LIDS`` between the two images.
- *small expression*: from one image to the other the corners move ``SUBTLE``. Landmarks jitter by that
  much; the spotter's flow detects it. Counted separately, too.
- *head*: the nose has moved by ``NOSE``.
- *still*: none of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from recognizer.face import Gray, NoFaceError
from recognizer.feature import Feature, FeatureExtractor
from recognizer.landmarks import Landmarker, Landmarks
from spotting.motion import regions_from
from stream.sources import open_recording

KINDS = ("expression", "small expression", "blink", "head", "still")
GAPS = (0.067, 0.13, 0.2, 0.33)
"""Seconds between the images of a pair."""
AROUND = 0.1
CORNERS, LIDS, NOSE = 3.0, 2.0, 2.0
SUBTLE = 1.0
"""Recognition should label movements of this size, so it cannot be expected to refuse them."""


@dataclass(frozen=True)
class FilmedPair:
    """Two images of one video."""

    entire: Feature
    puzzled: Feature
    lids: float
    """As in ``PairFeatures``."""
    kind: str
    """One of ``KINDS``."""
    start: float
    """Seconds."""
    gap: float
    faces: tuple[Gray, Gray]


@dataclass(frozen=True)
class Track:
    """One row per frame, in pixels of a face 256 px wide; NaN where no face is found."""

    time: npt.NDArray[np.float64]
    corners: npt.NDArray[np.float64]
    """(N, 2): the corners' distance, and the height of their middle under the nose; mean of three frames."""
    lids: npt.NDArray[np.float64]
    nose: npt.NDArray[np.float64]
    """(N, 2)."""


def filmed(video: Path, every: int) -> Iterator[FilmedPair]:
    """Pairs of the video that begin at every ``every``-th frame, expressions too, with a progress bar."""
    with open_recording(video) as source:
        frames = list(iter(source.read, None))
    landmarker = Landmarker(tracking=False)
    faces = [landmarker.detect(frame.image) for frame in frames]
    landmarker.close()
    seen = follow(np.array([frame.timestamp for frame in frames]), faces)
    wanted = [(k, gap) for k in range(0, len(frames), every) for gap in GAPS]
    extractor = FeatureExtractor()
    try:
        for k, gap in track(wanted, description=video.name, console=Console(stderr=True)):
            late = np.flatnonzero(seen.time - seen.time[k] >= gap - 0.004)
            if not len(late) or faces[k] is None or faces[late[0]] is None:
                continue
            try:
                found = extractor.extract(frames[k].image, frames[late[0]].image)
            except NoFaceError:
                continue
            kind = kind_of(seen, k, int(late[0]))
            if kind in ("head", "still") and moves_subtly(frames[k].image, frames[late[0]].image):
                kind = "small expression"
            start = float(seen.time[k])
            yield FilmedPair(found.entire, found.puzzled, found.lids, kind, start, gap, found.faces)
    finally:
        extractor.close()


def follow(time: npt.NDArray[np.float64], faces: Sequence[Landmarks | None]) -> Track:
    """The course of the landmarks over a video."""
    rows = np.full((len(faces), 5), np.nan)
    for k, points in enumerate(faces):
        if points is not None:
            rows[k] = _measure(points)
    near = [rows[max(k - 1, 0) : k + 2, :2] for k in range(len(rows))]
    means = [
        part[np.isfinite(part[:, 0])].mean(axis=0) if np.isfinite(part).any() else part[0] for part in near
    ]
    return Track(time, np.array(means), rows[:, 2], rows[:, 3:])


def _measure(points: Landmarks) -> npt.NDArray[np.float64]:
    """Corners' distance and height, opening of the eyes, nose x and y; all but the nose on the level face."""
    unit = 256 / float(np.linalg.norm(points[15] - points[1]))
    across = (points[45] - points[36]) / np.linalg.norm(points[45] - points[36])
    down = np.array((-across[1], across[0]))
    lids = np.mean(
        [(points[low] - points[high]) @ down for high, low in ((37, 41), (38, 40), (43, 47), (44, 46))]
    )
    corners = points[[48, 54]] - points[33]
    width, height = (corners[1] - corners[0]) @ across, corners.mean(axis=0) @ down
    return np.array((width, height, lids, *points[30])) * unit


def kind_of(seen: Track, first: int, second: int) -> str:
    """Which of ``KINDS`` the pair of these two frames shows, by this module's rule."""
    around = (seen.time >= seen.time[first] - AROUND) & (seen.time <= seen.time[second] + AROUND)
    corners = seen.corners[around]
    if (np.nanmax(corners, axis=0) - np.nanmin(corners, axis=0) >= CORNERS).any():
        return "expression"
    if abs(seen.lids[second] - seen.lids[first]) >= LIDS:
        return "blink"
    return "head" if np.linalg.norm(seen.nose[second] - seen.nose[first]) >= NOSE else "still"


def moves_subtly(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> bool:
    """The corners of the mouth move by ``SUBTLE``; BGR uint8 images."""
    return regions_from(first, [second])[0]["lip corners"] >= SUBTLE


def contact_sheet(pairs: list[FilmedPair], notes: list[str], path: Path, columns: int = 6) -> None:
    """Writes the pairs' faces, onset over apex, sorted by kind, each with its kind, time and note."""
    order = sorted(
        range(len(pairs)), key=lambda k: (KINDS.index(pairs[k].kind), pairs[k].gap, pairs[k].start)
    )
    tiles = []
    for k in order:
        pair = pairs[k]
        tile = cv2.cvtColor(np.vstack(pair.faces), cv2.COLOR_GRAY2BGR)
        tile = cv2.copyMakeBorder(tile, 30, 4, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for row, text in enumerate((f"{pair.kind} {pair.start:.2f}+{pair.gap:.2f}", notes[k])):
            cv2.putText(
                tile, text, (3, 12 + 14 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (0, 0, 0), 1, cv2.LINE_AA
            )
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows))
