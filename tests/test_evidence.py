"""Fitted weights still tell what is no emotion, although no dataset shows it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from training.cli.main import app
from training.features.archive import save
from training.learning.engine import ADAPTING
from training.learning.evidence import PREFIX
from training.learning.weights import load_evidence, load_state
from training.loso.fit import fit
from training.synthesis.flow import synthesize
from training.synthesis.random_motion import NON_EVENT


@pytest.fixture(scope="module")
def samples():
    """Synthetic features, four in ten of which show no emotion."""
    made = synthesize(60, torch.Generator().manual_seed(3))
    assert (made.label == NON_EVENT).any()
    return made.entire.to(torch.uint8).numpy(), made.puzzled.to(torch.uint8).numpy()


def test_what_is_no_emotion_is_refused_as_by_the_weights_it_came_from(samples, tmp_path):
    """Without --calibrate, as with it: the fourth output used to be dropped, and everything was named."""
    archive = tmp_path / "tiny.npz"
    save(tiny_archive(), archive)
    fit(archive, tmp_path / "mine.onnx", ADAPTING, DEFAULT_WEIGHTS, None, "none")
    shipped, mine = Backend(), Backend(tmp_path / "mine.onnx")
    assert mine.info.nothing
    assert mine.info.refusal == shipped.info.refusal
    expected, found = (backend.predict(*samples).evidence for backend in (shipped, mine))
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert (found < mine.info.refusal).any()
    assert mine.info.units == shipped.info.units
    assert mine.info.unit_thresholds == shipped.info.unit_thresholds
    units = [backend.predict(*samples).units for backend in (shipped, mine)]
    np.testing.assert_allclose(units[1], units[0], atol=5e-3)
    with raises("mismatch", tmp_path / "mine.onnx"):
        load_state(tmp_path / "mine.onnx")


def test_a_kept_state_is_exported_with_what_it_knows(samples, tmp_path):
    archive = tmp_path / "tiny.npz"
    save(tiny_archive(), archive)
    kept = tmp_path / "kept.safetensors"
    fit(archive, kept, ADAPTING, DEFAULT_WEIGHTS, None, "none")
    assert not any(name.startswith(PREFIX) for name in load_state(kept)), "training starts from classes only"
    assert load_evidence(kept).refusal == Backend().info.refusal
    app(["export", str(kept), "--out", str(tmp_path / "mine.onnx")], standalone_mode=False)
    found, expected = Backend(tmp_path / "mine.onnx").predict(*samples), Backend().predict(*samples)
    np.testing.assert_allclose(found.evidence, expected.evidence, atol=5e-3)
    np.testing.assert_allclose(found.units, expected.units, atol=5e-3)
