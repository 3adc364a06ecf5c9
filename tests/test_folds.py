"""Leave-one-subject-out folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.errors import ErrorCode
from training.features.archive import FeatureArchive
from training.loso.folds import content_hash, fold_seed, leave_one_subject_out, split_hash


def picked(archive: FeatureArchive, rows: np.ndarray) -> FeatureArchive:
    given = {name: value for name, value in vars(archive).items() if value is not None}
    return FeatureArchive(**{name: value[rows] for name, value in given.items()})


def test_every_sample_is_tested_once_by_a_model_that_never_saw_its_subject():
    archive = tiny_archive(5)
    folds = leave_one_subject_out(archive, "a.npz")
    assert [fold.name for fold in folds] == ["one/s01", "one/s03", "two/s00", "two/s02", "two/s04"]
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(archive)))
    for fold in folds:
        assert not set(archive.subject[fold.train]) & set(archive.subject[fold.test])
        assert len(fold.train) + len(fold.test) == len(archive)


def test_one_name_in_two_databases_is_two_people():
    archive = replace(tiny_archive(4), subject=np.full(24, "01"))
    assert [fold.name for fold in leave_one_subject_out(archive, "a.npz")] == ["one/01", "two/01"]


def test_what_cannot_be_split_is_said_in_one_line():
    archive = tiny_archive(3)
    lonely = (archive.label != 1) | (archive.subject == "s01")
    cases: list[tuple[ErrorCode, Any, tuple[str, ...]]] = [
        ("too-little", np.arange(6), ("two/s00",)),
        ("too-little", np.flatnonzero(archive.label < 2), ("surprise",)),
        ("too-little", np.flatnonzero(lonely), ("one/s01", "positive")),
        ("unreadable", np.array([0, 1, 2, 0, *range(6, 18)]), ("two/s00/clip0",)),
    ]
    for code, rows, named in cases:
        with raises(code, "a.npz", *named):
            leave_one_subject_out(picked(archive, rows), "a.npz")


def test_hashes_see_what_they_should():
    archive = tiny_archive(3)
    order = np.random.default_rng(0).permutation(len(archive))
    assert split_hash(picked(archive, order)) == split_hash(archive)
    assert content_hash(picked(archive, order)) != content_hash(archive)
    other = replace(archive, label=np.roll(archive.label, 1))
    assert split_hash(other) != split_hash(archive)
    brighter = replace(archive, entire=archive.entire + np.uint8(1))
    assert split_hash(brighter) == split_hash(archive)
    assert content_hash(brighter) != content_hash(archive)


def test_fold_seeds_differ():
    seeds = {fold_seed(seed, name) for seed in range(5) for name in ("one/s01", "one/s02", "two/s01")}
    assert len(seeds) == 15
    assert fold_seed(0, "one/s01") == 19061331491371205  # the same on every machine
