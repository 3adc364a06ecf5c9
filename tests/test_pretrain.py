"""Training on synthetic flow: learns, repeats itself, exports what it trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from user_errors import raises

from recognizer.feature import normalise as normalise_bytes
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.network.model import DualAtme, ModelConfig
from recognizer.network.model_info import ModelInfo
from training.evaluation.scores import score
from training.learning import export as export_module
from training.learning.engine import normalise
from training.learning.export import export
from training.learning.pretrain import (
    FlipAveraged,
    PretrainConfig,
    focal_loss,
    make_weights,
    pretrain,
    targets,
)
from training.learning.unit_head import mirror
from training.synthesis.flow import synthetic_archive
from training.synthesis.random_motion import NON_EVENT, SynthesisConfig

TINY = PretrainConfig(steps=12, batch=32, validation=250, threads=1)


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> object:
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def info() -> ModelInfo:
    return ModelInfo(name="tiny", trained_on="nothing", command="none")


def test_loss_falls_and_the_run_repeats_bit_by_bit() -> None:
    losses: list[float] = []
    first = pretrain(TINY, lambda step, loss: losses.append(loss))
    again = pretrain(TINY)
    assert len(losses) == TINY.steps
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.02
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    other = pretrain(replace(TINY, seed=1, steps=1))
    assert not torch.equal(
        other.state_dict()["classifier.1.weight"], first.state_dict()["classifier.1.weight"]
    )


def test_what_is_no_emotion_has_a_column_of_its_own() -> None:
    soft = targets(torch.tensor([2, NON_EVENT]), 0.4)
    assert soft[0].tolist() == pytest.approx([0.1, 0.1, 0.7, 0.1])
    assert soft[1].tolist() == pytest.approx([0.1, 0.1, 0.1, 0.7])


def test_focal_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [np.log(2.0), 0.0, 0.0]])
    hot = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    expected = ((2 / 3) ** 2 * np.log(3) + (3 / 4) ** 2 * np.log(4)) / 2
    assert float(focal_loss(logits, hot, 2.0)) == pytest.approx(expected, rel=1e-5)
    assert float(focal_loss(logits, hot, 0.0)) == pytest.approx(
        float(nn.functional.cross_entropy(logits, torch.tensor([0, 1]))), rel=1e-5
    )


def test_flip_average_does_not_tell_left_from_right() -> None:
    model = FlipAveraged(DualAtme()).eval()
    entire, puzzled = (torch.rand(4, 3, 28, 28, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    with torch.no_grad():
        assert torch.allclose(model(entire, puzzled), model(mirror(entire), mirror(puzzled)), atol=1e-5)


def test_mirroring_twice_is_nothing_and_normalising_is_the_recognizers() -> None:
    x = torch.randint(0, 256, (2, 3, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.allclose(normalise(x), torch.from_numpy(normalise_bytes(x.numpy())))
    assert torch.equal(mirror(mirror(normalise(x))), normalise(x))


@pytest.mark.parametrize("in_eight_bits", [False, True])
def test_exported_file_says_what_torch_says(
    in_eight_bits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_eight_bits:
        monkeypatch.setattr(export_module, "COARSE", 0.0)
    path = tmp_path / "tiny.onnx"
    torch.manual_seed(0)
    model = FlipAveraged(DualAtme()).eval()
    export(model, replace(info(), temperature=0.5, refusal=0.4), path)
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.onnx"]
    assert path.stat().st_size < 20e6
    backend = Backend(path)
    assert (backend.info.name, backend.info.temperature, backend.info.refusal) == ("tiny", 0.5, 0.4)
    rng = np.random.default_rng(0)
    for n in (1, 5):
        entire, puzzled = (rng.integers(0, 256, (n, 3, 28, 28)).astype(np.uint8) for _ in range(2))
        with torch.no_grad():
            expected = model(normalise(torch.from_numpy(entire)), normalise(torch.from_numpy(puzzled)))
        allowed = 0.02 * float(expected.max() - expected.min()) if in_eight_bits else 1e-4
        assert np.abs(backend.logits(entire, puzzled) - expected.numpy()).max() <= allowed


def test_export_refuses_a_file_that_disagrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "TOLERANCE", -1.0)
    with raises("internal", "small.onnx"):
        export(DualAtme(ModelConfig(hidden=8)).eval(), info(), tmp_path / "small.onnx")
    assert list(tmp_path.iterdir()) == []


def test_export_into_a_missing_folder(tmp_path: Path) -> None:
    with raises("unwritable", tmp_path / "no" / "x.onnx"):
        export(DualAtme(ModelConfig(hidden=8)).eval(), info(), tmp_path / "no" / "x.onnx")


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the number of threads that torch was left with."""
    for folder, threads in (("one", 1), ("two", 2)):
        torch.set_num_threads(threads)
        (tmp_path / folder).mkdir()
        out = tmp_path / folder / "mine.onnx"
        make_weights(replace(TINY, steps=3), out, "atme-train pretrain", lambda step, loss: None)
    assert (tmp_path / "one" / "mine.onnx").read_bytes() == (tmp_path / "two" / "mine.onnx").read_bytes()


def test_make_weights_records_where_they_come_from(tmp_path: Path) -> None:
    out = tmp_path / "mine.onnx"
    calibration = make_weights(replace(TINY, steps=2), out, "atme-train pretrain", lambda step, loss: None)
    found = Backend(out).info
    assert found.command == "atme-train pretrain"
    assert "synthetic" in found.trained_on
    assert found.temperature == calibration.temperature
    assert found.refusal == calibration.refusal


def test_delivered_weights_know_fresh_synthetic_faces() -> None:
    backend = Backend(DEFAULT_WEIGHTS)
    assert DEFAULT_WEIGHTS.stat().st_size < 20e6
    assert "no real face" in backend.info.trained_on
    assert 0 < backend.info.refusal < 1
    model = onnx.load(str(DEFAULT_WEIGHTS))
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    fresh = synthetic_archive(600, 987_654, SynthesisConfig(non_events=0))
    predicted = backend.probabilities(fresh.entire, fresh.puzzled).argmax(axis=1)
    assert score(fresh.label, predicted).uf1 >= 0.85
