"""An annotated movement against the frames on disk: a sample, repaired where that is safe, or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.reading.disk import frames_in
from training.datasets.reading.sheet import whole
from training.datasets.reading.units import read_units
from training.datasets.sample import Problem, Sample, label_of

DROPPED = 2
"""Frames by which an onset or apex may be moved where its own frame was dropped."""


@dataclass(frozen=True)
class Annotation:
    """A movement as annotated; numbers as the cells held them, which may be anything."""

    database: str
    subject: str
    clip: str
    onset: Any
    apex: Any
    offset: Any
    emotion: str
    units: str
    fps: float
    apex_annotated: bool = True
    """False for a set that annotates no apex at all; a missing apex is then not the sample's fault."""

    @property
    def id(self) -> str:
        return f"{self.database}/{self.subject}/{self.clip}"


class _LeftOut(Exception):
    """Its text is the reason."""


def settle_all(
    movements: Iterable[tuple[Annotation, Path]],
) -> tuple[list[Sample], list[Problem]]:
    """Settles each against the frames of its folder, which need not exist."""
    cache: dict[Path, dict[int, Path]] = {}
    samples: list[Sample] = []
    problems: list[Problem] = []
    for annotation, folder in movements:
        if folder not in cache:
            cache[folder] = frames_in(folder)
        sample, found = settle(annotation, cache[folder], folder)
        problems += found
        if sample is not None:
            samples.append(sample)
    return samples, problems


def settle(
    annotation: Annotation, frames: Mapping[int, Path], where: Path
) -> tuple[Sample | None, list[Problem]]:
    """The sample (None if it has to be left out), and its problems.

    ``frames``: number → file, ascending; ``where``: the folder they were looked for in, for the messages.
    """
    problems: list[Problem] = []

    def repaired(what: str) -> None:
        problems.append(Problem(annotation.id, what, repaired=True))

    try:
        label = label_of(annotation.emotion)
        if label is None:
            raise _LeftOut(f"unknown emotion '{annotation.emotion}'")
        if not frames:
            raise _LeftOut(f"no frames in {where}")
        onset = _onset(annotation, frames, repaired)
        offset = _offset(annotation, frames, onset, repaired)
        apex = _apex(annotation, frames, onset, offset, repaired)
        units, strange = read_units(annotation.units)
        if strange:
            repaired(f"action units '{annotation.units}': {', '.join(strange)} not read")
    except _LeftOut as reason:
        return None, [*problems, Problem(annotation.id, str(reason), repaired=False)]
    return (
        Sample(
            database=annotation.database,
            subject=annotation.subject,
            clip=annotation.clip,
            onset=onset,
            apex=apex,
            offset=offset,
            onset_path=frames[onset],
            apex_path=None if apex is None else frames[apex],
            offset_path=frames[offset],
            frames=tuple((n, path) for n, path in frames.items() if onset <= n <= offset),
            fps=annotation.fps,
            label=label,
            emotion=annotation.emotion,
            units_written=annotation.units,
            units=units,
            apex_origin="missing" if apex is None else "annotated",
        ),
        problems,
    )


def _onset(annotation: Annotation, frames: Mapping[int, Path], repaired: Callable[[str], None]) -> int:
    onset = whole(annotation.onset)
    if onset is None:
        raise _LeftOut(f"onset is '{annotation.onset}', not a frame number")
    if onset in frames:
        return onset
    near = _near(onset, frames)
    if near is None:
        raise _LeftOut(f"the onset frame {onset} is absent; on disk are {min(frames)} to {max(frames)}")
    repaired(f"the onset frame {onset} is absent; {near} used")
    return near


def _offset(
    annotation: Annotation, frames: Mapping[int, Path], onset: int, repaired: Callable[[str], None]
) -> int:
    offset, apex = whole(annotation.offset), whole(annotation.apex)
    if offset is None or offset <= onset:
        # The offset only bounds where an apex may be, so an annotated apex can stand for it.
        if apex is None or apex <= onset or apex not in frames:
            raise _LeftOut(f"offset is '{annotation.offset}', onset {onset}: no movement between them")
        repaired(f"offset is '{annotation.offset}', not after the onset {onset}; the apex {apex} used")
        return apex
    if offset in frames:
        return offset
    within = [n for n in frames if onset < n < offset]
    if not within:
        raise _LeftOut(f"no frame after the onset {onset}; on disk are {min(frames)} to {max(frames)}")
    repaired(f"the offset frame {offset} is absent; {within[-1]} used")
    return within[-1]


def _apex(
    annotation: Annotation,
    frames: Mapping[int, Path],
    onset: int,
    offset: int,
    repaired: Callable[[str], None],
) -> int | None:
    if not annotation.apex_annotated:
        return None
    apex, last = whole(annotation.apex), whole(annotation.offset)
    if last is None or last <= onset:
        last = None
    if apex is None:
        doubt = f"apex is '{annotation.apex}'"
    elif apex == onset:
        doubt = f"apex = onset ({apex})"
    elif apex == last:
        doubt = f"apex = offset ({apex})"
    elif not onset < apex <= (last or offset):
        doubt = f"apex {apex} is outside the clip {onset} to {annotation.offset}"
    elif apex in frames:
        return apex
    else:
        near = _near(apex, {n: path for n, path in frames.items() if onset < n <= offset})
        if near is not None:
            repaired(f"the apex frame {apex} is absent; {near} used")
            return near
        doubt = f"the apex frame {apex} is absent"
    repaired(f"{doubt}; it will be estimated")
    return None


def _near(number: int, frames: Mapping[int, Path]) -> int | None:
    """The nearest frame on disk, at most ``DROPPED`` away."""
    nearest = min(frames, key=lambda n: (abs(n - number), n), default=None)
    return nearest if nearest is not None and abs(nearest - number) <= DROPPED else None
