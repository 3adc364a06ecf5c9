"""Leave-one-subject-out from archive to run folder."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.network.backend import Backend
from training.cli.loso import _seeds
from training.executors import on_ray
from training.features import archive as feature_archive
from training.learning.engine import ADAPTING, Recipe, predict, train
from training.loso.fit import fit
from training.loso.folds import leave_one_subject_out
from training.loso.report import report, write
from training.loso.run import FINE_TUNING, LosoConfig, run_loso, training_set

SHORT = Recipe(epochs=1)
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loso") / "tiny.npz"
    feature_archive.save(tiny_archive(4), path)
    return path


@pytest.fixture(scope="module")
def finished(archive_file: Path):
    """A run with two seeds, and its folder."""
    folder = archive_file.parent / "finished"
    return run_loso(LosoConfig(archive_file, folder, (0, 1), SHORT, workers=2)), folder


def test_the_test_fold_cannot_reach_the_weights():
    """Other features and labels of the tested subject: the same weights, to the bit."""
    archive = tiny_archive(4)
    fold = leave_one_subject_out(archive, "a.npz")[1]
    spoiled = replace(
        archive, entire=archive.entire.copy(), puzzled=archive.puzzled.copy(), label=archive.label.copy()
    )
    spoiled.entire[fold.test] = 255 - spoiled.entire[fold.test]
    spoiled.puzzled[fold.test] = 7
    spoiled.label[fold.test] = (spoiled.label[fold.test] + 1) % 3
    torch.set_num_threads(1)
    states = [train([training_set(data, fold, 0, SHORT, None)], SHORT)[0] for data in (archive, spoiled)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_predictions_are_those_of_the_last_weights_for_the_unseen_subject(finished):
    run, _ = finished
    fold = run.folds[2]
    torch.set_num_threads(1)
    half = run.settings["precision"] != "float32"
    (state,) = train([training_set(run.archive, fold, 1, SHORT, None)], SHORT, half=half)
    expected = predict(state, run.archive.pairs(fold.test), False)
    np.testing.assert_allclose(run.probabilities[1, fold.test], expected, atol=1e-6)


def test_the_run_folder_tells_everything(finished):
    run, folder = finished
    result = report(run)
    write(run, result, folder)
    told = json.loads((folder / "results.json").read_text())
    assert told["seeds"] == [0, 1]
    assert told["sets"]["all"]["samples"] == 24
    assert set(told["sets"]) == {"one", "two", "all"}
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    assert len(rows) == 48
    assert all(row["fold"] == f"{row['database']}/{row['subject']}" for row in rows)
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == pytest.approx(told["sets"]["all"]["scores"]["accuracy"]["mean"])
    low, high = (told["sets"]["all"]["scores"]["uf1"]["interval"][key] for key in ("low", "high"))
    assert low <= told["sets"]["all"]["scores"]["uf1"]["mean"] <= high
    assert "0.720 / 0.680 / 0.679" in (folder / "table.md").read_text()
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert "epochs = 1" in (folder / "config.toml").read_text()


def test_showing_the_leak_does_not_change_the_result(archive_file, finished, tmp_path):
    config = LosoConfig(archive_file, tmp_path / "leak", (0,), SHORT, show_leak=True, workers=1)
    run = run_loso(config)
    np.testing.assert_array_equal(run.probabilities[0], finished[0].probabilities[0])
    np.testing.assert_array_equal(run.leak[0, -1], run.probabilities[0])
    leak = report(run).leak
    assert leak["best_epoch_of_each_subject"] >= leak["strict"]
    assert report(finished[0]).leak is None


def test_a_killed_run_goes_on_where_it_was(archive_file, finished, tmp_path):
    folder = tmp_path / "killed"
    script = (
        "from pathlib import Path\n"
        "from training.learning.engine import Recipe\n"
        "from training.loso.run import *\n"
        "if __name__ == '__main__':\n"
        f"    run_loso(LosoConfig(Path({str(archive_file)!r}), Path({str(folder)!r}), (0, 1), "
        "Recipe(epochs=1), workers=1))\n"
    )
    program = tmp_path / "program.py"
    program.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, program], env=environment, start_new_session=True)
    parts: list[Path] = []
    while len(parts) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
        parts = sorted((folder / "parts").glob("*.npz"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    parts = sorted((folder / "parts").glob("*.npz"))
    assert len(parts) < 8
    kept = {path: path.stat().st_mtime_ns for path in parts}
    counted = []
    run = run_loso(LosoConfig(archive_file, folder, (0, 1), SHORT, workers=2), lambda *c: counted.append(c))
    assert counted[0] == (len(parts), 8)
    assert counted[-1] == (8, 8)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    np.testing.assert_array_equal(run.probabilities, finished[0].probabilities)


def test_more_seeds_go_on_from_a_finished_run(archive_file, finished):
    counted = []
    config = LosoConfig(archive_file, finished[1], (0, 1), SHORT, workers=1)
    run_loso(config, lambda *c: counted.append(c))
    assert counted == [(8, 8)]


def test_a_folder_of_another_run_is_refused(archive_file, finished):
    config = LosoConfig(archive_file, finished[1], (0,), replace(SHORT, epochs=2))
    with raises("mismatch", finished[1], "epochs is 1 and not 2"):
        run_loso(config)


def test_a_dead_worker_is_told_in_one_line(archive_file, tmp_path, monkeypatch):
    config = LosoConfig(archive_file, tmp_path / "dead", (0,), SHORT, workers=1)
    monkeypatch.setattr("training.loso.run._run", _die)
    with raises("internal"):
        run_loso(config)


def _die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_unknown_executor(archive_file, tmp_path):
    with raises("invalid", "'slurm'"):
        run_loso(LosoConfig(archive_file, tmp_path / "x", (0,), SHORT, executor="slurm"))


def test_fit_writes_weights_that_the_live_program_reads(archive_file, finished, tmp_path):
    run, folder = finished
    write(run, report(run), folder)
    out = tmp_path / "mine.onnx"
    fit(archive_file, out, Recipe(epochs=25), None, folder, "atme-train fit tiny.npz")
    backend = Backend(out)
    right = backend.probabilities(run.archive.entire, run.archive.puzzled).argmax(axis=1) == run.archive.label
    assert right.mean() > 0.9
    assert "one, two: 24 samples of 4 subjects" in backend.info.trained_on
    assert backend.info.temperature != 1
    assert backend.info.nothing
    shipped = Backend()
    assert backend.info.refusal == shipped.info.refusal
    judged = [each.predict(run.archive.entire, run.archive.puzzled).evidence for each in (backend, shipped)]
    np.testing.assert_allclose(*judged, atol=5e-3)
    with raises("not-found", tmp_path / "predictions.csv"):
        fit(archive_file, out, SHORT, None, tmp_path, "")


@pytest.mark.slow
def test_ray_gives_the_same_and_survives_the_death_of_a_worker(archive_file, finished, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the workers find _die_once
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        config = LosoConfig(archive_file, tmp_path / "ray", (0,), SHORT, executor="ray")
        run = run_loso(config)
        np.testing.assert_array_equal(run.probabilities[0], finished[0].probabilities[0])
        marks = [tmp_path / f"died{k}" for k in range(3)]
        assert sorted(on_ray(_die_once, marks)) == [(k, mark.name) for k, mark in enumerate(marks)]
    finally:
        ray.shutdown()


def _die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name


def test_a_correction_runs_once_for_each_pre_training():
    """Nothing is drawn in it, so five seeds were five times the same."""
    one, two = Path("a.onnx"), Path("b.onnx")
    assert _seeds(None, (one,), ADAPTING) == 1
    assert _seeds(None, (one, two), ADAPTING) == 2
    assert _seeds(None, (one,), FINE_TUNING) == 5
    assert _seeds(None, (), SHORT) == 5
    with raises("invalid", "--seeds 5", "--init"):
        _seeds(5, (one,), ADAPTING)
