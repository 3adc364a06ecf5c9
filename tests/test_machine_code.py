"""Machine code on disk: it runs without numba, and whatever happened to the file, the function runs."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import carray, types
from test_compiling import DAMAGES

from recognizer.machine import machine_code as keeping
from recognizer.machine.machine_code import machine_code

SIGNATURE = types.void(types.CPointer(types.float64), types.int64)


def double(numbers, count):
    array = carray(numbers, (count,))
    for k in range(count):
        array[k] *= 2


def replaced_if_they_fit(numbers, count):
    carray(numbers, (count,))[1:] = np.ones(2)


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(keeping, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    (tmp_path / "package").mkdir()
    path = tmp_path / "package" / "doubling.py"
    path.write_text("# the source, as far as the key is concerned")
    return path


def start(source: Path, function=double) -> tuple[list[float], bool]:
    """What a new program gets for the doubles of 1, 2, 3, and whether it had to compile."""
    compiled = []

    def compile_it():
        compiled.append(True)
        return numba.cfunc(SIGNATURE)(function)

    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(machine_code(source, compile_it))
    numbers = np.array((1.0, 2.0, 3.0))
    run(numbers.ctypes.data, len(numbers))
    return numbers.tolist(), bool(compiled)


def kept(source: Path) -> list[Path]:
    return sorted(source.parents[1].rglob("*.o"))


def test_it_is_compiled_once_for_each_source(source):
    assert start(source) == ([2, 4, 6], True)
    assert start(source) == ([2, 4, 6], False)
    (file,) = kept(source)
    assert file.parent == source.parent / "__pycache__"
    source.write_text("# another source")
    assert start(source) == ([2, 4, 6], True)
    assert start(source) == ([2, 4, 6], False)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_again(source, damage, caplog):
    start(source)
    (file,) = kept(source)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert start(source) == ([2, 4, 6], True)
    assert [one.message for one in caplog.records] == [f"{file}: damaged; it is compiled again"]
    assert start(source) == ([2, 4, 6], False)


def test_it_goes_to_the_users_cache_where_the_program_cannot_be_written_to(source, caplog):
    (source.parent / "__pycache__").write_text("in the way")
    assert start(source) == ([2, 4, 6], True)
    assert start(source) == ([2, 4, 6], False)
    assert [file.parents[1].name for file in kept(source)] == ["atme-live"]
    for file in kept(source):
        file.unlink()
    (source.parents[1] / "cache" / "atme-live" / "machine-code").rmdir()
    (source.parents[1] / "cache" / "atme-live" / "machine-code").write_text("in the way, too")
    with caplog.at_level(logging.WARNING):
        assert start(source) == ([2, 4, 6], True)
    assert "cannot be written" in caplog.text


def test_what_raises_needs_numba_and_is_not_kept(source, caplog):
    assert start(source, replaced_if_they_fit) == ([1, 1, 1], True)
    assert kept(source) == []
    assert "compiled at every start" in caplog.text
