"""Action units against codings: what the tables say, and scores of outputs that are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.errors import ErrorCode
from recognizer.network.backend import DEFAULT_WEIGHTS
from training.cli.main import app
from training.evaluation.unit_codings import Coding, coded_among, read_coding, read_codings
from training.evaluation.unit_scores import score_units
from training.executors import in_process
from training.features.archive import FeatureArchive, save
from training.learning.unit_correction import correct_unit
from training.learning.weights import load_evidence
from training.loso.folds import Fold, leave_one_subject_out
from training.loso.units import _fitted, _logits


@pytest.mark.parametrize(
    ("written", "units", "doubtful", "unread"),
    [
        ("4+7", {4: "", 7: ""}, (), ()),
        ("L1+R2+25", {1: "L", 2: "R", 25: ""}, (), ()),
        ("L12+R12", {12: ""}, (), ()),
        ("R20", {20: "R"}, (), ()),
        ("L12 or L14", {}, (12, 14), ()),
        ("4+L12 or L14", {4: ""}, (12, 14), ()),
        ("A9E+ref(10)", {9: ""}, (), ("ref(10)",)),
        ("4+15?", {4: ""}, (15,), ()),
        ("99", {99: ""}, (), ()),
        ("", {}, (), ()),
        ("?", {}, (), ()),
    ],
)
def test_codes_as_sheets_have_them(written: str, units: object, doubtful: object, unread: object) -> None:
    found = read_coding(written)
    assert (found.units, found.doubtful, found.unread) == (units, frozenset(doubtful), unread)


@given(st.text())
def test_any_text_is_a_coding(written: str) -> None:
    found = read_coding(written)
    assert not found.doubtful & found.units.keys()


def coded(*written: str) -> dict[str, Coding]:
    return {str(k): read_coding(one) for k, one in enumerate(written)}


def test_scores_of_known_outputs() -> None:
    codings = coded("4", "4", "4+L12", "R12", "L12", "", "L4 or R7")
    said = np.zeros((8, 2, 2), np.float32)
    said[:, 0] = np.array((0.9, 0.8, 0.2, 0.3, 0.1, 0.1, 0.95, 0.9))[:, None]  # AU4: one of three too low
    said[2:5, 1] = ((0.8, 0.1), (0.2, 0.9), (0.1, 0.7))  # AU12: the last on the wrong side
    names = [*codings, "without a coding"]
    found = score_units(said, ("AU4", "AU12"), (0.5, 0.5), names, list("abcdefgh"), codings)
    four, twelve = found.units["AU4"], found.units["AU12"]
    assert (four.positives, four.samples, four.sides) == (3, 6, 0)
    assert four.auc.value == pytest.approx(8 / 9)
    assert four.f1.value == pytest.approx(4 / 5)
    assert four.auc.low <= four.auc.value <= four.auc.high
    assert (twelve.positives, twelve.sides, twelve.sides_right) == (3, 3, 2)
    assert twelve.auc.value == twelve.f1.value == 1.0
    assert found.auc.value == pytest.approx((8 / 9 + 1) / 2)
    assert (found.side.value, found.sides) == (pytest.approx(2 / 3), 3)
    assert (found.samples, found.uncoded) == (7, 1)


def test_no_side_coded_is_no_share() -> None:
    said = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 1, 2)
    found = score_units(said, ("AU4",), (0.5,), "012345", "aabbcc", coded("", "", "", "4", "4", "4"))
    assert found.sides == 0
    assert math.isnan(found.side.value)


@pytest.mark.parametrize(
    ("content", "code", "named"),
    [
        (None, "not-found", "codes.csv"),
        (b"", "unreadable", "'sample'"),
        (b"name,units\na,4\n", "unreadable", "'sample'"),
        (b"sample,action_units\na,4\na,5\n", "unreadable", "'a'"),
        (b"sample,action_units\n\xff,4\n", "unreadable", "codes.csv"),
        (b"sample,action_units\nelsewhere,4\n", "mismatch", ""),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(
    content: bytes | None, code: ErrorCode, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "codes.csv"
    if content is not None:
        path.write_bytes(content)
    with raises(code, named):
        score_units(np.zeros((1, 1, 2), np.float32), ("AU4",), (0.5,), ["b"], ["p"], read_codings(path))


def test_weights_without_units_say_so(untrained: Path, tmp_path: Path) -> None:
    save(tiny_archive(3), tmp_path / "f.npz")
    (tmp_path / "codes.csv").write_text("sample,action_units\na,4\n")
    words = ["evaluate", "--features", str(tmp_path / "f.npz"), "--weights", str(untrained)]
    with raises("mismatch", untrained):
        app([*words, "--units", str(tmp_path / "codes.csv")], standalone_mode=False)


def test_the_command_scores_units_and_plots_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tiny_archive(3)
    save(archive, tmp_path / "f.npz")
    rows = [f"{name},{'4' if k % 2 else 'L12'}" for k, name in enumerate(archive.sample)]
    (tmp_path / "codes.csv").write_text("sample,action_units\n" + "\n".join(rows) + "\n")
    words = ["evaluate", "--features", str(tmp_path / "f.npz"), "--units", str(tmp_path / "codes.csv")]
    app([*words, "--json", "--plots", str(tmp_path / "plots")], standalone_mode=False)
    report = json.loads(capsys.readouterr().out)["units"]
    assert report["units"].keys() == {"AU4", "AU12"}
    assert report["samples"] == len(archive)
    assert (tmp_path / "plots" / "units.png").stat().st_size > 1000
    app(words, standalone_mode=False)
    assert "lip corner puller" in capsys.readouterr().out


def coded_archive(tmp_path: Path, written: list[str]) -> Path:
    """An archive whose samples carry codes, as sheets have them, in turn."""
    archive = tiny_archive(4, 6)
    units = np.array([written[k % len(written)] for k in range(len(archive))])
    save(replace(archive, units=units), tmp_path / "coded.npz")
    return tmp_path / "coded.npz"


def test_codes_that_the_archive_carries_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = coded_archive(tmp_path, ["4", "L12 or L14", "A9E+ref(10)", "R20", "", "99+L12"])
    app(["evaluate", "--features", str(path), "--json"], standalone_mode=False)
    report = json.loads(capsys.readouterr().out)["units"]
    assert report["units"].keys() == {"AU4", "AU9", "AU12", "AU20"}
    assert report["samples"] == 20, "of four nothing was coded"
    assert report["unread"] == ["ref(10)"]
    assert report["units"]["AU12"]["samples"] == 16, "those in doubt are neither there nor not there"
    assert report["units"]["AU20"]["sides"] == 4
    other = tmp_path / "codes.csv"
    other.write_text(
        "sample,action_units\n" + "".join(f"clip{k},{'7' if k % 2 else ''}\n" for k in range(24))
    )
    app(["evaluate", "--features", str(path), "--json", "--units", str(other)], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["units"]["units"].keys() == {"AU7"}


@pytest.mark.parametrize("written", [[""], ["99"], ["?"], ["L12 or L14"], ["x+y"]])
def test_an_archive_without_codes_to_score_is_measured_without_units(
    written: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app(["evaluate", "--features", str(coded_archive(tmp_path, written)), "--json"], standalone_mode=False)
    assert "units" not in json.loads(capsys.readouterr().out)


def test_loso_scores_units_and_fits_them_to_the_other_subjects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes that follow the labels: fitted, units are told better, and nobody's own codes matter."""
    torch.set_num_threads(1)
    # In this process: starting workers takes longer than such small folds.
    monkeypatch.setattr("training.loso.run.local", lambda work, jobs, workers: in_process(work, jobs))
    archive = tiny_archive(4, 6)
    units = np.array(["4", "L12", "R1+R2"])[archive.label]
    save(replace(archive, units=units), tmp_path / "f.npz")
    words = ["loso", str(tmp_path / "f.npz"), "--out", str(tmp_path / "run"), "--workers", "1"]
    app([*words, "--init", str(DEFAULT_WEIGHTS)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "as pre-trained" in shown
    assert "fitted to the other subjects" in shown
    (one,) = json.loads((tmp_path / "run" / "units.json").read_text())
    assert one["pretrained"]["units"].keys() == one["fitted"]["units"].keys() == {"AU1", "AU2", "AU4", "AU12"}
    assert one["fitted"]["auc"]["value"] > one["pretrained"]["auc"]["value"]
    assert one["fitted"]["auc"]["value"] > 0.9

    folds = leave_one_subject_out(archive, "f.npz")
    changed = units.copy()
    changed[folds[0].test] = "17"
    said = [_said(replace(archive, units=one), folds) for one in (units, changed)]
    np.testing.assert_array_equal(said[0][folds[0].test], said[1][folds[0].test])
    assert not np.array_equal(said[0], said[1])


def _said(archive: FeatureArchive, folds: list[Fold]) -> np.ndarray:
    """Fitted logits of every sample."""
    names = [str(k) for k in range(len(archive))]
    evidence = load_evidence(DEFAULT_WEIGHTS)
    assert evidence is not None
    info, codings = evidence.unit_info(), coded_among(names, archive.units.tolist())
    logits = _logits(evidence, archive)
    return _fitted(logits, names, codings, folds, info["units"], info["unit_thresholds"])[0]


def test_a_unit_that_the_network_ignores_is_learnt_from_the_others() -> None:
    """Its own logit says nothing, another unit's says all; with too few positives it stays as it was."""
    rng = np.random.default_rng(0)
    present = np.arange(60) % 3 == 0
    logits = np.column_stack([np.zeros(60), 4.0 * present - 2]) + 0.1 * rng.normal(size=(60, 2))
    known = np.ones(60, bool)
    learnt = correct_unit(logits, 0, present, known)
    assert learnt is not None
    found = 1 / (1 + np.exp(-logits[:, 0] - learnt.shift(logits, 0))) >= learnt.threshold
    np.testing.assert_array_equal(found, present)
    assert correct_unit(logits, 0, np.arange(60) < 2, known) is None
    assert correct_unit(logits, 0, known, known) is None
