"""Machine code on disk: it runs without numba, and whatever happened to the file, the function runs."""

from __future__ import annotations

import ast
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

ROOT = Path(__file__).parents[1]
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


def test_constants_of_other_modules_are_part_of_the_key(source):
    def run(taken):
        compiled = []

        def compile_it():
            compiled.append(True)
            return numba.cfunc(SIGNATURE)(double)

        machine_code(source, compile_it, taken)
        return bool(compiled)

    assert [run((1, 2)), run((1, 2)), run((1, 3)), run((1, 2))] == [True, False, True, False]


def test_how_it_is_compiled_is_part_of_the_key(source, tmp_path, monkeypatch):
    start(source)
    other = tmp_path / "kernels.py"
    other.write_text("# without fastmath")
    monkeypatch.setattr(keeping, "_HOW", other)
    assert start(source) == ([2, 4, 6], True)
    assert start(source) == ([2, 4, 6], False)


KERNELS = [path for package in ("recognizer", "spotting") for path in (ROOT / package).rglob("*_kernel.py")]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.stem)
def test_no_constant_is_forgotten(kernel):
    stem = kernel.stem.removesuffix("_kernel")
    owner = next(path for name in (stem, f"{stem}_cpu") if (path := kernel.with_name(f"{name}.py")).exists())
    imports = [one for one in ast.walk(ast.parse(kernel.read_text())) if isinstance(one, ast.ImportFrom)]
    own = [one for one in imports if one.module and one.module.split(".")[0] in ("recognizer", "spotting")]
    # The text of that module is in the key.
    names = {alias.name for one in own if one.module != "recognizer.machine.kernels" for alias in one.names}
    told = next(
        {name.id for name in ast.walk(line.value) if isinstance(name, ast.Name)}
        for line in ast.parse(owner.read_text()).body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "_TAKEN"
    )
    assert {name for name in names if name.isupper()} <= told
    assert {name for name in names if name.islower()} == set()  # functions: their text is not in the key


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
