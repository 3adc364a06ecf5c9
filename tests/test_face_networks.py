"""The face networks: the same faces and points as MediaPipe itself finds, and where their files come from."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faces_in_pictures import PICTURES
from networks_at import build_wheel, cache_of, set_up
from user_errors import complaint, raises

from recognizer.face_networks import files
from recognizer.face_networks.detector import FaceDetector
from recognizer.face_networks.files import DETECTOR, MESH, NETWORKS, keep_originals, open_face_network
from recognizer.landmarks import Landmarker

ROOT = Path(__file__).resolve().parents[1]
MEASURED = json.loads((ROOT / "tests" / "mediapipe_landmarks.json").read_text(encoding="utf-8"))
"""By MediaPipe 0.10.21's own graphs, in the images of ``faces_in_pictures``."""
NEAR = 0.05
"""Pixels."""


# --- what they find


@pytest.mark.parametrize("name", PICTURES)
def test_the_detector_finds_what_mediapipe_finds(name):
    found = FaceDetector().find(PICTURES[name](), least=0.5)
    known = MEASURED[name]["faces"]
    assert [face.score for face in found] == pytest.approx([face["score"] for face in known], abs=1e-3)
    for face, one in zip(found, known, strict=True):
        np.testing.assert_allclose(face.box, one["box"], atol=NEAR)
        np.testing.assert_allclose(face.eyes, one["eyes"], atol=NEAR)


@pytest.mark.parametrize("name", PICTURES)
def test_landmarks_are_those_of_mediapipe(name):
    found = Landmarker().detect(PICTURES[name]())
    known = MEASURED[name]["landmarks"]
    if known is None:
        assert found is None
    else:
        assert np.hypot(*(found - np.array(known)).T).max() < NEAR


def test_nothing_imports_mediapipe():
    """Its import takes longer than everything else, and it has telemetry from 1.0 on."""
    for folder in ("recognizer", "spotting", "stream", "training"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                assert not [name for name in names if name.split(".")[0] == "mediapipe"], path


# --- where they come from


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache in this process; the originals are still found where they were."""
    folder = tmp_path / "cache"
    originals = {network: files.original(network) for network in NETWORKS}
    monkeypatch.setattr(files, "networks_folder", lambda: folder)
    monkeypatch.setattr(files, "original", originals.get)
    return folder


def test_a_network_is_converted_once(cache, monkeypatch):
    open_face_network(MESH)
    (kept,) = cache.iterdir()
    assert kept.name.startswith("face_landmark-")
    monkeypatch.setattr(files, "original", lambda _: pytest.fail("converted again"))
    open_face_network(MESH)


@pytest.mark.parametrize("damage", ["a byte", "the end", "everything"])
def test_a_damaged_conversion_is_made_anew(cache, damage, caplog):
    open_face_network(DETECTOR)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    spoilt = {
        "a byte": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "the end": whole[:-100],
        "everything": b"",
    }
    kept.write_bytes(spoilt[damage])
    open_face_network(DETECTOR)
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_time(cache, caplog):
    cache.write_text("a file, where a folder should be")
    with caplog.at_level(logging.WARNING):
        open_face_network(DETECTOR)
    assert "converted at every start" in caplog.text


def test_only_the_right_wheel_is_taken(cache, tmp_path):
    for wheel, code, named in (
        (tmp_path / "none.whl", "not-found", ""),
        (Path(__file__), "unreadable", ""),
        (build_wheel(tmp_path, spoilt=True), "unreadable", "face_detection_short_range"),
    ):
        with raises(code, wheel, "mediapipe==0.10.21", named):
            keep_originals(wheel)
    assert not cache.exists()


# --- as a user meets them


@pytest.fixture
def newcomer(tmp_path) -> dict[str, str]:
    """The environment of somebody without MediaPipe and without ``atme setup``."""
    home = tmp_path / "home"
    home.mkdir()
    own = {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE")}
    (home / "sitecustomize.py").write_text("import sys\nsys.modules['mediapipe'] = None\n")
    path = os.pathsep.join((str(home), str(ROOT)))
    return {**os.environ, **own, "PYTHONPATH": path, "PIP_NO_INDEX": "1"}


def atme(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream.cli", *map(str, words)]
    return subprocess.run(
        command,
        check=False,
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_setup_there_is_one_line(newcomer, short_clip):
    complaint(atme(newcomer, "replay", short_clip), "atme setup")
    done = atme(newcomer, "doctor")
    assert done.returncode == 2
    (line,) = (line for line in done.stdout.splitlines() if "Face landmarks" in line)
    assert line.startswith("MISSING")
    assert "atme setup" in line


def test_setup_fetches_the_wheel_and_what_it_brings_suffices(newcomer, short_clip, tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    build_wheel(shelf)
    done = atme({**newcomer, "PIP_FIND_LINKS": str(shelf)}, "setup")
    assert done.returncode == 0, done.stderr
    assert "the wheel of mediapipe==0.10.21" in done.stdout
    kept = {path.name.split("-")[0] for path in (cache_of(newcomer) / "face-networks").iterdir()}
    names = [network.name for network in NETWORKS]
    assert kept == {*names, *(f"{name}.tflite" for name in names)}
    done = atme(newcomer, "replay", short_clip, "--json", "--speed", "max")
    assert done.returncode == 0, done.stderr
    again = atme(newcomer, "setup")
    assert again.returncode == 0, again.stderr
    assert "fetching" not in again.stdout


def test_setup_without_a_network_says_how_else(newcomer, tmp_path):
    complaint(atme(newcomer, "setup"), "mediapipe==0.10.21", "atme setup WHEEL")
    done = atme(newcomer, "setup", build_wheel(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "face networks: ready" in done.stdout


def test_the_networks_of_one_user_serve_an_environment_of_another(newcomer, tmp_path):
    """What other test files rely on."""
    set_up(newcomer)
    done = atme(newcomer, "doctor")
    (line,) = (line for line in done.stdout.splitlines() if "Face landmarks" in line)
    assert line.startswith("ok")


SHARED = """
import gc, weakref
from recognizer.face_networks.files import DETECTOR, MESH, open_face_network

first, second = open_face_network(MESH), open_face_network(MESH)
assert first is second
assert open_face_network(DETECTOR) is not first
gone = weakref.ref(first)
del first, second
gc.collect()
assert gone() is None
"""


def test_those_who_have_a_network_open_share_it_and_the_last_who_lets_go_of_it_frees_it():
    subprocess.run([sys.executable, "-c", SHARED], check=True)  # here, another test may have it open
