"""What every loader returns: the samples, and the problems with the others."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from recognizer.recognition import CLASSES

Unit = tuple[int, str | None]
"""FACS number, and the letter before it, if any: Left, Right, Unilateral, Asymmetric, Top, Bottom."""

OTHERS = -1
"""Label of an emotion outside the three classes; ``load`` never returns one."""

_NEGATIVE = ("negative", "repression", "anger", "angry", "contempt", "disgust", "fear", "sadness", "sad")
_LABELS = {
    **dict.fromkeys(_NEGATIVE, 0),
    **dict.fromkeys(("positive", "happiness", "happy"), 1),
    **dict.fromkeys(("surprise", "surprised"), 2),
    **dict.fromkeys(("others", "other"), OTHERS),
}


@dataclass(frozen=True)
class Sample:
    """One micro-expression, every path checked to be a file."""

    database: str
    subject: str
    """Unique within the database only: a person is (database, subject)."""
    clip: str
    """The set's own name of the clip; unique within the subject."""
    onset: int
    apex: int | None
    """None where it has to be estimated."""
    offset: int
    """Frame numbers as the set counts them."""
    onset_path: Path
    apex_path: Path | None
    offset_path: Path
    frames: tuple[tuple[int, Path], ...]
    """(number, file) of every frame on disk from onset to offset, ascending; some may have been dropped."""
    fps: float
    label: int
    """0 negative, 1 positive, 2 surprise."""
    emotion: str
    """As written."""
    units_written: str
    """Action units as written."""
    units: tuple[Unit, ...]
    """Action units as read."""
    apex_origin: Literal["annotated", "estimated", "missing"]
    """missing: not annotated, or not plausibly; ``prepare`` estimates it."""

    @property
    def id(self) -> str:
        """database/subject/clip."""
        return f"{self.database}/{self.subject}/{self.clip}"


@dataclass(frozen=True)
class Problem:
    """Something wrong with one sample: repaired, or else the sample was left out."""

    sample: str
    """database/subject/clip."""
    what: str
    repaired: bool


@dataclass(frozen=True)
class Loaded:
    """The usable part of a dataset."""

    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """Notes on the copy as a whole: its version, counts, subjects with one class."""


def label_of(emotion: str) -> int | None:
    """Emotion → class as MEGC2019 maps it; ``OTHERS`` for others, None for an unknown word."""
    return _LABELS.get(emotion.strip().casefold())


def class_of(emotion: str) -> str | None:
    """The name of the emotion's class; None for others and for an unknown word."""
    label = label_of(emotion)
    return None if label is None or label == OTHERS else CLASSES[label]


def without_others(loaded: Loaded) -> Loaded:
    """Leaves out, with a reason each, whatever is none of the three classes: `others` is not negative."""
    others = [
        Problem(s.id, f"emotion '{s.emotion}' is none of the three classes", repaired=False)
        for s in loaded.samples
        if s.label == OTHERS
    ]
    kept = tuple(s for s in loaded.samples if s.label != OTHERS)
    return replace(loaded, samples=kept, problems=(*loaded.problems, *others))


def without_duplicates(loaded: Loaded) -> Loaded:
    """Leaves out, with a reason each, samples whose name, or whose onset and apex frames, came before."""
    seen: dict[object, Sample] = {}
    kept, problems = [], list(loaded.problems)
    for sample in loaded.samples:
        frames = (sample.onset_path, sample.apex_path, None if sample.apex_path else sample.offset_path)
        earlier = seen.get(sample.id) or seen.get(frames)
        if earlier is None:
            seen[sample.id] = seen[frames] = sample
            kept.append(sample)
            continue
        contrary = f", there labelled '{earlier.emotion}', here '{sample.emotion}'"
        what = f"a duplicate: the same {'name' if earlier.id == sample.id else 'frames'} as {earlier.id}"
        what += contrary if earlier.label != sample.label else ""
        problems.append(Problem(sample.id, what, repaired=False))
    return replace(loaded, samples=tuple(kept), problems=tuple(problems))


def with_subject_notes(loaded: Loaded) -> Loaded:
    """Adds what limits leave-one-subject-out: subjects with one class, or one subject only."""
    labels: dict[tuple[str, str], set[int]] = defaultdict(set)
    for sample in loaded.samples:
        labels[sample.database, sample.subject].add(sample.label)
    single = [
        f"{database}/{subject} ({CLASSES[min(seen)]})"
        for (database, subject), seen in sorted(labels.items())
        if len(seen) == 1
    ]
    notes = list(loaded.notes)
    if single:
        notes.append(f"{len(single)} subject(s) with one class only: {', '.join(single)}")
    if len(labels) == 1:
        notes.append("one subject only: leave-one-subject-out needs at least two")
    return replace(loaded, notes=tuple(notes))


def finished(loaded: Loaded) -> Loaded:
    """The last step of every loader."""
    return with_subject_notes(without_duplicates(without_others(loaded)))
