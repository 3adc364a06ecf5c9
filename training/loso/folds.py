"""Leave-one-subject-out: who is tested in which fold, and what the model may learn from (method §7)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from training.features.archive import FeatureArchive

Rows = npt.NDArray[np.int64]
"""Indices into an archive."""


@dataclass(frozen=True)
class Fold:
    """One subject of one database is tested; the model trains on all others."""

    name: str
    """``database/subject``."""
    train: Rows
    test: Rows


def leave_one_subject_out(archive: FeatureArchive, where: str) -> list[Fold]:
    """One fold per subject, by name; one name in two databases is two people.

    AtmeError, naming ``where``, for a single subject, a sample that occurs twice, or a class without training
    samples in some fold.
    """
    _check_unique(archive, where)
    people = person(archive)
    names = sorted(set(people.tolist()))
    if len(names) == 1:
        raise AtmeError(
            "too-little",
            f"{where}: holds one subject only ({names[0]}); leave-one-subject-out needs at least two",
        )
    folds = [Fold(name, np.flatnonzero(people != name), np.flatnonzero(people == name)) for name in names]
    for index, label in enumerate(CLASSES):
        holders = set(people[archive.label == index].tolist())
        if not holders:
            raise AtmeError(
                "too-little", f"{where}: no sample is {label}; all of {', '.join(CLASSES)} are needed"
            )
        if len(holders) == 1:
            raise AtmeError(
                "too-little",
                f"{where}: only {holders.pop()} has samples of {label}, so nothing is left to learn it from "
                "when that subject is tested; add subjects or leave this one out",
            )
    return folds


def person(archive: FeatureArchive) -> npt.NDArray[np.str_]:
    """``database/subject`` of every sample."""
    return np.char.add(np.char.add(archive.database, "/"), archive.subject)


def _check_unique(archive: FeatureArchive, where: str) -> None:
    lines = _lines(archive, with_label=False)
    seen: set[str] = set()
    for line in lines:
        if line in seen:
            raise AtmeError("unreadable", f"{where}: sample {line} occurs twice; prepare the archive again")
        seen.add(line)


def split_hash(archive: FeatureArchive) -> str:
    """Twelve hexadecimal digits; equal where the same samples with the same labels form the same folds."""
    return _digest("\n".join(sorted(_lines(archive, with_label=True))).encode())


def content_hash(archive: FeatureArchive) -> str:
    """Twelve hexadecimal digits that stand for features, labels and names in order."""
    names = "\n".join(_lines(archive, with_label=True)).encode()
    return _digest(archive.entire.tobytes() + archive.puzzled.tobytes() + names)


def faces_hash(archive: FeatureArchive) -> str:
    """Twelve hexadecimal digits that stand for the faces in order; the archive must hold faces."""
    faces = archive.faces_of()
    assert faces is not None
    return _digest(faces.pictures.tobytes() + faces.landmarks.tobytes() + faces.flow.tobytes())


def fold_seed(seed: int, name: str) -> int:
    """The seed of one fold: it depends only on the run's seed and the fold's name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "big")


def _lines(archive: FeatureArchive, with_label: bool) -> list[str]:
    rows = zip(
        archive.database.tolist(),
        archive.subject.tolist(),
        archive.sample.tolist(),
        archive.label.tolist(),
        strict=True,
    )
    return ["/".join(map(str, row if with_label else row[:3])) for row in rows]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
