"""Compiled functions on disk: whatever happened to the files, the function runs and is kept again."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = """
from numba import njit
from recognizer.machine.compiling import kept_on_disk

@kept_on_disk
@njit
def double(x):
    return 2 * x
"""


def start(folder: Path) -> tuple[int, bool]:
    """What a new program gets for the double of 21, and whether it found it compiled."""
    spec = importlib.util.spec_from_file_location("doubling", folder / "doubling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    value = module.double(21)
    return value, sum(module.double.stats.cache_hits.values()) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module whose function is compiled and kept."""
    (tmp_path / "doubling.py").write_text(SOURCE)
    assert start(tmp_path) == (42, False)
    assert start(tmp_path) == (42, True)
    return tmp_path


def flipped(content: bytes) -> bytes:
    """One bit in the middle, where the machine code is."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    "cut by a byte": lambda content: content[:-1],
    "a bit": flipped,
    "zeros": lambda content: bytes(len(content)),
    "something else": lambda content: b"these are not the numbers you are looking for\n" * 20,
}


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_dropped_and_compiled_again(folder, kind, damage, caplog):
    (kept,) = (folder / "__pycache__").glob(f"*.{kind}")
    kept.write_bytes(DAMAGES[damage](kept.read_bytes()))
    assert start(folder)[0] == 42
    assert start(folder) == (42, True), "and it stays broken"
    if kind == "nbc":
        assert [r.message for r in caplog.records if "damaged" in r.message]


def test_a_file_that_is_gone_is_made_again(folder):
    for kept in (folder / "__pycache__").glob("*.nbc"):
        kept.unlink()
    assert start(folder) == (42, False)
    assert start(folder) == (42, True)


def test_where_nothing_can_be_kept_it_runs_and_says_so(tmp_path, caplog, monkeypatch):
    """As on a full disk."""
    (tmp_path / "doubling.py").write_text(SOURCE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recognizer.machine.compiling._SealedFiles.save", full)
    with caplog.at_level(logging.WARNING):
        assert start(tmp_path) == (42, False)
    assert "cannot be kept ([Errno 28] No space left on device)" in caplog.text
