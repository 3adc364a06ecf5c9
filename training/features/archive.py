"""The feature archive: one ``.npz`` with the features of a dataset, ready to train on or to measure with."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.npz import read_arrays
from recognizer.files.untrusted_text import parse_json
from recognizer.files.write import replacing
from recognizer.network.model_info import PREPROCESSING
from recognizer.network.weights_file import SEAL
from recognizer.recognition import CLASSES

log = logging.getLogger(__name__)
SHAPE = (3, 28, 28)
KEPT: dict[str, tuple[str, tuple[int, ...]]] = {
    "faces": ("uint8", (2, 128, 128)),
    "landmarks": ("float32", (68, 2)),
    "flow": ("float16", (2, 128, 128)),
}
"""Keys of an archive with faces: type, and shape of a sample."""
MOST_BYTES = 1_000_000_000
"""Of all arrays of an archive: features and faces of 9,000 samples."""
Rows = slice | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Faces:
    """Onset and apex faces of n samples."""

    pictures: npt.NDArray[np.uint8]
    """(n, 2, 128, 128): grey, levelled and cropped."""
    landmarks: npt.NDArray[np.float32]
    """(n, 68, 2): x and y of the onset face's landmarks, in pixels of ``pictures``."""
    flow: npt.NDArray[np.float16]
    """(n, 2, 128, 128): u and v between ``pictures``, in their pixels: the flow behind the features."""


@dataclass(frozen=True)
class Pairs:
    """What a method is given of n samples to classify: neither labels nor names."""

    entire: npt.NDArray[np.uint8]
    """(n, 3, 28, 28)."""
    puzzled: npt.NDArray[np.uint8]
    faces: Faces | None = None


@dataclass(frozen=True)
class FeatureArchive:
    """N samples in one order."""

    entire: npt.NDArray[np.uint8]
    """(N, 3, 28, 28): u, v, |ε| of the whole face, each channel min–max normalised."""
    puzzled: npt.NDArray[np.uint8]
    """The same of the brow–mouth puzzle."""
    label: npt.NDArray[np.int64]
    """(N,): 0 negative, 1 positive, 2 surprise."""
    subject: npt.NDArray[np.str_]
    database: npt.NDArray[np.str_]
    sample: npt.NDArray[np.str_]
    units: npt.NDArray[np.str_] | None = None
    """(N,): action units as the coder wrote them (``L`` and ``R`` are the person's), ``""`` for a sample that
    nobody has coded; None in an archive without codes."""
    faces: npt.NDArray[np.uint8] | None = None
    """(N, 2, 128, 128) as ``Faces.pictures``; None in an archive without faces."""
    landmarks: npt.NDArray[np.float32] | None = None
    """(N, 68, 2) as ``Faces.landmarks``; present exactly when the faces are, as is ``flow``."""
    flow: npt.NDArray[np.float16] | None = None
    """(N, 2, 128, 128) as ``Faces.flow``."""

    def __len__(self) -> int:
        return len(self.label)

    def pairs(self, rows: Rows = slice(None)) -> Pairs:
        """What a method may see of these samples."""
        return Pairs(self.entire[rows], self.puzzled[rows], self.faces_of(rows))

    def faces_of(self, rows: Rows = slice(None)) -> Faces | None:
        """Their faces; None in an archive without faces."""
        if self.faces is None or self.landmarks is None or self.flow is None:
            return None
        return Faces(self.faces[rows], self.landmarks[rows], self.flow[rows])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Key → array, for every array that is present."""
        return {name: values for name, values in vars(self).items() if values is not None}


def load(path: Path, *, told: bool = False) -> FeatureArchive:
    """Reads and checks an archive; AtmeError names the file, the key and what was expected.

    One without a digest, such as a published list, is read with a warning; ``told``: without the warning.
    """
    arrays = read_arrays(path, MOST_BYTES)
    archive = _checked(arrays, path)
    digest = _metadata(arrays["metadata"], path).get(SEAL) if "metadata" in arrays else None
    if digest is None and not told:
        log.warning(f"{path}: carries no digest, so damage to it may go unseen")
    elif digest is not None and digest != digest_of(archive):
        raise AtmeError(
            "unreadable", f"{path}: damaged, its digest does not fit its content; copy or prepare it again"
        )
    return archive


def digest_of(archive: FeatureArchive) -> str:
    """SHA-256 of everything in it."""
    digest = hashlib.sha256()
    for name, values in archive.arrays().items():
        plain = json.dumps(values.tolist()).encode() if values.dtype.kind == "U" else values.tobytes()
        digest.update(f"{name} {values.shape}\n".encode() + plain)
    return digest.hexdigest()


def save(archive: FeatureArchive, path: Path) -> None:
    """Writes an archive with its digest, whole or not at all."""
    metadata = np.array(json.dumps({"preprocessing": PREPROCESSING, SEAL: digest_of(archive)}))
    try:
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, **archive.arrays(), metadata=metadata)  # type: ignore[arg-type]
    except OSError as error:
        raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None


def _checked(arrays: dict[str, npt.NDArray[np.generic]], path: Path) -> FeatureArchive:
    keys = ("entire", "puzzled", "label", "subject", "database", "sample")
    for key in keys:
        if key not in arrays:
            raise AtmeError("unreadable", f"{path}: key '{key}' is missing; expected {', '.join(keys)}")
    if arrays["label"].ndim != 1:
        raise AtmeError("unreadable", f"{path}: key 'label' has shape {arrays['label'].shape}; expected (N,)")
    n = len(arrays["label"])
    if n == 0:
        raise AtmeError("unreadable", f"{path}: key 'label' is empty; expected at least one sample")
    if "metadata" in arrays:
        _check_preprocessing(arrays["metadata"], path)
    features = {key: _feature(arrays[key], key, path) for key in ("entire", "puzzled")}
    for key in keys:
        if key in ("subject", "database", "sample") and arrays[key].dtype.kind != "U":
            raise AtmeError("unreadable", f"{path}: key '{key}' is {arrays[key].dtype}; expected text")
        wanted = (n, *SHAPE) if key in features else (n,)
        if arrays[key].shape != wanted:
            raise AtmeError(
                "unreadable", f"{path}: key '{key}' has shape {arrays[key].shape}; expected {wanted}"
            )
    faces = _faces(arrays, n, path)
    return FeatureArchive(
        entire=features["entire"],
        puzzled=features["puzzled"],
        label=_label(arrays["label"], path),
        subject=arrays["subject"].astype(np.str_),
        database=arrays["database"].astype(np.str_),
        sample=arrays["sample"].astype(np.str_),
        units=_units(arrays, n, path),
        faces=faces.pictures if faces else None,
        landmarks=faces.landmarks if faces else None,
        flow=faces.flow if faces else None,
    )


def _units(arrays: dict[str, npt.NDArray[np.generic]], n: int, path: Path) -> npt.NDArray[np.str_] | None:
    if "units" not in arrays:
        return None
    values = arrays["units"]
    if values.dtype.kind != "U" or values.shape != (n,):
        raise AtmeError(
            "unreadable", f"{path}: key 'units' is {values.dtype} {values.shape}; expected text ({n},)"
        )
    return values.astype(np.str_)


def _faces(arrays: dict[str, npt.NDArray[np.generic]], n: int, path: Path) -> Faces | None:
    """All of ``faces``, ``landmarks`` and ``flow``, or none."""
    present = [key for key in KEPT if key in arrays]
    if not present:
        return None
    for key, (kind, shape) in KEPT.items():
        if key not in arrays:
            raise AtmeError(
                "unreadable", f"{path}: key '{key}' is missing beside '{present[0]}'; prepare it again"
            )
        values = arrays[key]
        if values.dtype != kind or values.shape != (n, *shape):
            raise AtmeError(
                "unreadable",
                f"{path}: key '{key}' is {values.dtype} {values.shape}; expected {kind} {(n, *shape)}",
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise AtmeError("unreadable", f"{path}: key '{key}' holds NaN or infinity; prepare it again")
    faces, landmarks, flow = (arrays[key] for key in KEPT)
    return Faces(faces.astype(np.uint8), landmarks.astype(np.float32), flow.astype(np.float16))


def _metadata(text: npt.NDArray[np.generic], path: Path) -> dict[str, Any]:
    try:
        made = parse_json(str(text))
    except ValueError:
        made = None
    if not isinstance(made, dict) or not isinstance(made.get("preprocessing"), int):
        raise AtmeError(
            "unreadable", f"{path}: key 'metadata' is damaged; expected the record of atme-train prepare"
        )
    return made


def _check_preprocessing(metadata: npt.NDArray[np.generic], path: Path) -> None:
    """An archive of ``atme-train prepare`` says how it was made; published lists say nothing."""
    made = _metadata(metadata, path)["preprocessing"]
    if made != PREPROCESSING:
        raise AtmeError(
            "unreadable",
            f"{path}: key 'metadata' says preprocessing version {made}; expected {PREPROCESSING}, "
            "so prepare it again",
        )


def _feature(values: npt.NDArray[np.generic], key: str, path: Path) -> npt.NDArray[np.uint8]:
    """Features as uint8; floats pass where they are whole numbers 0–255."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    if values.dtype.kind not in "fiu":
        raise AtmeError("unreadable", f"{path}: key '{key}' is {values.dtype}; expected uint8")
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise AtmeError(
            "unreadable", f"{path}: key '{key}' holds NaN or infinity; expected uint8 values 0–255"
        )
    if numbers.size and (numbers.min() < 0 or numbers.max() > 255 or (numbers % 1).any()):
        raise AtmeError(
            "unreadable",
            f"{path}: key '{key}' holds {values.dtype} values {numbers.min():.3g} to {numbers.max():.3g}; "
            "expected whole numbers 0–255",
        )
    return numbers.astype(np.uint8)


def _label(values: npt.NDArray[np.generic], path: Path) -> npt.NDArray[np.int64]:
    known = ", ".join(f"{k} {name}" for k, name in enumerate(CLASSES))
    if values.dtype.kind not in "iuf":
        raise AtmeError(
            "unreadable", f"{path}: key 'label' is {values.dtype}; expected whole numbers ({known})"
        )
    wrong = values[~np.isin(values, range(len(CLASSES)))]
    if len(wrong):
        raise AtmeError(
            "unreadable", f"{path}: key 'label' holds the unknown class {wrong[0]}; expected {known}"
        )
    return values.astype(np.int64)
