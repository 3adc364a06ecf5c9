"""A correction of pre-trained logits: convex, small, and never a change of the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from test_engine import equal, some
from tiny_archive import tiny_archive

from recognizer.backend import DEFAULT_WEIGHTS, Backend
from recognizer.model_info import ModelInfo
from training.cli import app
from training.correction import FEATURES, PREFIX, Correction, correct, network_of, without_correction
from training.engine import ADAPTING, mirrored, normalise, predict, train
from training.export import export
from training.feature_archive import save
from training.fit import fit
from training.loso_cli import recipe_for
from training.pretrain import FlipAveraged


def test_the_network_keeps_its_weights_and_the_seed_decides_the_rest():
    item = some(tiny_archive())
    (state,), (again,) = train([item], ADAPTING), train([item], ADAPTING)
    assert equal(state, again)
    assert equal(without_correction(state), item.start)
    other = train([replace(item, seed=1)], ADAPTING)[0]
    assert not torch.equal(other[PREFIX + "frequencies"], state[PREFIX + "frequencies"])


def test_a_fold_does_not_depend_on_its_company():
    archive = tiny_archive()
    sets = [some(archive, slice(k), seed=k) for k in (24, 19)]
    for item, state in zip(sets, train(sets, ADAPTING), strict=True):
        assert equal(train([item], ADAPTING)[0], state)


def test_it_learns_what_the_network_does_not_know():
    archive, unseen = tiny_archive(8), tiny_archive(4, seed=1)
    (state,) = train([some(archive)], ADAPTING)
    right = predict(state, unseen.entire, unseen.puzzled, True).argmax(axis=1) == unseen.label
    assert right.mean() > 0.9


def test_without_correction_the_network_speaks():
    archive = tiny_archive(2)
    item = some(archive)
    (state,) = train([item], replace(ADAPTING, correction=1e6, balance=1))
    assert state[PREFIX + "weight"].abs().max() < 1e-6
    network, corrected = network_of(item.start), network_of(state)
    views = [normalise(torch.from_numpy(x)) for x in (archive.entire, archive.puzzled)]
    with torch.no_grad():
        plain, found = network(*views), corrected(*views)
    expected = state[PREFIX + "scale"] * plain + state[PREFIX + "bias"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_optimum_is_stationary():
    archive = tiny_archive(4)
    pictures = [torch.from_numpy(x) for x in (archive.entire, archive.puzzled)]
    views = [tuple(normalise(x) for x in pictures), tuple(normalise(mirrored(x)) for x in pictures)]
    label, penalty = torch.from_numpy(archive.label), 1e-2
    state = correct(some(archive).start, views, label, 0.0, penalty, 3)
    correction = network_of(state).correction.double()
    network = network_of(without_correction(state))
    with torch.no_grad():
        logits = torch.stack([network(*view) for view in views]).mean(0).double()
        phi = torch.stack([Correction(3).features(view[0]) for view in views]).mean(0).double()
    found = correction.scale * logits + phi @ correction.weight.mT + correction.bias
    loss = torch.nn.functional.cross_entropy(found, label) + penalty / 2 * correction.weight.square().sum()
    loss.backward()
    for parameter in correction.parameters():
        assert parameter.grad.abs().max() < 1e-4


def test_random_features_come_close_to_the_gaussian_kernel():
    x = torch.rand(6, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    kernels = [Correction(seed).features(x) @ Correction(seed).features(x).mT for seed in (0, 1)]
    torch.testing.assert_close(kernels[0], kernels[1], atol=6 / FEATURES**0.5, rtol=0)
    torch.testing.assert_close(kernels[0].diagonal(), torch.ones(6), atol=0.1, rtol=0)
    # brighter and stronger by a factor: the same flow
    scaled = Correction(0).features(0.5 * x + 0.2)
    assert ((scaled @ Correction(0).features(x).mT).diagonal() > 0.9).all()


def test_pretrained_weights_are_corrected_unless_steps_are_asked_for():
    weights = Path("weights.onnx")
    assert recipe_for(weights, None, None) == ADAPTING
    tuned = recipe_for(weights, None, 7)
    assert (tuned.correction, tuned.steps) == (0, 7)
    assert recipe_for(None, None, None).correction == 0


def test_watching_sees_the_one_state():
    seen = []
    archive = tiny_archive(2)
    (state,) = train([some(archive)], ADAPTING, watch=lambda epoch, states: seen.append((epoch, states[0])))
    ((epoch, watched),) = seen
    assert epoch == 1
    assert equal(watched, state)


def test_it_is_exported_like_any_network(tmp_path):
    archive = tiny_archive(2)
    (state,) = train([some(archive)], ADAPTING)
    file = tmp_path / "corrected.onnx"
    export(FlipAveraged(network_of(state)), ModelInfo("corrected", "made-up samples", "none"), file)
    views = [normalise(torch.from_numpy(x)).numpy() for x in (archive.entire, archive.puzzled)]
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], dict(zip(("entire", "puzzled"), views, strict=True)))[0]
    expected = predict(state, archive.entire, archive.puzzled, True)
    np.testing.assert_allclose(torch.from_numpy(logits).double().softmax(1), expected, atol=1e-2)


def test_a_fitted_state_can_be_exported_later(tmp_path):
    """fit → .safetensors → export is the same model as fit → .onnx, correction included."""
    archive = tmp_path / "tiny.npz"
    save(tiny_archive(12), archive)
    for name in ("kept.safetensors", "direct.onnx"):
        fit(archive, tmp_path / name, ADAPTING, DEFAULT_WEIGHTS, None, "")
    arguments = ["export", str(tmp_path / "kept.safetensors"), "--out", str(tmp_path / "later.onnx")]
    app(arguments, standalone_mode=False)
    samples = tiny_archive(3)
    logits = [
        Backend(tmp_path / name).logits(samples.entire, samples.puzzled)
        for name in ("direct.onnx", "later.onnx")
    ]
    np.testing.assert_allclose(*logits, atol=1e-5)
    plain = Backend(DEFAULT_WEIGHTS).logits(samples.entire, samples.puzzled)[:, :3]
    assert np.abs(logits[1] - plain).max() > 0.01, "the correction got lost"
