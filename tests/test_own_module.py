"""What belongs to the command alone: its own modules in other processes, and the collector's peace."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recognizer.machine.own_module import own_module
from stream import Session
from stream.commands import demo

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder of somebody who calls their own packages, and a module of the standard library, as we do."""
    for name in ("training", "stream", "spotting", "recognizer", "benchmarks", "runpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    return tmp_path


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def command(folder: Path, *words: str) -> list[str]:
    """``atme`` as it is installed: a script in a folder of its own, which Python looks into first."""
    script = folder / "bin" / "atme"
    script.parent.mkdir()
    script.write_text("from stream.cli import main\nmain()\n")
    return [sys.executable, str(script), *words]


def test_a_module_of_ours_is_ours_whatever_lies_beside(beside):
    done = run(own_module("training.cli.main", "synthesize-clip", "--help"), beside)
    assert done.returncode == 0, done.stderr
    assert "synthesize-clip" in done.stdout


def test_bench_finds_its_benchmarks(beside):
    done = run(command(beside, "bench", "--only", "no such suite"), beside)
    assert done.returncode == 2
    assert "invalid choice: 'no such suite' (choose from" in done.stderr


RENDERS = """
import pathlib, sys
clip = pathlib.Path(sys.argv[1])
clip.parent.mkdir(parents=True, exist_ok=True)
clip.write_bytes(bytes(5000))
clip.with_suffix(".truth.jsonl").write_text('{"label": "positive", "onset": 1, "apex": 2, "offset": 3}\\n')
print("rendered")
"""


def test_the_demo_clip_is_rendered_once_and_again_where_it_is_damaged(tmp_path, monkeypatch, capfd):
    """Rendering takes some seconds; here something quicker stands for it."""
    monkeypatch.setattr(demo, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(demo, "own_module", lambda *words: [sys.executable, "-c", RENDERS, words[-1]])

    def shown() -> bool:
        clip = demo.demo_clip()
        assert clip.stat().st_size == 5000
        assert len(demo.read_truth(clip)) == 1
        return "rendered" in capfd.readouterr().out

    assert shown()
    assert not shown()
    os.truncate(tmp_path / "atme-live" / "demo.mp4", 1000)
    assert shown()
    (tmp_path / "atme-live" / "demo.truth.jsonl").unlink()
    assert shown()
    assert not shown()


def test_the_library_leaves_the_garbage_collector_alone(short_clip, settings):
    before = gc.get_freeze_count()
    assert list(Session.replay(short_clip, settings))
    assert gc.get_freeze_count() <= before
