"""The ablation of the pre-training: what its rows change, and figures of outputs that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from user_errors import raises

from benchmarks import pretrain_ablation
from benchmarks.pretrain_ablation import CHOICES, Choice, figures, table, train
from benchmarks.rendered_pairs import Pair, load_pairs, save_pairs
from training.learning.pretrain import PretrainConfig
from training.synthesis.random_motion import SynthesisConfig

BLANK = np.zeros((3, 28, 28), np.uint8)


def pair(label: int, peak: float) -> Pair:
    return Pair(BLANK, BLANK, 1.0, label, "", peak)


def test_every_row_but_the_first_changes_one_thing() -> None:
    for choice in CHOICES:
        assert len(choice.training) + len(choice.synthesis) == (choice is not CHOICES[0])
        for made, changes in ((PretrainConfig(), choice.training), (SynthesisConfig(), choice.synthesis)):
            assert not changes or replace(made, **changes) != made


def test_figures_of_known_outputs() -> None:
    pairs = [pair(label, peak) for peak in (0.5, 3.0) for label in (0, 1, 2)] + [pair(-1, 0.0)] * 10
    said = [0, 1, 1, 0, 1, 2] + [0] * 10  # one mistake, on a small movement
    evidence = np.array([0.2, 0.9, 0.9, 0.9, 0.9, 0.9] + [0.1] * 8 + [0.5, 0.95])
    found = figures(np.eye(3)[said], evidence, pairs)
    assert found.uf1 == pytest.approx((1 + 0.8 + 2 / 3) / 3)
    assert found.small == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found.cost == pytest.approx(1 / 6)
    assert "| some | 0.822 (0.822, 0.822) |" in table({"some": [found, found]})


def test_a_row_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PretrainConfig] = []

    def writes(config: PretrainConfig, out: Path, command: str, progress: object) -> None:
        made.append(config)
        out.write_bytes(b"weights")

    monkeypatch.setattr(pretrain_ablation, "make_weights", writes)
    job = (Choice("other prior", {"gamma": 0.0}, {"prior": (0.2, 0.2, 0.6)}), 5)
    assert train(tmp_path, job) == train(tmp_path, job)
    assert [path.name for path in tmp_path.iterdir()] == ["other-prior-5.onnx"]
    assert [(c.seed, c.gamma, c.synthesis.prior) for c in made] == [(5, 0.0, (0.2, 0.2, 0.6))]


def test_pairs_are_kept_and_those_of_another_version_refused(tmp_path: Path) -> None:
    kept = [pair(0, 0.5), pair(-1, 0.0)]
    save_pairs(kept, tmp_path / "pairs.npz")
    again = load_pairs(tmp_path / "pairs.npz")
    assert [(p.label, p.peak, p.lids, p.kind) for p in again] == [(0, 0.5, 1.0, ""), (-1, 0.0, 1.0, "")]
    np.testing.assert_array_equal(again[0].entire, BLANK)
    np.savez(tmp_path / "old.npz", entire=BLANK[None])
    with raises("unreadable", tmp_path / "old.npz"):
        load_pairs(tmp_path / "old.npz")
