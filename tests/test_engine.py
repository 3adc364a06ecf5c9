"""Training many networks at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_archive import tiny_archive

from training.features.archive import Pairs
from training.learning.engine import (
    Recipe,
    TrainingSet,
    initial_state,
    pooled,
    predict,
    steps_of,
    train,
)
from training.learning.engine import (
    plan as plan_of,
)

SHORT = Recipe(epochs=3, batch=12)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def some(archive, rows=slice(None), seed=0, real=None) -> TrainingSet:
    label = archive.label[rows]
    real = len(label) if real is None else real
    return TrainingSet(archive.entire[rows], archive.puzzled[rows], label, real, seed, initial_state(seed))


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_same_weights_to_the_bit():
    archive = tiny_archive()
    first, again = (train([some(archive)], SHORT)[0] for _ in range(2))
    assert equal(first, again)
    assert not equal(first, train([replace(some(archive), seed=1)], SHORT)[0])


def test_a_fold_does_not_depend_on_its_company():
    archive = tiny_archive()
    sets = [some(archive, slice(k), seed=k) for k in (24, 22, 19)]  # batches of different sizes, too
    together = train(sets, SHORT)
    for item, state in zip(sets, together, strict=True):
        (alone,) = train([item], SHORT)
        for name, value in alone.items():
            torch.testing.assert_close(state[name], value, atol=2e-3, rtol=1e-2)
        found, expected = (predict(s, archive.pairs(), False) for s in (state, alone))
        np.testing.assert_allclose(found, expected, atol=5e-3)
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_it_learns_what_can_be_learnt():
    archive, unseen = tiny_archive(8), tiny_archive(4, seed=1)
    (state,) = train([some(archive)], Recipe(epochs=8))
    right = predict(state, unseen.pairs(), False).argmax(axis=1) == unseen.label
    assert right.mean() > 0.9


def test_flip_average_is_the_same_for_a_sample_and_its_mirror_image():
    archive = tiny_archive(2)
    state = initial_state(0)
    mirrored = []
    for features in (archive.entire, archive.puzzled):
        flipped = features[..., ::-1].copy()
        flipped[:, 0] = 255 - flipped[:, 0]
        mirrored.append(flipped)
    straight = predict(state, archive.pairs(), True)
    np.testing.assert_allclose(straight, predict(state, Pairs(*mirrored), True), atol=1e-6)
    assert not np.allclose(straight, predict(state, archive.pairs(), False), atol=1e-6)


def test_watching_changes_nothing_and_sees_every_epoch():
    archive = tiny_archive()
    seen = []

    def watch(epoch, states):
        seen.append(epoch)
        for state in states:
            for value in state.values():
                value.zero_()  # what a watcher does to its copy is its own affair

    assert equal(train([some(archive)], SHORT, watch=watch)[0], train([some(archive)], SHORT)[0])
    assert seen == [1, 2, 3]


def test_sets_of_one_call_take_the_same_number_of_steps():
    archive = tiny_archive()
    with pytest.raises(ValueError, match="same number of steps"):
        train([some(archive, slice(24)), some(archive, slice(10))], SHORT)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 300), st.integers(1, 150), st.integers(0, 2**32))
def test_an_epoch_shows_every_sample_once_in_equal_batches(n, batch, seed):
    label = np.zeros(n, np.int64)
    empty = np.zeros((n, 0), np.uint8)
    recipe = Recipe(epochs=2, batch=batch)
    plan = plan_of(TrainingSet(empty, empty, label, n, seed, {}), recipe)
    assert len(plan) == steps_of(n, recipe)
    for epoch in (plan[: len(plan) // 2], plan[len(plan) // 2 :]):
        assert sorted(np.concatenate(epoch) % n) == list(range(n))
    sizes = {len(rows) for rows in plan}
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1


def test_drawn_batches_are_balanced_and_partly_synthetic():
    label = np.array([0] * 80 + [1] * 15 + [2] * 5 + [0] * 50)  # the last 50 are synthetic
    empty = np.zeros((150, 0), np.uint8)
    recipe = Recipe(steps=200, batch=30, balance=1, synthetic=1 / 3)
    plan = np.array(plan_of(TrainingSet(empty, empty, label, 100, 0, {}), recipe)) % 150
    assert ((plan >= 100).sum(axis=1) == 10).all()
    drawn = np.bincount(label[plan[plan < 100]]) / (plan < 100).sum()
    np.testing.assert_allclose(drawn, 1 / 3, atol=0.03)


def test_pooled_bytes_are_those_of_torch():
    features = torch.randint(0, 256, (2, 2, 3, 28, 28), dtype=torch.uint8)
    expected = torch.nn.functional.max_pool2d(features.flatten(0, 1).float(), 3, 1, 1)
    assert torch.equal(pooled(features).flatten(0, 1).float(), expected)
