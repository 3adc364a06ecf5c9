"""Archives, states, sheets and images from anywhere: sizes come before data, and no damage is silent."""

from __future__ import annotations

import io
import pickle
import resource
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_archive import tiny_archive
from user_errors import raises

from recognizer.files.image import read_image
from recognizer.files.npz import read_arrays
from recognizer.files.untrusted_text import parse_json, parse_toml
from recognizer.network.backend import DEFAULT_WEIGHTS
from training.datasets.reading.sheet import read_sheet, whole
from training.features import archive as feature_archive
from training.features.pair import read_part
from training.learning.weights import load_state, save_state

PEAK_BYTES = 300_000_000
"""No refusal may need more memory than this."""


@pytest.fixture
def modest():
    """Fails where the test made the process grow by more than ``PEAK_BYTES``."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < PEAK_BYTES


def refused(read, path: Path, *parts: object) -> None:
    with raises("unreadable", path, *parts):
        read(path)


def npy(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


def header(shape: tuple[int, ...], kind: str) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


# --- archives


@pytest.mark.parametrize(
    "data",
    [
        header((10**6, 3, 28, 28), "|u1") + b"\0" * 99,
        header((10**12, 10**12), "<f8"),
        header((-1, 3), "<f8"),
        header((3,), "<U500000000"),  # 2 GB each, just what numpy allows
        header((3,), "|O") + pickle.dumps([1, 2, 3]),
        b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000,
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_an_array_that_lies_about_itself_is_refused_before_its_data(tmp_path, modest, data):
    refused(read_arrays, npz(tmp_path / "a.npz", entire=data))


def test_an_archive_that_would_grow_beyond_measure_is_refused(tmp_path, modest, monkeypatch):
    monkeypatch.setattr(feature_archive, "MOST_BYTES", 300_000_000)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(40):
            archive.writestr(f"{number}.npy", bytes(10_000_000))
    assert path.stat().st_size < 4_000_000
    refused(feature_archive.load, path, "400 MB")


def test_what_is_written_is_read_back(tmp_path):
    arrays = {
        "text": np.array(["a", "bc"]),
        "none": np.zeros((0, 3)),
        "one": np.float64(2.5),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_pickle_in_a_finished_part_is_not_run(tmp_path):
    """A part of another's half-finished preparation: made again, not loaded."""
    trap = npz(tmp_path / "part.npz", entire=header((1,), "|O") + pickle.dumps([print]))
    assert read_part(trap) is None


def test_a_changed_archive_is_refused_and_one_without_digest_says_so(tmp_path, caplog):
    path = tmp_path / "tiny.npz"
    feature_archive.save(tiny_archive(), path)
    feature_archive.load(path)
    assert not caplog.records
    arrays = read_arrays(path)
    swapped = {**arrays, "label": np.roll(arrays["label"], 1)}
    np.savez(tmp_path / "swapped.npz", **swapped)
    refused(feature_archive.load, tmp_path / "swapped.npz")
    del swapped["metadata"]
    np.savez(tmp_path / "list.npz", **swapped)
    feature_archive.load(tmp_path / "list.npz")
    assert "no digest" in caplog.text
    nested = {**arrays, "metadata": np.array("[" * 100_000)}
    np.savez(tmp_path / "nested.npz", **nested)
    refused(feature_archive.load, tmp_path / "nested.npz", "'metadata'")


# --- states


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("state") / "weights.safetensors"
    save_state(load_state(DEFAULT_WEIGHTS), path)
    return path


def test_a_changed_state_is_refused(state, tmp_path):
    data = bytearray(state.read_bytes())
    path = tmp_path / "changed.safetensors"
    for at in np.linspace(8, len(data) - 1, 8).astype(int):
        data[at] ^= 1
        path.write_bytes(data)
        refused(load_state, path)
        data[at] ^= 1


def test_a_state_without_digest_says_so_and_one_of_no_numbers_is_refused(state, tmp_path, caplog):
    values = load_file(state)
    save_file(values, tmp_path / "old.safetensors")
    load_state(tmp_path / "old.safetensors")
    assert "no digest" in caplog.text
    values["classifier.5.bias"][0] = torch.nan
    save_state(values, tmp_path / "nan.safetensors")
    refused(load_state, tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    "head", [b"[" * 50_000, b'{"__metadata__":{"sha256":7}}', b"{}", b'{"a":{"dtype":"F32"}}']
)
def test_a_header_that_is_none(tmp_path, head):
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    refused(load_state, path)


def test_a_correction_that_is_not_whole_is_refused(state, tmp_path):
    save_state({**load_file(state), "correction.bias": torch.zeros(3)}, tmp_path / "half.safetensors")
    refused(load_state, tmp_path / "half.safetensors", "'correction.")


# --- sheets

COLUMNS = ("Subject", "Filename")


def sheet(path: Path, change=lambda text: text) -> Path:
    book = openpyxl.Workbook()
    for row in (COLUMNS, ("s1", "a"), ("s2", 7)):
        book.active.append(row)
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    members[name] = change(members[name].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('<row r="3"', '<row r="99999999999"'),
        lambda text: text.replace("<v>7</v>", "<v>seven</v>"),
        lambda text: text.replace("<v>7</v>", "<v>" + "9" * 5000 + "</v>"),
        lambda text: text + "<a>" * 100_000,
        lambda text: text[: len(text) // 2],
    ],
)
def test_a_sheet_with_absurd_contents_is_one_line(tmp_path, modest, change):
    refused(lambda path: read_sheet(path, COLUMNS), sheet(tmp_path / "codes.xlsx", change))


def test_columns_far_away_cost_nothing(tmp_path, modest):
    path = sheet(tmp_path / "codes.xlsx", lambda text: text.replace('r="B3"', 'r="ZZZ3"'))
    assert [row.text("Subject") for row in read_sheet(path, COLUMNS)] == ["s1", "s2"]


def test_a_sheet_that_would_grow_beyond_measure_is_refused(tmp_path, modest):
    path = sheet(tmp_path / "codes.xlsx", lambda text: text + " " * 70_000_000)
    refused(lambda path: read_sheet(path, COLUMNS), path, "70 MB")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, "9" * 400])
def test_numbers_that_count_nothing_are_none(value):
    assert whole(value) is None


# --- images


def huge_png(path: Path, side: int) -> Path:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + side // 8) * side), 1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_a_picture_beyond_measure_is_refused_before_its_pixels(tmp_path, modest):
    path = huge_png(tmp_path / "huge.png", 20_000)
    assert path.stat().st_size < 1_000_000
    refused(read_image, path)


@pytest.mark.parametrize("name", ["onset.png", "unset.jpg"])
def test_a_damaged_picture_is_one_line(portrait, tmp_path, name):
    whole_file = cv2.imencode(Path(name).suffix, portrait.image)[1].tobytes()
    path = tmp_path / name
    for data in (b"", whole_file[:30], b"GIF89a" + whole_file[6:], whole_file[30:]):
        path.write_bytes(data)
        refused(read_image, path)


def test_pictures_are_read_as_they_are(portrait, tmp_path):
    path = tmp_path / "gesicht ä.png"
    path.write_bytes(cv2.imencode(".png", portrait.image)[1].tobytes())
    np.testing.assert_array_equal(read_image(path), portrait.image)


# --- text


@pytest.mark.parametrize("parse", [parse_json, parse_toml])
def test_nesting_without_end_is_a_value_error(parse):
    with pytest.raises(ValueError, match="deeply"):
        parse("[" * 100_000 if parse is parse_json else "x = " + "[" * 100_000)
