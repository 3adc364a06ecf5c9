"""The folder of one leave-one-subject-out run: its configuration, and every finished fold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.npz import read_arrays
from recognizer.files.untrusted_text import parse_toml
from recognizer.files.write import replacing, write_file

Setting = str | int | float | bool


@dataclass(frozen=True)
class FoldResult:
    """What one trained network predicted for the subject that it had never seen."""

    seed: int
    fold: int
    """Number of the fold, by name."""
    probabilities: npt.NDArray[np.float64]
    """(test samples, 3)."""
    leak: npt.NDArray[np.float64] | None
    """(epochs, test samples, 3) where the run shows what peeking would have claimed."""
    attention: npt.NDArray[np.float32] | None
    """(test samples, 2, 7, 7) where the run keeps the network's attention."""
    seconds: float


class RunFolder:
    """``config.toml`` and ``parts/``: an interrupted run resumes from here."""

    def __init__(self, path: Path, settings: dict[str, Setting]) -> None:
        """Creates or opens the folder. AtmeError where it holds another run or cannot be written."""
        self.path = path
        file = path / "config.toml"
        try:
            (path / "parts").mkdir(parents=True, exist_ok=True)
            if file.exists():
                _check_same(_read(file), settings, file)
            else:
                write_file(file, _toml(settings).encode())
        except OSError as error:
            raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None

    def save(self, result: FoldResult) -> None:
        """Keeps one fold, whole or not at all."""
        path = self._part(result.seed, result.fold)
        arrays = {"probabilities": result.probabilities, "seconds": np.float64(result.seconds)}
        for name in ("leak", "attention"):
            if getattr(result, name) is not None:
                arrays[name] = getattr(result, name)
        try:
            with replacing(path) as draft, draft.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None

    def has(self, seed: int, fold: int) -> bool:
        """True once this fold is finished."""
        return self._part(seed, fold).is_file()

    def load(self, seed: int, fold: int) -> FoldResult:
        """A finished fold; AtmeError where its file is damaged."""
        path = self._part(seed, fold)
        part: dict[str, Any] = read_arrays(path)
        try:
            seconds = float(part["seconds"])
            return FoldResult(
                seed, fold, part["probabilities"], part.get("leak"), part.get("attention"), seconds
            )
        except (ValueError, KeyError, TypeError) as error:
            raise AtmeError(
                "unreadable", f"{path}: damaged ({error}); delete it and run the same command again"
            ) from None

    def _part(self, seed: int, fold: int) -> Path:
        return self.path / "parts" / f"{seed}-{fold}.npz"


def _check_same(there: dict[str, Any], wanted: dict[str, Setting], file: Path) -> None:
    for name, value in wanted.items():
        if name not in there or there[name] != value:
            raise AtmeError(
                "mismatch",
                f"{file}: belongs to another run, its {name} is {there.get(name)!r} and not {value!r}; "
                "give another --out, or delete the folder",
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AtmeError(
            "unreadable", f"{file}: not readable ({error}); give another --out, or delete the folder"
        ) from None


def _toml(settings: dict[str, Setting]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: Setting) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
