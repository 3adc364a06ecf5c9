"""Weights to start from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.network.backend import Backend
from recognizer.network.model import DualAtme, ModelConfig
from recognizer.network.model_info import ModelInfo
from training.learning.correction import PREFIX, CorrectedAtme, Correction
from training.learning.engine import Recipe, TrainingSet, initial_state, predict, train
from training.learning.export import export, round_to_half
from training.learning.pretrain import FlipAveraged
from training.learning.weights import load_state, save_state


@pytest.fixture(scope="module")
def trained():
    """A state whose batch norms have seen something."""
    torch.set_num_threads(1)
    archive = tiny_archive(3)
    data = TrainingSet(archive.entire, archive.puzzled, archive.label, len(archive), 0, initial_state(0))
    return train([data], Recipe(epochs=4))[0]


def test_safetensors_give_back_the_same_state(trained, tmp_path):
    save_state(trained, tmp_path / "w.safetensors")
    found = load_state(tmp_path / "w.safetensors")
    assert found.keys() == trained.keys()
    assert all(torch.equal(found[name], trained[name]) for name in trained)


def test_an_exported_network_can_be_trained_on(trained, tmp_path):
    path = tmp_path / "w.onnx"
    model = DualAtme()
    model.load_state_dict(trained)
    round_to_half(model)
    export(model, ModelInfo("w", trained_on="nothing", command="none"), path)
    state = load_state(path)
    archive = tiny_archive(3, seed=1)
    found = predict(state, archive.pairs(), False)
    np.testing.assert_allclose(found, Backend(path).probabilities(archive.entire, archive.puzzled), atol=1e-3)
    # One tiny step must not throw the network over: its batch norms fit what its layers give.
    data = TrainingSet(archive.entire, archive.puzzled, archive.label, len(archive), 0, state)
    (after,) = train([data], Recipe(steps=1, learning_rate=1e-6))
    assert (predict(after, archive.pairs(), False).argmax(1) == found.argmax(1)).all()


def test_the_output_for_no_emotion_is_left_out(tmp_path):
    model = DualAtme(ModelConfig(classes=4)).eval()
    export(model, ModelInfo("w", trained_on="nothing", command="none", nothing=True), tmp_path / "w.onnx")
    state = load_state(tmp_path / "w.onnx")
    archive = tiny_archive(3)
    right = Backend(tmp_path / "w.onnx").probabilities(archive.entire, archive.puzzled)
    found = predict(state, archive.pairs(), False)
    np.testing.assert_allclose(found, right, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("gone.onnx", None, "not-found"),
        ("w.pt", b"x", "invalid"),
        ("w.safetensors", b"x", "unreadable"),
        ("w.onnx", b"x", "unreadable"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(name, content, code, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with raises(code, tmp_path / name):
        load_state(tmp_path / name)


def test_a_corrected_network_says_what_to_start_from_instead(tmp_path):
    model = FlipAveraged(CorrectedAtme(DualAtme(), Correction(2))).eval()
    export(model, ModelInfo("w", trained_on="nothing", command="none"), tmp_path / "w.onnx")
    with raises("mismatch", tmp_path / "w.onnx"):
        load_state(tmp_path / "w.onnx")


def test_a_correction_with_one_scale_is_of_an_earlier_version(tmp_path):
    own = {PREFIX + name: value for name, value in Correction(2).state_dict().items()}
    save_state(initial_state(0) | own, tmp_path / "now.safetensors")
    assert load_state(tmp_path / "now.safetensors").keys() >= own.keys()
    save_state(initial_state(0) | own | {PREFIX + "scale": torch.ones(1)}, tmp_path / "then.safetensors")
    with raises("unreadable", tmp_path / "then.safetensors"):
        load_state(tmp_path / "then.safetensors")


def test_another_networks_state_is_refused(tmp_path):
    save_state({"layer.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    with raises("unreadable", tmp_path / "w.safetensors", "'"):
        load_state(tmp_path / "w.safetensors")
