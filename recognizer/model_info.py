"""What a model says of itself, carried inside its ONNX file under the metadata key ``atme``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from recognizer.untrusted_text import parse_json

KEY = "atme"
PREPROCESSING = 1
"""Version of align → crop → puzzle → flow → feature. Raised whenever features change."""

_SENSIBLE: dict[str, tuple[tuple[type, ...], float, float]] = {
    "preprocessing": ((int,), 0, 1000),
    "working_size": ((int,), 28, 512),
    "temperature": ((int, float), 1e-6, 1e6),
    "nothing": ((bool,), 0, 1),
    "refusal": ((int, float), 0, 1),
}
"""Types of the entries, and their least and greatest values."""


@dataclass(frozen=True)
class ModelInfo:
    """Everything that must hold for a model's output to mean something."""

    name: str
    trained_on: str
    """In words: which data, how many samples."""
    command: str
    """The command that reproduces the weights."""
    preprocessing: int = PREPROCESSING
    working_size: int = 128
    """Side of the face and puzzle pictures between which flow is computed, pixels."""
    flow: str = "tvl1"
    classes: tuple[str, ...] = CLASSES
    temperature: float = 1.0
    """Logits are divided by this before the softmax (calibration)."""
    nothing: bool = False
    """The network has one logit more than classes, the last: no emotion (blink, speech, noise, …)."""
    refusal: float = 0.0
    """Below this evidence (see ``Judgement``) the label is ``uncertain``."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelInfo:
        """Reads and checks the metadata; AtmeError where this program cannot serve the model."""
        try:
            raw = parse_json(text)
            info = cls(**{f.name: raw[f.name] for f in fields(cls)})
            info = cls(**{**asdict(info), "classes": tuple(info.classes)})
            info._check()
        except (ValueError, KeyError, TypeError) as error:
            raise AtmeError(
                f"{where}: its atme metadata is damaged ({error!r}); export the model again"
            ) from None
        if info.preprocessing != PREPROCESSING:
            raise AtmeError(
                f"{where}: made for preprocessing version {info.preprocessing}, this program has "
                f"{PREPROCESSING}; retrain or export the model again"
            )
        if info.flow != "tvl1":
            raise AtmeError(f"{where}: made for {info.flow} flow, this program has tvl1; retrain the model")
        return info

    def _check(self) -> None:
        """ValueError for values that no model can mean."""
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
