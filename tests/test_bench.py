"""The entry of the benchmarks: figures reach the table, the JSON and the plot; mistakes are one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from user_errors import raises

from benchmarks import __main__ as bench
from benchmarks import flame
from benchmarks.loso_speed import whole_fold
from benchmarks.row import Row, markdown, plot

ROOT = Path(__file__).resolve().parents[1]
ROWS = [Row("a", 2.0, "ms", "b, 6 ms", 3.0), Row("of these: c", 1.0, "ms")]


def test_a_table_has_a_line_a_row() -> None:
    lines = markdown("name", ROWS).splitlines()
    assert "| a | 2 ms | b, 6 ms | 3 × |" in lines
    assert "| of these: c | 1 ms |  |  |" in lines


def test_only_ratios_are_plotted(tmp_path: Path) -> None:
    plot("name", ROWS, tmp_path / "some.png")
    plot("name", ROWS[1:], tmp_path / "none.png")
    assert (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "none.png").exists()


def test_every_suite_can_be_found() -> None:
    for name in bench.SUITES:
        assert callable(bench.find(name)), name


def test_a_failing_suite_does_not_cost_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def falls(quick: bool) -> list[Row]:
        raise ValueError

    suites = {"first": falls, "second": lambda quick: ROWS, "third": None}
    monkeypatch.setattr(bench, "find", suites.get)
    with raises("internal", " first;"):
        bench.measure(list(suites), quick=True, out=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["suites"]) == ["second"]
    assert results["suites"]["second"][0]["ratio"] == 3
    assert "processor" in results["machine"]
    assert "## second" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "second.png").is_file()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "benchmarks", "--only", "pair", "--out", str(tmp_path / "file" / "x")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "file" / "x") in done.stderr


def test_a_fold_never_takes_less_than_no_time() -> None:
    assert whole_fold([[2.0, 7.0], [3.0, 8.0]]) == pytest.approx(2 + 58)
    with raises("internal", " 2;"):
        whole_fold([[5.0, 2.0]])


STACKS = """\
run (threading.py:1);Capture._run (stream/a.py:3);decode<b> (stream/b.py:4) 60
run (threading.py:1);Capture._run (stream/a.py:9) 30
Workers._spot (stream/w.py:3);see (spotting/m.py:1) 10
Workers._spot (stream/w.py:3);Queue.get (queue.py:171);wait (threading.py:327) 900
rare (x.py:1) 0
"""


def test_a_flame_graph_is_as_wide_as_the_time_that_was_not_waited():
    root = flame.read_stacks(STACKS)
    assert root.samples == 100
    picture = flame.draw(root)
    assert "Capture._run (stream/a.py), 90.0 %" in picture
    assert "decode&lt;b&gt; (stream/b.py), 60.0 %" in picture
    assert "rare" not in picture
    assert "Queue" not in picture
    ElementTree.fromstring(picture)
    with raises("unreadable", "'<svg>'"):
        flame.read_stacks("<svg>\n")


def test_every_target_of_make_that_is_named_has_a_rule() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|^# |`)make ([a-z]+)", text + readme, re.MULTILINE))
    assert {"demo", "test", "bench"} <= named
    for target in named:
        assert re.search(rf"^{target}:", text, re.MULTILINE), f"make {target}"
