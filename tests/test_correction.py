"""A correction of pre-trained logits: convex, small, and never a change of the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import torch
from test_engine import equal, some
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.network.model_info import ModelInfo
from training.cli.loso import recipe_for
from training.cli.main import app
from training.features.archive import save
from training.learning.correction import (
    MIXING,
    PREFIX,
    coarse_flow,
    correct,
    kernel,
    network_of,
    without_correction,
)
from training.learning.engine import ADAPTING, initial_state, mirrored, normalise, predict, train
from training.learning.export import export
from training.learning.pretrain import FlipAveraged
from training.learning.weights import named_with_digest, save_state
from training.loso.fit import fit
from training.loso.run import LosoConfig, run_loso


def test_the_network_keeps_its_weights_and_no_seed_changes_the_rest():
    item = some(tiny_archive())
    (state,), (again,) = train([item], ADAPTING), train([replace(item, seed=1)], ADAPTING)
    assert equal(state, again)
    assert equal(without_correction(state), item.start)


def test_a_fold_does_not_depend_on_its_company():
    archive = tiny_archive()
    sets = [some(archive, slice(k), seed=k) for k in (24, 19)]
    for item, state in zip(sets, train(sets, ADAPTING), strict=True):
        assert equal(train([item], ADAPTING)[0], state)


def test_it_learns_what_the_network_does_not_know():
    archive, unseen = tiny_archive(8), tiny_archive(4, seed=1)
    (state,) = train([some(archive)], ADAPTING)
    right = predict(state, unseen.pairs(), True).argmax(axis=1) == unseen.label
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
    expected = plain @ state[PREFIX + "scale"].mT + state[PREFIX + "bias"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_optimum_is_stationary():
    """No other weights of the samples, nor another scale or bias, make the penalised loss smaller."""
    archive = tiny_archive(4)
    pictures = [torch.from_numpy(x) for x in (archive.entire, archive.puzzled)]
    views = [tuple(normalise(x) for x in pictures), tuple(normalise(mirrored(x)) for x in pictures)]
    label, penalty = torch.from_numpy(archive.label), 1e-2
    state = correct(some(archive).start, views, label, 0.0, penalty)
    correction = network_of(state).correction.double()
    with torch.no_grad():
        network = network_of(without_correction(state))
        logits = torch.stack([network(*view) for view in views]).mean(0).double()
        flows = torch.cat([coarse_flow(view[0]) for view in views]).double()
        alike = kernel(flows, flows)
    seen = alike.view(2, len(label), -1).mean(dim=0)
    found = logits @ correction.scale.mT + seen @ correction.weight.mT + correction.bias
    norm = torch.einsum("ci,ij,cj->", correction.weight, alike, correction.weight)
    # what S may do freely is a multiple of one; the rest of it is held back
    mixing = correction.scale - correction.scale.detach().diagonal().mean() * torch.eye(3)
    loss = (
        torch.nn.functional.cross_entropy(found, label)
        + (penalty * norm + MIXING * mixing.square().sum()) / 2
    )
    loss.backward()
    for parameter in correction.parameters():
        assert parameter.grad.abs().max() < 1e-4


def test_the_kernel_knows_the_same_flow_again():
    x = torch.rand(6, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flows = coarse_flow(x).double()
    alike = kernel(flows, flows)
    apart = torch.cdist(flows, flows)
    torch.testing.assert_close(alike, torch.exp(-apart.square() / (2 * 8.4**2)), atol=1e-9, rtol=1e-9)
    # brighter and stronger by a factor: the same flow
    scaled = kernel(coarse_flow(0.5 * x + 0.2), coarse_flow(x)).diagonal()
    assert (scaled > 0.99).all()


def test_each_seed_may_have_its_own_pretrained_weights(tmp_path):
    """One file a seed: each seed is what a run from that file alone gives."""
    archive_file = tmp_path / "a.npz"
    save(tiny_archive(4), archive_file)
    starts = []
    for seed in (3, 4):
        starts.append(tmp_path / f"{seed}.safetensors")
        save_state(initial_state(seed), starts[-1])
    both = run_loso(LosoConfig(archive_file, tmp_path / "both", (0, 1), ADAPTING, tuple(starts)))
    for k, start in enumerate(starts):
        alone = run_loso(LosoConfig(archive_file, tmp_path / start.stem, (0,), ADAPTING, (start,)))
        np.testing.assert_array_equal(both.probabilities[k], alone.probabilities[0])
    assert (both.probabilities[0] != both.probabilities[1]).any()
    with raises("invalid", "--init", "2", "3"):
        run_loso(LosoConfig(archive_file, tmp_path / "x", (0, 1, 2), ADAPTING, tuple(starts)))
    assert not (tmp_path / "x").exists()


def test_a_run_goes_on_from_the_weights_it_began_with_only(tmp_path):
    """Another file under the same name is another run; the same content in another folder is not."""
    archive_file, folder = tmp_path / "a.npz", tmp_path / "run"
    save(tiny_archive(3), archive_file)
    starts = [tmp_path / name / "mine.safetensors" for name in ("first", "moved", "other")]
    for start, seed in zip(starts, (3, 3, 4), strict=True):
        start.parent.mkdir()
        save_state(initial_state(seed), start)
    first, moved, other = (LosoConfig(archive_file, folder, (0,), ADAPTING, (start,)) for start in starts)
    run = run_loso(first)
    np.testing.assert_array_equal(run_loso(moved).probabilities, run.probabilities)
    before, after = (named_with_digest(start) for start in (starts[0], starts[2]))
    with raises("mismatch", folder, f"init is {before!r} and not {after!r}"):
        run_loso(other)
    missing = replace(first, init=(tmp_path / "none.onnx",), out=tmp_path / "new")
    with raises("not-found", tmp_path / "none.onnx"):
        run_loso(missing)
    assert not missing.out.exists()


def test_pretrained_weights_are_corrected_unless_steps_are_asked_for():
    assert recipe_for(True, None, None) == ADAPTING
    tuned = recipe_for(True, None, 7)
    assert (tuned.correction, tuned.steps) == (0, 7)
    assert recipe_for(False, None, None).correction == 0


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
    expected = predict(state, archive.pairs(), True)
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
    plain = Backend(DEFAULT_WEIGHTS).logits(samples.entire, samples.puzzled)
    assert np.abs(logits[1] - plain)[:, :3].max() > 0.01, "the correction got lost"
