"""What a stretch of a recording shows, by its landmarks: where the face is, blinks and talk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.landmarks import Landmarks, eye_opening
from training.datasets.long_video import LongVideo
from training.spotting.filmed.motion import level, moved

_CLOSING = 0.75
"""Lids are down where the eyes are open by less than this part of their median opening."""
_TALK_PX, _TALK_S = 4.0, 0.25
"""Lips that part or meet by so many pixels of a 256-px face within this time before and after are talking."""
_PAUSE_S = 0.3
"""Seconds; shorter pauses do not interrupt talk."""
_AROUND = 0.4
"""Face widths of the recording that a clip keeps around the face."""


def steady(found: Sequence[Landmarks | None], video: LongVideo) -> list[Landmarks]:
    """Landmarks of every frame: the mean over three frames or, where there are none, the nearest ones.

    AtmeError where no frame has any.
    """
    seen = np.array([k for k, face in enumerate(found) if face is not None])
    if not len(seen):
        raise AtmeError("no-face", f"{video.file}: its face was not found again; take it out of the folder")
    nearest = [found[seen[np.abs(seen - k).argmin()]] for k in range(len(found))]
    rows = np.array(nearest, np.float32)
    padded = np.concatenate([rows[:1], rows, rows[-1:]])
    return list(np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3, np.float32))


def box_around(faces: Sequence[Landmarks], video: LongVideo) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the frames that holds the face all the time; even sides."""
    points = np.stack(faces)
    margin = _AROUND * float(np.linalg.norm(points[:, 15] - points[:, 1], axis=1).max())
    low, high = points.min(axis=(0, 1)) - margin, points.max(axis=(0, 1)) + margin
    height, width = next(iter(video.pictures()))[2].shape[:2]
    left, top = (max(int(value), 0) for value in low)
    right, bottom = min(int(high[0]), width), min(int(high[1]), height)
    return left, top, right - (right - left) % 2, bottom - (bottom - top) % 2


def meanwhile(times: npt.NDArray[np.float64], faces: Sequence[Landmarks]) -> list[dict[str, Any]]:
    """Records of blinks and talk for the ground truth: found, not known; good enough to sort events by."""
    eyes = np.array([eye_opening(face) for face in faces])
    lips = np.array([_between_lips(face) for face in faces])
    near = [np.abs(times - time) <= _TALK_S for time in times]
    parted = np.array([lips[window].max() - lips[window].min() for window in near])
    spans = [("blink", *span) for span in _spans(times, eyes < _CLOSING * np.median(eyes), 0.0)]
    spans += [("speech", *span) for span in _spans(times, parted > _TALK_PX, _PAUSE_S)]
    return [
        {
            "kind": kind,
            "label": None,
            "onset": round(onset, 6),
            "apex": round((onset + offset) / 2, 6),
            "offset": round(offset, 6),
            "units": [],
            "peak_px": 0.0,
        }
        for kind, onset, offset in spans
    ]


def _between_lips(face: Landmarks) -> float:
    lips = moved(level(face), face[[62, 66]])
    return float(np.linalg.norm(lips[1] - lips[0]))


def _spans(
    times: npt.NDArray[np.float64], holds: npt.NDArray[np.bool_], pause: float
) -> Iterator[tuple[float, float]]:
    """(from, to) where it holds, from the frame before to the frame after; shorter pauses are bridged."""
    begin: float | None = None
    end: float | None = None
    for k in map(int, np.flatnonzero(holds)):
        before, after = float(times[max(k - 1, 0)]), float(times[min(k + 1, len(times) - 1)])
        if begin is not None and end is not None and before > end + pause:
            yield begin, end
            begin = None
        begin, end = before if begin is None else begin, after
    if begin is not None and end is not None:
        yield begin, end
