"""The feature archive: what is written is read back; what is wrong is named in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from user_errors import raises

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
    with raises("unreadable", path):
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


BROKEN: list[tuple[str, Callable[[Arrays], object], tuple[str, ...]]] = [
    ("missing", lambda a: a.pop("puzzled"), ("'puzzled'",)),
    (
        "shape",
        lambda a: a.update(entire=np.zeros((4, 28, 28, 3), np.uint8)),
        ("'entire'", "(4, 28, 28, 3)", "(4, 3, 28, 28)"),
    ),
    (
        "length",
        lambda a: a.update(puzzled=a["puzzled"][:3]),
        ("'puzzled'", "(3, 3, 28, 28)", "(4, 3, 28, 28)"),
    ),
    ("nan", nan, ("'entire'", "NaN")),
    ("fraction", lambda a: a.update(entire=a["entire"] / 255.0), ("'entire'", "float64", "0–255")),
    ("class", lambda a: a.update(label=np.array([0, 1, 2, 3])), ("'label'", " 3;")),
    ("text label", lambda a: a.update(label=np.array(list("abcd"))), ("'label'", "<U1")),
    ("label shape", lambda a: a.update(label=np.zeros((4, 1), np.int64)), ("'label'", "(4, 1)")),
    ("subject", lambda a: a.update(subject=np.arange(4)), ("'subject'", "int64")),
    ("empty", lambda a: a.update(arrays(0)), ("'label'",)),
    ("units", lambda a: a.update(units=np.arange(4)), ("'units'", "int64")),
    ("units length", lambda a: a.update(units=np.array(["4"])), ("'units'", "(1,)", "(4,)")),
    ("faces alone", lambda a: a.pop("landmarks"), ("'landmarks'", "'faces'")),
    ("flow missing", lambda a: a.pop("flow"), ("'flow'", "'faces'")),
    ("small faces", lambda a: a.update(faces=a["faces"][..., :64]), ("'faces'", "(4, 2, 128, 64)")),
    ("float faces", lambda a: a.update(faces=a["faces"] / 255.0), ("'faces'", "float64")),
    ("fewer points", lambda a: a.update(landmarks=a["landmarks"][:, :5]), ("'landmarks'", "float32")),
    ("no point", lambda a: a.update(landmarks=a["landmarks"] * np.nan), ("'landmarks'", "NaN")),
]


@pytest.mark.parametrize(("change", "named"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_bad_archives(tmp_path: Path, change: Callable[[Arrays], object], named: tuple[str, ...]) -> None:
    path = tmp_path / "bad.npz"
    content = arrays() | kept()
    change(content)
    np.savez(path, **content)
    with raises("unreadable", *named) as caught:
        feature_archive.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_not_an_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with raises("unreadable", path):
        feature_archive.load(path)


def test_single_array_and_missing_file(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with raises("unreadable", tmp_path / "one.npz"):
        feature_archive.load(tmp_path / "one.npz")
    with raises("not-found", tmp_path / "none.npz"):
        feature_archive.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("metadata", "named"), [('{"preprocessing": 0}', " version 0;"), ("cut off", "'metadata'")]
)
def test_another_preprocessing_is_refused(tmp_path: Path, metadata: str, named: str) -> None:
    path = tmp_path / "old.npz"
    np.savez(path, **arrays(), metadata=np.array(metadata))
    with raises("unreadable", path, named):
        feature_archive.load(path)
