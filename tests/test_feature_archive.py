"""The feature archive: what is written is read back; what is wrong is named in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recognizer.errors import AtmeError
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive

Arrays = dict[str, npt.NDArray[np.generic]]


def arrays(n: int = 4) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "entire": rng.integers(0, 256, (n, 3, 28, 28)).astype(np.uint8),
        "puzzled": rng.integers(0, 256, (n, 3, 28, 28)).astype(np.uint8),
        "label": np.arange(n) % 3,
        "subject": np.array([f"s{k}" for k in range(n)], dtype=np.str_),
        "database": np.full(n, "made", dtype="<U8"),
        "sample": np.array([f"c{k}" for k in range(n)], dtype=np.str_),
    }


def kept(n: int = 4) -> Arrays:
    """What an archive may hold besides."""
    rng = np.random.default_rng(1)
    return {
        "units": np.array(["4+L12", "", "R20", "12 or 14"][:n]),
        "faces": rng.integers(0, 256, (n, 2, 128, 128)).astype(np.uint8),
        "landmarks": rng.uniform(0, 127, (n, 68, 2)).astype(np.float32),
        "flow": rng.normal(size=(n, 2, 128, 128)).astype(np.float16),
    }


@pytest.mark.parametrize("more", [{}, kept()], ids=["features", "with units and faces"])
def test_round_trip(more: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    feature_archive.save(FeatureArchive(**(arrays() | more)), path)  # type: ignore[arg-type]
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    back = feature_archive.load(path)
    for key, value in (arrays() | more).items():
        assert np.array_equal(getattr(back, key), value)
    assert set(back.arrays()) == set(arrays() | more)
    rows = np.array([2, 0])
    assert np.array_equal(back.pairs(rows).entire, arrays()["entire"][rows])
    faces = back.pairs(rows).faces
    assert (faces is None) == (not more)
    if faces is not None:
        assert np.array_equal(faces.pictures, more["faces"][rows])
        assert np.array_equal(faces.flow, more["flow"][rows])


def test_damage_to_a_face_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    feature_archive.save(FeatureArchive(**(arrays() | kept())), path)  # type: ignore[arg-type]
    with np.load(path) as file:
        content = dict(file)
    content["faces"][3, 1, 5, 5] ^= 1
    np.savez(path, **content)
    with pytest.raises(AtmeError, match="its digest does not fit"):
        feature_archive.load(path)


def test_whole_floats_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = arrays()
    np.savez(path, **{**content, "entire": content["entire"].astype(np.float32)})
    assert np.array_equal(feature_archive.load(path).entire, content["entire"])


def nan(content: Arrays) -> None:
    values = content["entire"].astype(np.float32)
    values[0, 0, 0, 0] = np.nan
    content["entire"] = values


BROKEN: list[tuple[str, Callable[[Arrays], object], str]] = [
    ("missing", lambda a: a.pop("puzzled"), "key 'puzzled' is missing"),
    (
        "shape",
        lambda a: a.update(entire=np.zeros((4, 28, 28, 3), np.uint8)),
        r"key 'entire' has shape \(4, 28",
    ),
    (
        "length",
        lambda a: a.update(puzzled=a["puzzled"][:3]),
        r"'puzzled' has shape .*expected \(4, 3, 28, 28\)",
    ),
    ("nan", nan, "key 'entire' holds NaN"),
    (
        "fraction",
        lambda a: a.update(entire=a["entire"] / 255.0),
        "'entire' holds float64 .* whole numbers 0–255",
    ),
    ("class", lambda a: a.update(label=np.array([0, 1, 2, 3])), "'label' holds the unknown class 3"),
    ("text label", lambda a: a.update(label=np.array(list("abcd"))), "key 'label' is <U1"),
    ("label shape", lambda a: a.update(label=np.zeros((4, 1), np.int64)), "key 'label' has shape"),
    ("subject", lambda a: a.update(subject=np.arange(4)), "key 'subject' is int64; expected text"),
    ("empty", lambda a: a.update(arrays(0)), "key 'label' is empty"),
    ("units", lambda a: a.update(units=np.arange(4)), "key 'units' is int64"),
    ("units length", lambda a: a.update(units=np.array(["4"])), r"key 'units' is .* expected text \(4,\)"),
    ("faces alone", lambda a: a.pop("landmarks"), "key 'landmarks' is missing beside 'faces'"),
    ("flow missing", lambda a: a.pop("flow"), "key 'flow' is missing beside 'faces'"),
    ("small faces", lambda a: a.update(faces=a["faces"][..., :64]), r"'faces' is uint8 \(4, 2, 128, 64\)"),
    ("float faces", lambda a: a.update(faces=a["faces"] / 255.0), "key 'faces' is float64"),
    ("fewer points", lambda a: a.update(landmarks=a["landmarks"][:, :5]), "'landmarks' is float32"),
    ("no point", lambda a: a.update(landmarks=a["landmarks"] * np.nan), "'landmarks' holds NaN"),
]


@pytest.mark.parametrize(("change", "message"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_bad_archives(tmp_path: Path, change: Callable[[Arrays], object], message: str) -> None:
    path = tmp_path / "bad.npz"
    content = arrays() | kept()
    change(content)
    np.savez(path, **content)
    with pytest.raises(AtmeError, match=message) as caught:
        feature_archive.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_not_an_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(AtmeError, match="not a readable"):
        feature_archive.load(path)


def test_single_array_and_missing_file(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(AtmeError, match="not a readable"):
        feature_archive.load(tmp_path / "one.npz")
    with pytest.raises(AtmeError, match="no such file"):
        feature_archive.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [('{"preprocessing": 0}', "preprocessing version 0; expected"), ("cut off", "'metadata' is damaged")],
)
def test_another_preprocessing_is_refused(tmp_path: Path, metadata: str, message: str) -> None:
    path = tmp_path / "old.npz"
    np.savez(path, **arrays(), metadata=np.array(metadata))
    with pytest.raises(AtmeError, match=message):
        feature_archive.load(path)
