"""``prepare`` end to end, on datasets whose frames are a portrait that moves by script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner
from user_errors import check, raises

from recognizer.face import NoFaceError
from recognizer.feature import FeatureExtractor
from recognizer.landmarks import Landmarker
from recognizer.network.model_info import PREPROCESSING
from spotting.motion import regions_from
from training.cli.datasets import register
from training.datasets import Loaded, Problem, casme2, smic
from training.features import archive as feature_archive
from training.features.pair import Failure, Pair, part_name, read_image, read_part, write_part
from training.features.prepare import prepare
from training.features.prepare_report import show
from training.rendering.clip import render
from training.rendering.portrait import load_portrait
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation

FPS = 100
APEX = 14
"""Frames after the onset, in the SMIC clips of these tests."""

app = typer.Typer()
register(app)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SMIC: three clips of frames 100 to 130, apex at 114, and one without a face. CASME II: three clips."""
    root = tmp_path_factory.mktemp("sets")
    portrait = load_portrait(size=(320, 240))
    home = root / "SMIC" / "HS"
    for subject, kind, group, unit in (
        ("s1", "ne", "negative", 4),
        ("s1", "po", "positive", 12),
        ("s2", "sur", "surprise", 1),
    ):
        movement = Action(group, (Activation(unit, 0.008, 0.008),), 0.0, APEX / FPS, 0.3)
        script = ClipScript(0.31, FPS, (320, 240), (movement,), noise=1.0, head_motion=0.5, seed=unit)
        write(home / subject / "micro" / group / f"{subject}_{kind}_01", 100, render(portrait, script))
    blank = np.full((240, 320, 3), 90, np.uint8)
    write(home / "s2" / "micro" / "negative" / "s2_ne_01", 100, [(0, blank)] * 5)

    book = openpyxl.Workbook()
    book.active.append([*casme2.SET.columns])
    for k, (clip, emotion) in enumerate(
        (("EP01_01", "disgust"), ("EP02_01", "others"), ("EP03_01", "happiness"))
    ):
        # Activated on one side: the two clips do not have the same images.
        movement = Action("positive", (Activation(12, 0.01, 0.003 * k),), 0.0, 0.05, 0.09)
        script = ClipScript(0.1, FPS, (320, 240), (movement,), seed=7)
        write(root / "CASME2" / "CASME2-RAW" / "sub01" / clip, 46, render(portrait, script))
        book.active.append(["01", clip, 46, 51, 55, "12", emotion])
    book.save(root / "CASME2" / casme2.SET.sheet)
    return root


def write(folder: Path, first: int, frames) -> None:
    folder.mkdir(parents=True)
    for number, (_, image) in enumerate(frames, first):
        cv2.imwrite(str(folder / f"image{number:06}.bmp"), image)


@pytest.fixture(scope="module")
def loaded(root: Path) -> Loaded:
    sets = (smic.load(root), casme2.SET.load(root))
    return Loaded(
        tuple(s for loaded in sets for s in loaded.samples),
        tuple(p for loaded in sets for p in loaded.problems),
        tuple(n for loaded in sets for n in loaded.notes),
    )


@pytest.fixture(scope="module")
def prepared(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("out") / "features.npz"
    return out, prepare(loaded, out, "both", jobs=2, keep_faces=True)


def test_features_are_those_of_live_recognition(loaded: Loaded, prepared) -> None:
    out, result = prepared
    archive = feature_archive.load(out)
    samples = {f"{s.subject}_{s.clip}": s for s in loaded.samples}
    extractor = FeatureExtractor()
    assert len(archive) == 5
    for k, name in enumerate(archive.sample):
        sample = samples[name]
        apex_path = sample.apex_path or dict(sample.frames)[result.estimated[sample.id]]
        live = extractor.extract(cv2.imread(str(sample.onset_path)), cv2.imread(str(apex_path)))
        np.testing.assert_array_equal(archive.entire[k], live.entire)
        np.testing.assert_array_equal(archive.puzzled[k], live.puzzled)
        np.testing.assert_array_equal(archive.faces[k], live.faces)
        np.testing.assert_allclose(archive.flow[k], np.moveaxis(live.entire_flow, 2, 0), atol=4e-3)
        assert archive.units[k] == sample.units_written
        assert archive.label[k] == sample.label
        assert (archive.database[k], archive.subject[k]) == (sample.database, sample.subject)
    extractor.close()


def test_kept_landmarks_lie_on_the_kept_faces(prepared) -> None:
    """Found anew on the onset face, enlarged, they are where they were kept."""
    archive, landmarker = feature_archive.load(prepared[0]), Landmarker(tracking=False)
    for face, kept in zip(archive.faces[:, 0], archive.landmarks, strict=True):
        framed = cv2.copyMakeBorder(cv2.resize(face, (512, 512)), 128, 128, 128, 128, cv2.BORDER_REPLICATE)
        found = landmarker.detect(cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR))
        assert found is not None
        apart = np.linalg.norm((found - 128 + 0.5) / 4 - 0.5 - kept, axis=1)
        assert np.median(apart) < 3, "pixels of 128"
    landmarker.close()


def test_an_archive_holds_no_faces_unless_asked_for(loaded: Loaded, tmp_path: Path) -> None:
    sample = next(s for s in loaded.samples if s.apex_path)
    prepare(Loaded((sample,), ()), tmp_path / "x.npz", "x", jobs=1)
    archive = feature_archive.load(tmp_path / "x.npz")
    assert (archive.faces, archive.landmarks, archive.flow) == (None, None, None)
    assert part_name(sample) != part_name(sample, keep_faces=True), "a part without faces does not serve"


def test_archive_says_where_its_apexes_and_itself_come_from(prepared) -> None:
    out, result = prepared
    with np.load(out) as archive:
        origin = dict(zip(archive["sample"], archive["apex_origin"], strict=True))
        metadata = json.loads(str(archive["metadata"]))
    assert origin == {
        "s01_s01_ne_01": "estimated",
        "s01_s01_po_01": "estimated",
        "s02_s02_sur_01": "estimated",
        "sub01_EP01_01": "annotated",
        "sub01_EP03_01": "annotated",
    }
    assert metadata["preprocessing"] == PREPROCESSING
    assert metadata["working_size"] == 128
    assert metadata["dataset"] == "both"
    assert metadata["program"].startswith("atme-live ")
    assert metadata["counts"]["by_database"] == {"smic": 3, "casme2": 2}
    assert metadata["counts"]["by_class"] == {"negative": 2, "positive": 2, "surprise": 1}
    assert (metadata["counts"]["samples"], metadata["counts"]["apex_estimated"]) == (5, 3)
    assert not out.with_name("features.npz.partial").exists()
    assert result.reused == 0


def test_estimated_apexes_are_near_the_scripted_ones(prepared) -> None:
    _, result = prepared
    assert len(result.estimated) == 3
    for sample, apex in result.estimated.items():
        assert abs(apex - (100 + APEX)) <= 2, (sample, apex)


def test_skipped_samples_are_in_the_reports(prepared) -> None:
    out, result = prepared
    record = json.loads(out.with_suffix(".report.json").read_text())
    reasons = {p["sample"]: p["what"] for p in record["problems"] if not p["repaired"]}
    assert "no face" in reasons["smic/s02/s02_ne_01"]
    assert "others" in reasons["casme2/sub01/EP02_01"]
    assert set(record["estimated_apexes"]) == set(result.estimated)
    text = out.with_suffix(".report.txt").read_text()
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    show(result, console)
    for shown in (text, console.export_text()):
        assert "5 samples prepared (2 negative, 2 positive, 1 surprise); 3 apexes estimated" in shown
        assert "no face in the first image of the clip" in shown
        assert "smic/s02/s02_ne_01" in shown
    assert any("one class only: smic/s02 (surprise)" in note for note in result.notes)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the workers in /proc")
def test_a_killed_run_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "smic.npz"
    parts = tmp_path / "smic.npz.partial"
    code = "import typer; from training.cli.datasets import register; a = typer.Typer(); register(a); a()"
    command = [sys.executable, "-c", code, "prepare", "smic-hs", "--root", root, "--out", out, "--jobs", "1"]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: [*parts.glob("*.npz")], process)
    workers = children(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    finished = [*parts.glob("*.npz")]
    assert not out.exists()
    assert 1 <= len(finished) < 4

    # What is computed again would lose this mark.
    pairs = [(path, pair) for path in finished if isinstance(pair := read_part(path), Pair)]
    for path, pair in pairs:
        write_part(replace(pair, puzzled=np.full_like(pair.puzzled, 7)), path)
    result = prepare(smic.load(root), out, "smic-hs", jobs=1)
    assert (result.reused, result.samples) == (len(finished), 3)
    marked = (feature_archive.load(out).puzzled == 7).all(axis=(1, 2, 3))
    assert marked.sum() == len(pairs) > 0
    assert not parts.exists()


def test_changed_frames_are_prepared_again(loaded: Loaded) -> None:
    sample = next(s for s in loaded.samples if s.apex_path)
    name = part_name(sample)
    status = sample.onset_path.stat()
    try:
        os.utime(sample.onset_path, (1, 1))
        assert part_name(sample) != name
    finally:
        os.utime(sample.onset_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert part_name(sample) == name


def test_twins_stills_and_broken_files_are_left_out(loaded: Loaded, tmp_path: Path) -> None:
    sample = next(s for s in loaded.samples if s.apex_path)
    twin = replace(sample, subject="sub09", label=2, onset_path=tmp_path / "a.bmp")
    shutil.copy(sample.onset_path, twin.onset_path)
    still = replace(sample, clip="still", apex_path=sample.onset_path)
    broken = replace(sample, clip="broken", apex_path=tmp_path / "b.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    result = prepare(Loaded((sample, twin, still, broken), ()), tmp_path / "x.npz", "x", jobs=1)
    assert result.samples == 1
    reasons = {problem.sample: problem.what for problem in result.problems if not problem.repaired}
    assert reasons[twin.id] == f"a duplicate: the same images as {sample.id}, there labelled negative"
    assert reasons[still.id] == "nothing moves between the frames 46 and 51"
    assert "not an image" in reasons[broken.id]


def test_no_sample_at_all_is_an_error_with_a_report(loaded: Loaded, tmp_path: Path) -> None:
    sample = loaded.samples[0]
    parts = tmp_path / "x.npz.partial"
    parts.mkdir()
    write_part(Failure("too dark"), parts / part_name(sample))
    with raises("too-little", f"{sample.id}: too dark"):
        prepare(Loaded((sample,), ()), tmp_path / "x.npz", "dark")
    assert json.loads((tmp_path / "x.report.json").read_text())["problems"][0]["what"] == "too dark"
    assert not (tmp_path / "x.npz").exists()


def test_refusals_come_before_the_work(loaded: Loaded, tmp_path: Path) -> None:
    out = tmp_path / "there.npz"
    out.write_bytes(b"mine")
    with raises("exists", out):
        prepare(loaded, out, "x")
    with raises("invalid", tmp_path / "f.npy"):
        prepare(loaded, tmp_path / "f.npy", "x")
    with raises("unwritable", tmp_path / "nowhere" / "f.npz"):
        prepare(loaded, tmp_path / "nowhere" / "f.npz", "x")
    with raises("too-little", "a/b/c: lost"):
        prepare(Loaded((), (Problem("a/b/c", "lost", False),)), tmp_path / "f.npz", "x")
    assert out.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.npz"]


def test_command_line(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "casme2.npz"
    out.write_bytes(b"old")
    parts = tmp_path / "casme2.npz.partial"
    parts.mkdir()
    some = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    for sample in casme2.SET.load(root / "CASME2").samples:
        write_part(Pair(some, some, 51, "annotated", sample.id), parts / part_name(sample))
    arguments = ["prepare", "casme2", "--root", str(root / "CASME2"), "--out", str(out), "--jobs", "1"]
    result = CliRunner().invoke(app, arguments)
    check(result.exception, "exists", out)
    result = CliRunner().invoke(app, [*arguments, "--force"])
    assert result.exit_code == 0, result.output
    assert "casme2: 2 samples prepared" in result.output
    assert len(feature_archive.load(out)) == 2
    listed = CliRunner().invoke(app, ["datasets"], env={"COLUMNS": "200"}).output
    assert all(name in listed for name in ("casme2", "samm", "smic-hs-e", "megc2019", "casme3"))


def test_displacement_grows_from_the_onset_and_needs_a_face(root: Path) -> None:
    folder = root / "SMIC" / "HS" / "s1" / "micro" / "positive" / "s1_po_01"
    images = [read_image(path) for path in sorted(folder.iterdir())]
    blank = np.zeros_like(images[0])
    regions = regions_from(images[0], [images[4], images[APEX], blank, images[0]])
    moved = [max(row.values()) for row in regions]
    assert moved[0] < 0.7 * moved[1]
    # 0.008 face widths are 2 px on a face 256 px wide; the flow is smoothed.
    assert 0.8 < moved[1] < 2.5
    assert np.isnan(moved[2])
    assert moved[3] < 0.1
    with pytest.raises(NoFaceError):
        regions_from(blank, images[:1])


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> object:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        assert process is None or process.poll() is None, "it ended before"
        time.sleep(0.01)
    raise AssertionError("waited for 60 s")


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found
