"""A model's metadata, stored inside its ONNX file under the key ``atme``."""

from __future__ import annotations

import json
from dataclasses import Field, asdict, dataclass, fields
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.untrusted_text import parse_json
from recognizer.recognition import CLASSES
from recognizer.units import UNITS

KEY = "atme"
PREPROCESSING = 1
"""Version of align → crop → puzzle → flow → feature; increased whenever features change."""

_SENSIBLE: dict[str, tuple[tuple[type, ...], float, float]] = {
    "preprocessing": ((int,), 0, 1000),
    "working_size": ((int,), 28, 512),
    "temperature": ((int, float), 1e-6, 1e6),
    "nothing": ((bool,), 0, 1),
    "refusal": ((int, float), 0, 1),
}
"""Types of the entries, and their minimum and maximum values."""


@dataclass(frozen=True)
class ModelInfo:
    """Everything that must hold for a model's output to mean something."""

    name: str
    trained_on: str
    """Which data and how many samples, in words."""
    command: str
    """The command that reproduces the weights."""
    preprocessing: int = PREPROCESSING
    working_size: int = 128
    """Side of the face and puzzle images between which flow is computed, pixels."""
    flow: str = "tvl1"
    classes: tuple[str, ...] = CLASSES
    temperature: float = 1.0
    """Logits are divided by this before the softmax (calibration)."""
    nothing: bool = False
    """The network has one logit more than classes, the last one: no emotion (blink, speech, noise, …)."""
    refusal: float = 0.0
    """Below this evidence (see ``Prediction``) the label is ``uncertain``."""
    units: tuple[str, ...] = ()
    """Action units of its output ``units``, in order; empty where it has no such output."""
    unit_thresholds: tuple[float, ...] = ()
    """From this probability up, a unit counts as active."""
    unit_weights: tuple[tuple[float, ...], ...] = ()
    """For each unit, by how much its presence raises each class's log-odds: a summary of the network."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelInfo:
        """Reads and checks the metadata; AtmeError where this program cannot serve the model."""
        try:
            raw = parse_json(text)
            given = [f.name for f in fields(cls) if f.name in raw or not _later(f)]
            info = cls(**{name: _frozen(raw[name]) for name in given})
            info._check()
        except (ValueError, KeyError, TypeError) as error:
            raise AtmeError(
                "unreadable", f"{where}: its atme metadata is damaged ({error!r}); export the model again"
            ) from None
        if info.preprocessing != PREPROCESSING:
            raise AtmeError(
                "unreadable",
                f"{where}: made for preprocessing version {info.preprocessing}, this program has "
                f"{PREPROCESSING}; retrain or export the model again",
            )
        if info.flow != "tvl1":
            raise AtmeError(
                "unreadable", f"{where}: made for {info.flow} flow, this program has tvl1; retrain the model"
            )
        return info

    def _check(self) -> None:
        """ValueError for impossible values."""
        for name, (kind, low, high) in _SENSIBLE.items():
            value = getattr(self, name)
            if type(value) not in kind or not low <= value <= high:
                raise ValueError(name)
        texts = (self.name, self.trained_on, self.command, self.flow, *self.classes)
        if not all(isinstance(text, str) and len(text) < 10_000 for text in texts):
            raise ValueError("texts")
        if not 2 <= len(set(self.classes)) == len(self.classes) <= 16:
            raise ValueError("classes")
        if not all(name.isprintable() and 0 < len(name) <= 32 for name in self.classes):
            raise ValueError("classes")
        self._check_units()

    def _check_units(self) -> None:
        count = len(self.units)
        if len(set(self.units)) != count or not all(unit in UNITS for unit in self.units):
            raise ValueError("units")
        if len(self.unit_thresholds) != count or not all(_number(one, 0, 1) for one in self.unit_thresholds):
            raise ValueError("unit_thresholds")
        if len(self.unit_weights) != count:
            raise ValueError("unit_weights")
        for row in self.unit_weights:
            if len(row) != len(self.classes) or not all(_number(one, -1e6, 1e6) for one in row):
                raise ValueError("unit_weights")


def _number(value: object, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _later(field: Field[Any]) -> bool:
    """Older weights, from before action units, have no such entries."""
    return field.name.startswith("unit")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
