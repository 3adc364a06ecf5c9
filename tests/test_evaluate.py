"""Scores against values worked out by hand, and the command line around them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cli.main import main
from training.evaluation.scores import (
    bootstrap,
    calibration_error,
    confusion_matrix,
    report,
    risk_coverage,
    score,
)

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 2, 1])


def test_scores_by_hand() -> None:
    scores = score(TRUTH, PREDICTED)
    assert scores.confusion == ((3, 1, 0), (1, 1, 0), (0, 1, 1))
    assert scores.accuracy == pytest.approx(5 / 8)
    assert scores.recall == pytest.approx((3 / 4, 1 / 2, 1 / 2))
    assert scores.uar == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    assert scores.uf1 == pytest.approx((6 / 8 + 2 / 5 + 2 / 3) / 3)


def test_absent_class_is_left_out_of_the_means() -> None:
    scores = score(np.array([0, 0, 1]), np.array([0, 2, 1]))
    assert np.isnan(scores.recall[2])
    assert scores.uar == pytest.approx((1 / 2 + 1) / 2)
    assert scores.uf1 == pytest.approx((2 / 3 + 1) / 2)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_scores_are_bounded_and_ignore_order(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    scores = score(truth, predicted)
    assert min(scores.accuracy, scores.uar, scores.uf1) >= 0
    assert max(scores.accuracy, scores.uar, scores.uf1) <= 1
    assert score(truth[::-1], predicted[::-1]) == scores or np.isnan(scores.recall).any()
    assert confusion_matrix(truth, predicted).sum() == len(pairs)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05, 0], [0.93, 0.07, 0], [0.55, 0.45, 0], [0.2, 0.58, 0.22]])
    truth = np.array([0, 1, 0, 1])
    # bins: (.9, 1]: confidence .94, accuracy .5; (.5, .6]: confidence .565, accuracy 1
    assert calibration_error(truth, probabilities) == pytest.approx(0.5 * 0.44 + 0.5 * 0.435)


def test_risk_coverage_by_hand() -> None:
    probabilities = np.array([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.2, 0.8, 0]])
    curve = risk_coverage(np.array([1, 0, 0]), probabilities)
    assert curve.coverage == pytest.approx((1 / 3, 2 / 3, 1))
    assert curve.risk == pytest.approx((0, 1 / 2, 2 / 3))


def test_bootstrap_draws_subjects() -> None:
    groups = np.array(list("aabbccdd"))
    intervals = bootstrap(TRUTH, PREDICTED, groups)
    assert intervals == bootstrap(TRUTH, PREDICTED, groups)
    for interval in intervals.values():
        assert interval.low <= interval.value <= interval.high
    alone = bootstrap(TRUTH, PREDICTED, np.full(8, "one"))["uf1"]
    assert alone.low == alone.high == alone.value


def test_report_tells_databases_apart_and_refuses() -> None:
    probabilities = np.eye(3)[PREDICTED] * 0.4 + 0.2
    probabilities[0] = (0.9, 0.05, 0.05)
    database = np.array(["x"] * 4 + ["y"] * 4)
    result = report(TRUTH, probabilities, database, np.array(["1"] * 8), refusal=0.7)
    assert list(result.databases) == ["x", "y"]
    assert result.databases["x"].accuracy == pytest.approx(3 / 4)
    assert result.refused == pytest.approx(7 / 8)
    assert result.answered.samples == 1


def test_report_when_everything_is_refused() -> None:
    result = report(TRUTH, np.full((8, 3), 1 / 3), np.full(8, "x"), np.full(8, "1"), refusal=0.5)
    assert result.refused == 1
    assert result.answered.samples == 0
    assert np.isnan(result.answered.uf1)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``atme-train``: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["atme-train", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_the_whole_path_without_data(tmp_path: Path, run: Run) -> None:
    archive, plots = tmp_path / "made.npz", tmp_path / "plots"
    code, _, errors = run("synthesize", "--out", str(archive), "--samples", "60")
    assert code == 0, errors
    code, output, errors = run("evaluate", "--features", str(archive), "--json", "--plots", str(plots))
    assert code == 0, errors
    result = json.loads(output)
    assert result["overall"]["samples"] == 60
    assert list(result["databases"]) == ["synthetic"]
    assert sorted(file.name for file in plots.iterdir()) == [
        "confusion.png",
        "reliability.png",
        "risk_coverage.png",
    ]
    code, output, _ = run("evaluate", "--features", str(archive))
    assert code == 0
    assert "UF1" in output
    assert "95 % intervals" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--features", "none.npz"),
        ("evaluate", "--features", "none.npz", "--weights", "none.onnx"),
        ("pretrain", "--out", "no/w.onnx"),
        ("pretrain", "--out", "w.onnx", "--steps", "0"),
        ("synthesize", "--out", "no/a.npz", "--samples", "1"),
        ("synthesize", "--out", "a.npz", "--samples", "0"),
    ],
)
def test_user_errors_are_one_line(
    tmp_path: Path, run: Run, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(*arguments)
    assert code == 2
    assert errors.startswith("atme-train: ")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    code, _, errors = run("--debug", *arguments)
    assert code == 2
    assert "Traceback" in errors
    assert errors.splitlines()[-1].startswith("atme-train: ")
