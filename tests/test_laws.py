"""The laws of the design, each as a test."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from motion_curves import Bump, Told, at_rate, blind, samples

from recognizer.files.untrusted_text import tomllib
from recognizer.machine.gpu import gpu_count
from recognizer.network.backend import DEFAULT_WEIGHTS
from spotting import CandidateClassifier, Spotter
from spotting.face.places import SIDES
from stream import Session
from stream.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("recognizer", "spotting", "stream", "training", "atme")
MAY_IMPORT = {
    "atme": {"recognizer", "spotting", "stream"},
    "recognizer": set(),
    "spotting": {"recognizer"},
    "stream": {"recognizer", "spotting"},
    "training": {"recognizer", "spotting"},
}


def sources(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of everything that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that who imports whom can be read"
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {arg.value.split(".")[0] for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return found


# --- who may import whom


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room):
    checked = 0
    for path, tree in sources(room):
        others = imported(tree) & set(ROOMS) - {room}
        assert others <= MAY_IMPORT[room], f"{path} imports {others - MAY_IMPORT[room]}"
        checked += 1
    assert checked, f"{room} has no module"


TRAINING = (
    ("executors", "datasets"),
    ("features", "evaluation"),
    ("synthesis",),
    ("rendering", "learning"),
    ("models", "spotting"),
    ("loso",),
    ("paper",),
    ("cli",),
)
"""The packages of ``training``: each may import itself and those of earlier rows."""


@pytest.mark.parametrize("row", range(len(TRAINING)))
def test_arrows_in_training_point_one_way(row):
    below = {name for earlier in TRAINING[:row] for name in earlier}
    for own in TRAINING[row]:
        paths = [ROOT / "training" / f"{own}.py", *(ROOT / "training" / own).rglob("*.py")]
        for path in filter(Path.is_file, paths):
            used = packages_of_training(ast.parse(path.read_text(encoding="utf-8")))
            assert used <= below | {own}, f"{path} imports {used - below - {own}}"


def test_every_package_of_training_has_its_row():
    listed = {name for row in TRAINING for name in row}
    there = {path.stem for path in (ROOT / "training").iterdir() if path.suffix in ("", ".py")}
    assert {name for name in there if name[0] not in "_."} == listed


def packages_of_training(tree: ast.Module) -> set[str]:
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "training":
            inside = (node.module or "").split(".")[1:]
            used |= set(inside[:1]) or {alias.name for alias in node.names}
    return used


@pytest.mark.parametrize("folder", sorted({path.parent for path, _ in sources(*ROOMS)}))
def test_a_folder_is_seen_at_a_glance(folder):
    names = sorted(path.stem for path in (ROOT / folder).glob("*.py"))
    assert len(names) <= 14, f"{folder} holds {len(names)} modules"


LONGEST = 350


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_is_read_in_one_go(room):
    for path, _ in sources(room):
        lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST, f"{path} has {lines} lines"


def test_every_module_is_installed():
    """The list of packages in pyproject.toml is explicit: a new folder is easily forgotten."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for path, _ in sources(*ROOMS):
        package = ".".join(path.parent.parts)
        assert f'"{package}"' in text, f"{path} would not be installed: add {package} to packages"
        assert (ROOT / path.parent / "__init__.py").is_file()


PATH = """
import sys
import stream, recognizer
assert "torch" not in sys.modules, "importing the live program loads torch"
if {weights!r} == "none":
    sys.exit()
import pathlib
import numpy as np
from skimage.data import astronaut
image = np.ascontiguousarray(astronaut()[..., ::-1])
with recognizer.Recognizer({weights!r}) as recognizer:
    print(recognizer.recognize(image, image).label)
from spotting import CandidateClassifier
CandidateClassifier()
loaded = {{"torch", "training"}} & set(sys.modules)
assert not loaded, loaded
"""


def test_the_live_program_never_loads_torch():
    if gpu_count():
        pytest.skip("with a GPU the flow runs in torch")
    weights = str(DEFAULT_WEIGHTS) if DEFAULT_WEIGHTS.is_file() else "none"
    done = subprocess.run(
        [sys.executable, "-c", PATH.format(weights=weights)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- 1 and 3: causality, and time


@hypothesis_settings(max_examples=60)
@given(
    bumps=st.lists(
        st.builds(
            lambda start, rise, fall, height: Bump(start, start + rise, start + rise + fall, height),
            st.floats(0.3, 3.5),
            st.floats(0.04, 0.4),
            st.floats(0.04, 0.4),
            st.floats(0.1, 2),
        ),
        max_size=4,
    ),
    fps=st.sampled_from([30, 60, 200]),
    cut=st.floats(0.5, 4),
    lost=st.floats(0, 8),
    seed=st.integers(0, 99),
    classifier=st.sampled_from([Told(), CandidateClassifier()]),
)
def test_the_spotter_is_causal(bumps, fps, cut, lost, seed, classifier):
    """What is decided by a moment is the same whatever comes after it."""
    whole = samples(
        at_rate(fps),
        lambda time: sum(bump(time) for bump in bumps),
        noise=0.02,
        seed=seed,
        change=lambda sample: replace(
            blind(sample) if lost < sample.time < lost + 0.1 else sample,
            places=(sample.signal,) * (2 * len(SIDES)),
        ),
    )
    spotter = Spotter(classifier=classifier)
    decided = [found for sample in whole for found in spotter.push(sample)]
    rejected = [r for r in spotter.rejections if r.movement.decided <= cut]
    early = Spotter(classifier=classifier)
    until = [found for sample in whole if sample.time <= cut for found in early.push(sample)]
    assert until == [found for found in decided if found.decided <= cut]
    assert early.rejections == [r for r in rejected if r.reason != "face lost"] or lost < 4
    for found in decided:
        assert found.apex <= found.decided
        assert found.onset_frame <= found.apex_frame <= found.offset_frame


# --- 2: replay is bit-repeatable


def test_two_replays_are_equal_to_the_last_bit(short_clip, settings):
    runs = []
    for _ in range(2):
        session = Session.replay(short_clip, settings)
        events = [(event.candidate, event.recognition.label, event.probabilities) for event in session]
        status = session.status()
        runs.append((events, status.frames, status.dropped, status.rejected, status.curve))
    assert runs[0] == runs[1]
    assert runs[0][0], "no event in the clip: nothing was compared"
    assert runs[0][1] == 144
    assert runs[0][2] == 0


# --- 5: one preprocessing


OURS = {"crop_face", "cut", "puzzle", "puzzle_strain"}


@pytest.mark.parametrize("room", ["spotting", "stream", "training"])
def test_only_the_recognizer_makes_features_from_pictures(room):
    """Everybody else asks its FeatureExtractor, so live and offline features cannot differ."""
    for path, tree in sources(room):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("optflow", "DualTVL1OpticalFlow_create"), f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recognizer"):
                taken = {alias.name for alias in node.names}
                assert not taken & OURS, f"{path}:{node.lineno} takes {taken & OURS}"
                assert node.module != "recognizer.flow.tvl1_gpu", f"{path}:{node.lineno}"
                assert not (node.module == "recognizer.flow.engine" and "FlowEngine" in taken), f"{path}"


def test_synthesised_flow_becomes_a_feature_as_real_flow_does():
    synthesis = pytest.importorskip("training.synthesis.flow")
    import torch

    from recognizer.feature import to_feature
    from recognizer.flow.engine import strain

    rng = np.random.default_rng(0)
    flows = rng.normal(size=(3, 56, 56, 2)).astype(np.float32)
    flows[1] = flows[1] * 0.01 + 3
    ours = np.stack([to_feature(flow, strain(flow)) for flow in flows])
    fields = torch.from_numpy(flows).permute(0, 3, 1, 2)
    theirs = synthesis.to_feature(fields, synthesis.strain(fields)).numpy()
    assert np.abs(ours - theirs).max() <= 1


# --- 8: settings


def test_config_toml_is_every_setting_with_its_default():
    path = ROOT / "config.toml"
    assert path.read_bytes() == (ROOT / "stream" / "atme.toml").read_bytes(), "what atme config --init writes"
    assert load_settings(path) == Settings()
    text = path.read_text(encoding="utf-8")
    whole = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)  # with the settings of the sensitivity
    assert tomllib.loads(whole) == asdict(Settings())
    for line in text.splitlines():
        if line.strip() and not line.startswith(("[", "#")):
            assert "#" in line, f"no word of why: {line}"


# --- 10: nothing of this machine, nothing of other people


def test_no_recording_lies_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:
        pytest.skip("not a git checkout")
    media = {".mp4", ".mov", ".avi", ".mkv", ".jpg", ".jpeg", ".npz", ".wav"}
    assert [name for name in listed if Path(name).suffix.lower() in media] == []
