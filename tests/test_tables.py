"""The paper's tables and figures as commands, and the export of weights."""

from __future__ import annotations

import builtins
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from test_datasets import CASME2_HEADER, casme2_row, frames, sheet
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.network.model import DualAtme
from training.cli.main import main
from training.datasets.sample import Loaded, Sample
from training.evaluation.published import TABLE_3
from training.executors import in_process
from training.features import archive as feature_archive
from training.learning.engine import Recipe, initial_state, predict
from training.learning.weights import save_state
from training.loso import grad_cam
from training.loso.board import board
from training.paper.comparison import METHODS, compare
from training.paper.lbp_top_clips import Clips
from training.paper.regions import COMBINATIONS, with_puzzle_of
from training.paper.unit_statistics import count, write

SHORT = Recipe(epochs=1)


@pytest.fixture(scope="module")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "tiny.npz"
    feature_archive.save(tiny_archive(3), path)
    return path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds are computed in this process: starting workers takes longer than such small folds."""
    monkeypatch.setattr("training.loso.run.local", lambda work, jobs, workers: in_process(work, jobs))
    torch.set_num_threads(1)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs ``atme-train``: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["atme-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


# --- compare


def test_compare_fills_its_table_and_goes_on(archive_file, tmp_path, run):
    out = tmp_path / "table"
    command = ("compare", archive_file, "--out", out, "--epochs", 1, "--workers", 1, "--models")
    code, text, errors = run(*command, "bi-woof")
    assert code == 0, errors
    assert "Bi-WOOF" in text
    before = {path: path.stat().st_mtime_ns for path in out.glob("bi-woof/parts/*.npz")}
    assert len(before) == 3
    code, _, errors = run(*command, "bi-woof, ststnet")
    assert code == 0, errors
    assert {path: path.stat().st_mtime_ns for path in before} == before
    lines = (out / "compare.md").read_text().splitlines()
    assert lines[0].count("|") == lines[2].count("|") == 8
    assert lines[2].startswith("| Bi-WOOF | ")
    assert lines[3].endswith(" | 0.688 / 0.610 / 0.624 |")
    rows = json.loads((out / "compare.json").read_text())["rows"]
    assert [row["key"] for row in rows] == ["bi-woof", "ststnet"]
    assert rows[0]["sets"]["all"]["samples"] == 18
    assert rows[0]["sets"] == json.loads((out / "bi-woof" / "results.json").read_text())["sets"]
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("here")
def test_the_table_is_on_disk_before_it_is_full(archive_file, tmp_path):
    """The second method cannot be trained; what the first said is kept."""
    (tmp_path / "ststnet").write_text("in the way")
    with raises("unwritable", tmp_path / "ststnet"):
        compare(archive_file, tmp_path, ["bi-woof", "ststnet"], (0,), SHORT, "local", 1)
    rows = json.loads((tmp_path / "compare.json").read_text())["rows"]
    assert rows[0]["sets"]["all"]["samples"] == 18
    assert rows[1]["missing"] == "not finished"
    assert "| STSTNet | …" in (tmp_path / "compare.md").read_text()


@pytest.mark.usefixtures("here")
def test_baselines_are_tested_strictly(archive_file, tmp_path):
    """Other labels and features of the tested subject: the same predictions for the others."""
    archive = feature_archive.load(archive_file)
    other = replace(archive, label=archive.label.copy(), entire=archive.entire.copy())
    tested = (archive.subject == "s01") & (archive.database == "one")
    other.label[tested] = (other.label[tested] + 1) % 3
    changed = tmp_path / "changed.npz"
    feature_archive.save(other, changed)
    runs = [
        compare(path, tmp_path / path.stem, ["bi-woof"], (0,), SHORT, "local", 1)["bi-woof"].run
        for path in (archive_file, changed)
    ]
    own = [one.probabilities[0][tested] for one in runs]
    np.testing.assert_array_equal(*own)
    assert not np.array_equal(runs[0].probabilities, runs[1].probabilities)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_rendered_set_fills_every_row_of_table_3(tmp_path, run):
    """The documented commands, on few clips and for one epoch: no row is left out."""
    root, archive, out = tmp_path / "set", tmp_path / "F.npz", tmp_path / "table3"
    words = ("synthesize-set", root, "--subjects", 2, "--each", 3)
    assert run(*words)[0] == 0
    code, _, errors = run(*words)
    assert code == 2
    assert "holds a rendered set already" in errors
    code, text, errors = run(
        "prepare", "rendered", "--root", root, "--out", archive, "--keep-faces", "--jobs", 1
    )
    assert code == 0, errors
    assert "6 samples prepared (2 negative, 2 positive, 2 surprise); 0 apexes" in " ".join(text.split())
    loaded = feature_archive.load(archive)
    assert all(loaded.units)
    clips = ("--dataset", "rendered", "--root", root)
    code, text, errors = run("compare", archive, "--out", out, *clips, "--epochs", 1, "--workers", 1)
    assert code == 0, errors
    rows = json.loads((out / "compare.json").read_text())["rows"]
    assert [row["key"] for row in rows] == list(METHODS)
    assert not [row["key"] for row in rows if "missing" in row]
    assert {row["title"] for row in rows if row["paper"]} == {row["title"] for row in rows} - {"OFF-ApexNet"}


@pytest.mark.usefixtures("here")
def test_without_faces_the_rows_that_need_them_say_so(archive_file, tmp_path, monkeypatch):
    monkeypatch.setattr("training.paper.comparison.METHODS", ("bi-woof", "kfc-mer", "mmnet"))
    filled = compare(archive_file, tmp_path, None, (0,), SHORT, "local", 1)
    assert filled.keys() == {"bi-woof"}
    told = (tmp_path / "compare.md").read_text()
    for title in ("KFC-MER", "MMNet"):
        assert f"| {title} | not computed: needs the faces (prepare --keep-faces) |" in told


@pytest.mark.usefixtures("here")
def test_lbp_top_needs_the_clips(archive_file, tmp_path, monkeypatch, portrait, moved):
    """Without them its row says so; with them it is computed, and clips described once are kept."""
    assert compare(archive_file, tmp_path / "without", ["lbp-top"], (0,), SHORT, "local", 1) == {}
    told = (tmp_path / "without" / "compare.md").read_text()
    assert "| LBP-TOP | not computed: needs the clips (--dataset, --root) |" in told

    pictures = [portrait.image, *(moved((12, share, share)) for share in (0.004, 0.008))]
    shown = tuple((k, tmp_path / f"{k}.png") for k in range(3))
    for (_, path), picture in zip(shown, pictures, strict=True):
        cv2.imwrite(str(path), picture)
    archive = tiny_archive(2, 3)
    names = zip(archive.database, archive.subject, archive.sample, strict=True)
    archive = replace(archive, sample=np.array([f"{subject}_{clip}" for _, subject, clip in names]))
    samples = [
        replace(
            sample(str(database), int(label), ()),
            subject=str(subject),
            clip=str(clip).removeprefix(f"{subject}_"),
            onset_path=shown[0][1],
            frames=shown,
        )
        for database, subject, clip, label in zip(
            archive.database, archive.subject, archive.sample, archive.label, strict=True
        )
    ]
    features = tmp_path / "clips.npz"
    feature_archive.save(archive, features)
    entry = SimpleNamespace(load=lambda root: Loaded(tuple(samples), ()))
    monkeypatch.setattr("training.paper.lbp_top_clips.find", lambda name: entry)
    monkeypatch.setattr("training.paper.lbp_top_clips.local", lambda work, jobs, _: in_process(work, jobs))
    clips = Clips("casme2", tmp_path)
    done = compare(features, tmp_path / "with", ["lbp-top"], (0,), SHORT, "local", 1, clips)["lbp-top"]
    assert done.run.probabilities.shape == (1, 6, 3)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "with").glob("lbp-top/clips/*.npy")}
    assert len(kept) == 6
    compare(features, tmp_path / "with", ["lbp-top"], (0,), SHORT, "local", 1, clips)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    del samples[4]
    with raises("mismatch", "casme2", "one/s01/s01_clip4"):
        compare(features, tmp_path / "less", ["lbp-top"], (0,), SHORT, "local", 1, clips)


def test_table_3_is_the_papers():
    assert TABLE_3["dual-atme"]["smic"] == (0.646, 0.658, 0.646)
    assert TABLE_3["rcn-a"]["all"] == (0.681, 0.635, 0.634)
    assert all(len(row) == 4 for row in TABLE_3.values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", "A", "--out", "o", "--models", "ststnett"), "did you mean ststnet?"),
        (("compare", "A", "--out", "o", "--models", ","), "no method to compare"),
        (("compare", "none.npz", "--out", "o"), "none.npz: no such file"),
        (("compare", "A", "--out", "o", "--root", "."), "--dataset and --root go together"),
        (("compare", "A", "--out", "o", "--executor", "slurm"), "executor 'slurm' is unknown"),
        (("ablate", "modle", "A", "--out", "o"), "'modle' is no ablation; did you mean modules?"),
        (("ablate", "regions", "none.npz", "--out", "o"), "none.npz: no such file"),
        (("loso", "A", "--out", "o", "--model", "resnet"), "did you mean resnet18?"),
        (
            ("loso", "A", "--out", "o", "--model", "ststnet", "--grad-cam"),
            "--grad-cam works only with --model dual",
        ),
        (
            ("loso", "A", "--out", "o", "--model", "ststnet", "--init", "w.onnx"),
            "--init works only with --model dual",
        ),
        (("compare", "ALONE", "--out", "o"), "holds one subject only"),
        (("au-stats", "casme", "--root", ".", "--out", "o"), "did you mean casme"),
        (("export", "w.onnx", "--out", "x.onnx"), "already exported"),
        (("export", "none.safetensors", "--out", "x.onnx"), "none.safetensors: no such file"),
        (("export", "w.safetensors", "--out", "x.pt"), "ends in .onnx"),
    ],
)
def test_user_errors_are_one_line(archive_file, tmp_path, run, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    alone = tmp_path / "alone.npz"
    feature_archive.save(tiny_archive(1), alone)
    places = {"A": archive_file, "ALONE": alone}
    code, _, errors = run(*(places.get(argument, argument) for argument in arguments))
    assert code == 2
    assert told in errors
    assert errors.rstrip().splitlines()[-1].startswith("atme-train: ")
    assert not list(tmp_path.glob("o/*/parts/*.npz"))


# --- ablate


@pytest.mark.usefixtures("here")
def test_ablate_lambda_trains_each_value(archive_file, tmp_path, run):
    out = tmp_path / "lambda"
    code, text, errors = run("ablate", "lambda", archive_file, "--out", out, "--epochs", 1, "--workers", 1)
    assert code == 0, errors
    assert "λ = 0.001" in text
    settings = {path.parent.name: path.read_text() for path in out.glob("*/config.toml")}
    assert set(settings) == {"0", "0.0001", "0.001", "0.01", "0.1"}
    assert "contrast = 0.1\n" in settings["0.1"]
    assert "| λ = 0.01 | " in (out / "ablate-lambda.md").read_text()


def test_regions_are_cut_from_the_face():
    """A mark on each region is seen in the puzzles of that region, in its half, and in no other."""
    places = {"brows": (4, 6), "nose": (12, 14), "cheeks": (15, 4), "mouth": (22, 14)}
    archive = tiny_archive(2)
    for region, (row, column) in places.items():
        entire = np.zeros_like(archive.entire)
        entire[:, :, row - 1 : row + 1, column - 1 : column + 1] = 200
        marked = replace(archive, entire=entire)
        for regions in COMBINATIONS.values():
            puzzle = with_puzzle_of(marked, regions).puzzled
            assert puzzle.shape == archive.puzzled.shape
            if regions == ("full face",):
                np.testing.assert_array_equal(puzzle, entire)
                continue
            halves = puzzle[:, :, :14].any(), puzzle[:, :, 14:].any()
            assert halves == tuple(part == region for part in regions)


@pytest.mark.slow
def test_rows_on_ray_say_the_same(archive_file, tmp_path):
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    names = ["bi-woof", "ststnet"]
    alone = compare(archive_file, tmp_path / "local", names, (0,), SHORT, "local", 1)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        spread = compare(archive_file, tmp_path / "ray", names, (0,), SHORT, "ray", 1)
    finally:
        ray.shutdown()
    for name in names:
        np.testing.assert_array_equal(spread[name].run.probabilities, alone[name].run.probabilities)


# --- action units


def sample(database: str, label: int, units: tuple[tuple[int, str | None], ...]) -> Sample:
    where = Path("x.jpg")
    return Sample(
        database, "1", "a", 0, 1, 2, where, where, where, (), 200.0, label, "", "", units, "annotated"
    )


def test_action_units_are_counted_by_class(tmp_path):
    counted = count(
        [
            sample("samm", 0, ((4, None), (4, "L"), (7, None))),
            sample("samm", 0, ((4, "R"),)),
            sample("samm", 1, ((12, "L"), (14, "R"))),
            sample("samm", 1, ((12, None),)),
            sample("samm", 1, ((12, None),)),
            sample("smic", 2, ()),
        ]
    )
    assert list(counted) == ["samm", "smic"]
    assert list(counted["samm"].by_class) == [12, 4, 7, 14]
    assert counted["samm"].by_class[4] == (2, 0, 0)
    assert (counted["smic"].samples, counted["smic"].coded) == (1, 0)
    assert write(counted, tmp_path / "o") == ["au_stats.md", "au_stats.json", "au_stats.png"]
    text = (tmp_path / "o" / "au_stats.md").read_text()
    assert "| AU12 lip corner puller | 0 | 3 | 0 | 3 |" in text
    assert "**smic**: 0 of 1 samples" in text
    assert json.loads((tmp_path / "o" / "au_stats.json").read_text())["samm"]["units"]["12"] == [0, 3, 0]


def test_au_stats_reads_a_data_set(tmp_path, run):
    root = tmp_path / "CASME2"
    emotions = {"EP02_01f": "happiness", "EP03_02": "disgust", "EP04_03": "surprise"}
    rows = [casme2_row("01", clip, 10, 20, 30, emotion) for clip, emotion in emotions.items()]
    sheet(root / "CASME2-coding-20140508.xlsx", [CASME2_HEADER, *rows])
    for clip in emotions:
        frames(root / "CASME2-RAW" / "sub01" / clip, range(1, 41))
    code, text, errors = run("au-stats", "casme2", "--root", root, "--out", tmp_path / "o")
    assert code == 0, errors
    assert "3 of 3 samples" in text
    told = (tmp_path / "o" / "au_stats.md").read_text()
    assert "| AU4 brow lowerer | 1 | 1 | 1 | 3 |" in told
    assert "| AU10 upper lip raiser | 1 | 1 | 1 | 3 |" in told


def test_no_figure_where_nothing_is_coded(tmp_path):
    assert write(count([sample("smic", 2, ())]), tmp_path) == ["au_stats.md", "au_stats.json"]


# --- Grad-CAM


def test_grad_cam_looks_where_the_logit_comes_from():
    """A classifier that reads one place of the face only: that place lights up, and the puzzle stays dark."""
    archive, state = tiny_archive(2), initial_state(0)
    looked = grad_cam.attention(state, archive.pairs(), archive.label)
    assert looked.shape == (12, 2, 7, 7)
    assert looked.min() >= 0
    np.testing.assert_allclose(looked.max(axis=(1, 2, 3)), 1)
    again = grad_cam.attention(state, archive.pairs(slice(3, 5)), archive.label[3:5])
    np.testing.assert_allclose(again, looked[3:5], atol=1e-5)
    blind = dict(state)
    blind["classifier.1.weight"] = state["classifier.1.weight"].clone()
    blind["classifier.1.weight"].view(1024, 2, 48 * 49)[:, 1] = 0
    looked = grad_cam.attention(blind, archive.pairs(), archive.label)
    assert looked[:, 1].max() == 0
    assert looked[:, 0].max() == 1


@pytest.mark.usefixtures("here")
def test_loso_and_evaluate_plot_where_the_network_looks(archive_file, tmp_path, run, weights):
    folder, figure = tmp_path / "run", tmp_path / "cam.png"
    options = ("--seeds", 1, "--epochs", 1, "--workers", 1, "--grad-cam")
    code, _, errors = run("loso", archive_file, "--out", folder, *options)
    assert code == 0, errors
    assert (folder / "grad_cam.png").read_bytes().startswith(b"\x89PNG")
    code, _, errors = run("evaluate", "--features", archive_file, "--weights", weights, "--grad-cam", figure)
    assert code == 0, errors
    assert figure.read_bytes().startswith(b"\x89PNG")


# --- export


def test_exported_weights_are_the_live_programs(tmp_path, run, portrait, moved):
    state, archive = initial_state(5), tiny_archive(2)
    save_state(state, tmp_path / "mine.safetensors")
    model = tmp_path / "mine.onnx"
    code, text, errors = run("export", tmp_path / "mine.safetensors", "--out", model, "--trained-on", "noise")
    assert code == 0, errors
    assert "atme live --weights" in text
    backend = Backend(model)
    assert backend.info.trained_on == "noise"
    assert backend.info.command == "atme-train export mine.safetensors --out mine.onnx"
    network = DualAtme()
    network.load_state_dict(state)
    with torch.no_grad():
        expected = predict(state, archive.pairs(), False)
    found = backend.predict(archive.entire, archive.puzzled).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-3)  # the large layer is stored in half precision
    from recognizer import Recognizer

    with Recognizer(str(model)) as recognizer:
        said = recognizer.recognize(portrait.image, moved((12, 0.01, 0.01)))
    assert sum(said.probabilities.values()) == pytest.approx(1, abs=1e-5)


# --- TensorBoard


@pytest.mark.usefixtures("here")
def test_scores_are_logged_as_folds_finish(archive_file, tmp_path, run):
    pytest.importorskip("tensorboard", reason="needs the tensorboard extra")
    folder, logs = tmp_path / "run", tmp_path / "logs"
    options = ("--model", "bi-woof", "--seeds", 1, "--workers", 1, "--tensorboard", logs)
    code, _, errors = run("loso", archive_file, "--out", folder, *options)
    assert code == 0, errors
    scores = logged(logs, "seed 0, finished subjects/UF1")
    assert [step for step, _ in scores] == [1, 2, 3]
    told = json.loads((folder / "results.json").read_text())["sets"]["all"]["scores"]["uf1"]["mean"]
    assert scores[-1][1] == pytest.approx(told)


def logged(folder: Path, name: str) -> list[tuple[int, float]]:
    """(step, value) of every point of one curve."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(name)]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("options", "points"), [(("--epochs", 3), 4), (("--init", "delivered"), 2)])
def test_a_fit_is_logged_epoch_by_epoch_from_before_the_first(archive_file, tmp_path, run, options, points):
    pytest.importorskip("tensorboard", reason="needs the tensorboard extra")
    options = [DEFAULT_WEIGHTS if word == "delivered" else word for word in options]
    out, logs = tmp_path / "mine.onnx", tmp_path / "logs"
    code, _, errors = run("fit", archive_file, "--out", out, *options, "--tensorboard", logs)
    assert code == 0, errors
    loss, accuracy = (logged(logs, f"training samples/{name}") for name in ("cross-entropy", "accuracy"))
    assert [step for step, _ in loss] == [step for step, _ in accuracy] == list(range(points))
    assert loss[-1][1] < loss[0][1], "it has learnt from them"
    archive = feature_archive.load(archive_file)
    fitted = Backend(out).logits(archive.entire, archive.puzzled)
    said = torch.from_numpy(fitted).log_softmax(1)[np.arange(len(archive)), archive.label]
    assert loss[-1][1] == pytest.approx(-float(said.mean()), abs=0.02), "of the network that is kept"


def test_a_missing_tensorboard_is_told_in_one_line(tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with raises("not-installed", "pip install 'atme-live[tensorboard]'"), board(tmp_path / "x"):
        pass
    assert not (tmp_path / "x").exists()
