"""Measures a recording once and caches the signal, so that spotters can be tried on it quickly.

The cache depends on the images and on the code that measures motion, so both are part of its file name.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import recognizer.landmarks
import spotting.face.places
import spotting.face.pose
import spotting.face.tracker
import spotting.face.warp
import spotting.motion
import spotting.neutral
import spotting.place_flow
from recognizer.errors import AtmeError
from recognizer.files.npz import read_arrays
from recognizer.files.write import replacing
from spotting.motion import MotionMeter, MotionSample
from training.datasets.long_video import LongVideo


@dataclass(frozen=True)
class Signal:
    """Everything that was measured on one recording."""

    samples: tuple[MotionSample, ...]
    difference: npt.NDArray[np.float32]
    """(frames,) mean absolute grey difference to the image ``DIFFERENCE_S`` before, the naive measure."""

    @property
    def minutes(self) -> float:
        """Length of the recording."""
        return (self.samples[-1].time - self.samples[0].time) / 60 if len(self.samples) > 1 else 0.0


DIFFERENCE_S = 0.1
"""Seconds between the images of the plain frame difference."""
_SMALL = (80, 100)


def measured(videos: Sequence[LongVideo], cache_folder: Path, workers: int) -> Iterator[int]:
    """Measures what is not cached yet, with ``workers`` processes; yields the number done."""
    from training.executors import in_process, local

    todo = [video for video in videos if not part_path(video, cache_folder).is_file()]
    done = len(videos) - len(todo)
    yield done
    work = partial(_measure_to_file, cache_folder)
    for _ in in_process(work, todo) if workers < 2 else local(work, todo, workers):
        done += 1
        yield done


def signal_of(video: LongVideo, cache_folder: Path) -> Signal:
    """From the cache, or measured now."""
    path = part_path(video, cache_folder)
    kept = _read(path) if path.is_file() else None
    if kept is None:
        _measure_to_file(cache_folder, video)
        kept = _read(path)
        assert kept is not None
    return kept


def measure(video: LongVideo) -> Signal:
    """Every frame through the live program's own motion meter; what it does not sample is left out."""
    cv2.setNumThreads(1)
    samples: list[MotionSample] = []
    differences: list[float] = []
    before: list[tuple[float, npt.NDArray[np.float32]]] = []
    meter = MotionMeter()
    try:
        for number, time, image in video.pictures():
            sample = meter.measure(number, time, image)
            if samples and sample is samples[-1]:
                continue
            samples.append(sample)
            small = cv2.cvtColor(cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            before.append((time, small.astype(np.float32)))
            while len(before) > 2 and time - before[1][0] >= DIFFERENCE_S:
                before.pop(0)
            differences.append(float(np.abs(before[-1][1] - before[0][1]).mean()))
    finally:
        meter.close()
    return Signal(tuple(samples), np.array(differences, np.float32))


def part_path(video: LongVideo, folder: Path) -> Path:
    """Where the signal of a recording is kept."""
    paths = [video.file] if video.file else [path for _, path in video.frames]
    digest = hashlib.sha256(_meter_version())
    for path in paths:
        status = path.stat()
        digest.update(f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {video.fps}".encode())
    return folder / f"{digest.hexdigest()[:24]}.npz"


MOST_BYTES = 1_000_000_000
"""Of a measured recording; an hour at 200 fps is a third of that."""


@cache
def _meter_version() -> bytes:
    """Changes with the code that measures, but not with its wording."""
    modules = (
        recognizer.landmarks,
        spotting.face.places,
        spotting.face.tracker,
        spotting.motion,
        spotting.neutral,
        spotting.place_flow,
        spotting.face.pose,
        spotting.face.warp,
    )
    files = [Path(str(module.__file__)) for module in modules]
    compiled = [Path(str(module.__file__)) for module in (spotting.place_flow, spotting.face.warp)]
    files += [file.with_name(f"{file.stem}_kernel.py") for file in compiled]  # to import them takes long
    sources = [file.read_text(encoding="utf-8") for file in files]
    return hashlib.sha256("\n".join(map(without_words, sources)).encode()).digest()


def without_words(source: str) -> str:
    """Python code in a form that its layout, comments and docstrings do not change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [line for line in body if not _is_text(line)]
    return ast.dump(tree)


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _measure_to_file(folder: Path, video: LongVideo) -> None:
    signal = measure(video)
    folder.mkdir(parents=True, exist_ok=True)
    path = part_path(video, folder)
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, difference=signal.difference, **_columns(signal.samples))


def _columns(samples: Sequence[MotionSample]) -> dict[str, Any]:
    """One array a field; a field that maps names to figures is one array a name."""
    columns: dict[str, Any] = {}
    for name in (field.name for field in fields(MotionSample)):
        values = [getattr(sample, name) for sample in samples]
        if values and isinstance(values[0], dict):
            columns |= {f"{name}/{key}": np.array([value[key] for value in values]) for key in values[0]}
        else:
            columns[name] = np.array(values)
    return columns


def _read(path: Path) -> Signal | None:
    """None for a file that is broken."""
    try:
        arrays: dict[str, Any] = read_arrays(path, MOST_BYTES)
        difference = arrays.pop("difference")
        return _signal({name: values.tolist() for name, values in arrays.items()}, difference)
    except (AtmeError, ValueError, KeyError, TypeError, IndexError):
        return None


def _signal(columns: dict[str, Any], difference: Any) -> Signal:
    nested: dict[str, dict[str, list[float]]] = {}
    for name in [name for name in columns if "/" in name]:
        field, key = name.split("/")
        nested.setdefault(field, {})[key] = columns.pop(name)
    rows = []
    for index in range(len(difference)):
        row = {name: values[index] for name, values in columns.items()}
        row |= {field: {key: values[index] for key, values in part.items()} for field, part in nested.items()}
        rows.append(MotionSample(**{**row, "places": tuple(row["places"])}))
    return Signal(tuple(rows), difference)
