"""Action units against codings: what the tables say, and scores of outputs that are known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_archive import tiny_archive

from recognizer.errors import AtmeError
from training.cli.main import app
from training.evaluation.unit_codings import Coding, read_coding, read_codings
from training.evaluation.unit_scores import score_units
from training.features.archive import save


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
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "no column 'sample'"),
        (b"name,units\na,4\n", "no column 'sample'"),
        (b"sample,action_units\na,4\na,5\n", "names the sample 'a' twice"),
        (b"sample,action_units\n\xff,4\n", "not a table"),
        (b"sample,action_units\nelsewhere,4\n", "no sample of the archive is in the table"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AtmeError, match=message) as caught:
        score_units(np.zeros((1, 1, 2), np.float32), ("AU4",), (0.5,), ["b"], ["p"], read_codings(path))
    assert "\n" not in str(caught.value)


def test_weights_without_units_say_so(untrained: Path, tmp_path: Path) -> None:
    save(tiny_archive(3), tmp_path / "f.npz")
    (tmp_path / "codes.csv").write_text("sample,action_units\na,4\n")
    words = ["evaluate", "--features", str(tmp_path / "f.npz"), "--weights", str(untrained)]
    with pytest.raises(AtmeError, match="have no action units"):
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
