"""One sample → its features, by the live preprocessing; the apex is estimated where none is known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.feature import Feature, FeatureExtractor, PairFeatures
from recognizer.files.image import read_image
from recognizer.files.npz import read_arrays
from recognizer.files.write import replacing
from recognizer.network.model_info import PREPROCESSING
from spotting.memory import SMOOTH_S
from spotting.motion import regions_from
from training.datasets.sample import Sample
from training.features.archive import SHAPE

UNPACK = "unpack it again"
WORKING_SIZE = 128
"""Side of the images between which flow is computed, in pixels."""


@dataclass(frozen=True)
class Pair:
    """The features of one sample."""

    entire: Feature
    puzzled: Feature
    apex: int
    """Frame number."""
    apex_origin: str
    """annotated or estimated."""
    digest: str
    """Digest of the onset and apex files: equal for the same images under other names."""
    faces: npt.NDArray[np.uint8] | None = None
    """(2, 128, 128): onset and apex faces, where they are kept; the same holds for the next two."""
    landmarks: npt.NDArray[np.float32] | None = None
    """(68, 2): of the onset face, in its pixels."""
    flow: npt.NDArray[np.float16] | None = None
    """(2, 128, 128): u and v between the faces, in their pixels."""


@dataclass(frozen=True)
class Failure:
    """Why a sample could not be prepared."""

    reason: str


def extract(sample: Sample, extractor: FeatureExtractor, keep_faces: bool = False) -> Pair | Failure:
    """The features of one sample, or the reason why there are none. ``keep_faces``: its faces too."""
    try:
        apex, path, origin = sample.apex, sample.apex_path, sample.apex_origin
        if apex is None or path is None:
            (apex, path), origin = estimate_apex(sample), "estimated"
        features = extractor.extract(read_image(sample.onset_path, UNPACK), read_image(path, UNPACK))
    except AtmeError as error:
        return Failure(str(error))
    if not features.entire.any():
        return Failure(f"nothing moves between the frames {sample.onset} and {apex}")
    digest = hashlib.sha256(sample.onset_path.read_bytes() + path.read_bytes()).hexdigest()
    pair = Pair(features.entire, features.puzzled, apex, origin, digest)
    if not keep_faces:
        return pair
    return replace(
        pair,
        faces=np.stack(features.faces),
        landmarks=landmarks_on(features),
        flow=np.moveaxis(features.entire_flow, 2, 0).astype(np.float16),
    )


def landmarks_on(features: PairFeatures) -> npt.NDArray[np.float32]:
    """(68, 2): the onset face's landmarks in pixels of ``features.faces``."""
    box, size = features.geometry.face, np.array(features.faces[0].shape[::-1])
    native = np.round((box.width, box.height))
    inside = features.geometry.landmarks - (box.left, box.top)
    return np.asarray((inside + 0.5) * (size / native) - 0.5, np.float32)


def estimate_apex(sample: Sample) -> tuple[int, Path]:
    """The frame in which the face has moved furthest since the onset: the spotter's measure and smoothing.

    NoFaceError without a face at the onset, AtmeError without a face in any frame after it.
    """
    after = [(number, path) for number, path in sample.frames if number > sample.onset]
    regions = regions_from(
        read_image(sample.onset_path, UNPACK), (read_image(path, UNPACK) for _, path in after)
    )
    moved = np.array([max(row.values()) for row in regions])
    seen = np.flatnonzero(np.isfinite(moved))
    if not len(seen):
        raise AtmeError("no-face", "no face in any frame after the onset, so the apex cannot be estimated")
    times = np.array([number for number, _ in after])[seen] / sample.fps
    near = np.abs(times - times[:, None]) <= SMOOTH_S / 2
    smooth = near @ moved[seen] / near.sum(axis=1)
    return after[int(seen[np.argmax(smooth)])]


def part_name(sample: Sample, keep_faces: bool = False) -> str:
    """File name of a finished sample; it changes with its files, the preprocessing and ``keep_faces``."""
    used = [sample.onset_path, sample.apex_path] if sample.apex_path else [path for _, path in sample.frames]
    files = []
    for path in filter(None, used):
        status = path.stat()
        files.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    text = json.dumps([PREPROCESSING, WORKING_SIZE, keep_faces, sample.id, files])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def write_part(outcome: Pair | Failure, path: Path) -> None:
    """Whole or not at all."""
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **{name: value for name, value in vars(outcome).items() if value is not None})


def read_part(path: Path) -> Pair | Failure | None:
    """None where it is missing or cannot be read."""
    try:
        part: dict[str, Any] = read_arrays(path)
        if "reason" in part:
            return Failure(str(part["reason"]))
        entire, puzzled = part["entire"], part["puzzled"]
        if any(one.shape != SHAPE or one.dtype != np.uint8 for one in (entire, puzzled)):
            return None
        return Pair(
            entire,
            puzzled,
            int(part["apex"]),
            str(part["apex_origin"]),
            str(part["digest"]),
            part.get("faces"),
            part.get("landmarks"),
            part.get("flow"),
        )
    except (AtmeError, ValueError, KeyError, TypeError):
        return None
