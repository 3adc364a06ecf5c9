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


@dataclass(frozen=True)
class FeatureArchive:
    """N samples in one order."""

    entire: npt.NDArray[np.uint8]
    """(N, 3, 28, 28): u, v, |ε| of the whole face, min–max a channel."""
    puzzled: npt.NDArray[np.uint8]
    """The same of the brow–mouth puzzle."""
    label: npt.NDArray[np.int64]
    """(N,): 0 negative, 1 positive, 2 surprise."""
    subject: npt.NDArray[np.str_]
    database: npt.NDArray[np.str_]
    sample: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)


def load(path: Path, *, told: bool = False) -> FeatureArchive:
    """Reads and checks an archive; AtmeError names the file, the key and what was expected.

    One without a digest, as published lists are, is read with a word of it; ``told``: without.
    """
    arrays = read_arrays(path)
    archive = _checked(arrays, path)
    digest = _metadata(arrays["metadata"], path).get(SEAL) if "metadata" in arrays else None
    if digest is None and not told:
        log.warning(f"{path}: carries no digest, so damage to it may go unseen")
    elif digest is not None and digest != digest_of(archive):
        raise AtmeError(f"{path}: damaged, its digest does not fit its content; copy or prepare it again")
    return archive


def digest_of(archive: FeatureArchive) -> str:
    """SHA-256 of everything in it."""
    digest = hashlib.sha256()
    for name, values in vars(archive).items():
        plain = json.dumps(values.tolist()).encode() if values.dtype.kind == "U" else values.tobytes()
        digest.update(f"{name} {values.shape}\n".encode() + plain)
    return digest.hexdigest()


def save(archive: FeatureArchive, path: Path) -> None:
    """Writes an archive with its digest, whole or not at all."""
    metadata = np.array(json.dumps({"preprocessing": PREPROCESSING, SEAL: digest_of(archive)}))
    try:
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, **vars(archive), metadata=metadata)
    except OSError as error:
        raise AtmeError(f"{path}: cannot be written ({error.strerror or error})") from None


def _checked(arrays: dict[str, npt.NDArray[np.generic]], path: Path) -> FeatureArchive:
    keys = ("entire", "puzzled", "label", "subject", "database", "sample")
    for key in keys:
        if key not in arrays:
            raise AtmeError(f"{path}: key '{key}' is missing; expected {', '.join(keys)}")
    if arrays["label"].ndim != 1:
        raise AtmeError(f"{path}: key 'label' has shape {arrays['label'].shape}; expected (N,)")
    n = len(arrays["label"])
    if n == 0:
        raise AtmeError(f"{path}: key 'label' is empty; expected at least one sample")
    if "metadata" in arrays:
        _check_preprocessing(arrays["metadata"], path)
    features = {key: _feature(arrays[key], key, path) for key in ("entire", "puzzled")}
    for key in keys:
        if key in ("subject", "database", "sample") and arrays[key].dtype.kind != "U":
            raise AtmeError(f"{path}: key '{key}' is {arrays[key].dtype}; expected text")
        wanted = (n, *SHAPE) if key in features else (n,)
        if arrays[key].shape != wanted:
            raise AtmeError(f"{path}: key '{key}' has shape {arrays[key].shape}; expected {wanted}")
    return FeatureArchive(
        features["entire"],
        features["puzzled"],
        _label(arrays["label"], path),
        *(arrays[key].astype(np.str_) for key in ("subject", "database", "sample")),
    )


def _metadata(text: npt.NDArray[np.generic], path: Path) -> dict[str, Any]:
    try:
        made = parse_json(str(text))
    except ValueError:
        made = None
    if not isinstance(made, dict) or not isinstance(made.get("preprocessing"), int):
        raise AtmeError(f"{path}: key 'metadata' is damaged; expected the record of atme-train prepare")
    return made


def _check_preprocessing(metadata: npt.NDArray[np.generic], path: Path) -> None:
    """An archive of ``atme-train prepare`` says how it was made; published lists say nothing."""
    made = _metadata(metadata, path)["preprocessing"]
    if made != PREPROCESSING:
        raise AtmeError(
            f"{path}: key 'metadata' says preprocessing version {made}; expected {PREPROCESSING}, "
            "so prepare it again"
        )


def _feature(values: npt.NDArray[np.generic], key: str, path: Path) -> npt.NDArray[np.uint8]:
    """Features as uint8; floats pass where they are whole numbers 0–255."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    if values.dtype.kind not in "fiu":
        raise AtmeError(f"{path}: key '{key}' is {values.dtype}; expected uint8")
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise AtmeError(f"{path}: key '{key}' holds NaN or infinity; expected uint8 values 0–255")
    if numbers.size and (numbers.min() < 0 or numbers.max() > 255 or (numbers % 1).any()):
        raise AtmeError(
            f"{path}: key '{key}' holds {values.dtype} values {numbers.min():.3g} to {numbers.max():.3g}; "
            "expected whole numbers 0–255"
        )
    return numbers.astype(np.uint8)


def _label(values: npt.NDArray[np.generic], path: Path) -> npt.NDArray[np.int64]:
    known = ", ".join(f"{k} {name}" for k, name in enumerate(CLASSES))
    if values.dtype.kind not in "iuf":
        raise AtmeError(f"{path}: key 'label' is {values.dtype}; expected whole numbers ({known})")
    wrong = values[~np.isin(values, range(len(CLASSES)))]
    if len(wrong):
        raise AtmeError(f"{path}: key 'label' holds the unknown class {wrong[0]}; expected {known}")
    return values.astype(np.int64)
