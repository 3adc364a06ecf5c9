"""The wheel alone, outside the repository and without the packages of any extra."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from networks_at import set_up
from test_laws import ROOMS, ROOT
from user_errors import complaint

from recognizer.console.extras import EXTRAS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="its scripts are programs there"),
]

BLOCKED = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted({*EXTRAS} - {"llvmlite"})}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command of the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "config.toml"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("atme_live-*.whl")
    site = folder / "site"
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, cwd=folder)
    (site / "sitecustomize.py").write_text(BLOCKED)
    outside = folder / "outside"
    outside.mkdir()
    env = {**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(folder / "cache")}
    set_up(env)

    def run(command: str, *words: object, expected: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, str(site / "bin" / command), *map(str, words)]
        done = subprocess.run(
            line, cwd=outside, env=env, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done

    return run


def test_the_demo_runs(run):
    assert "3 of 3 found with the right label, 0 false alarms" in run("atme", "demo", "--speed", "max").stdout


def test_a_recording_is_replayed(run, short_clip):
    (line,) = run("atme", "replay", short_clip, "--speed", "max", "--json").stdout.splitlines()
    assert json.loads(line)["label"] == "positive"


def test_the_doctor_finds_all_that_is_needed(run):
    said = run("atme", "doctor").stdout
    assert "MISSING" not in said
    assert "Optical flow" in said


def test_what_needs_an_extra_says_which(run):
    done = run("atme-train", "pretrain", "--out", "x.onnx", "--steps", "1", expected=2)
    complaint(done, "torch", "pip install 'atme-live[train]'", program="atme-train")
