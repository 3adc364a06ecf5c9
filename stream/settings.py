"""Every setting, read from ``config.toml`` and checked, so that a typing error is one clear line."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from recognizer.errors import AtmeError
from spotting.motion import MotionConfig
from spotting.spotter import SpotterConfig
from stream.sources import CameraConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG_FILE = Path("config.toml")


@dataclass(frozen=True)
class RecognizerConfig:
    """Which model labels."""

    weights: str = ""
    """An .onnx file made by atme-train; empty: the weights that came with the program."""


@dataclass(frozen=True)
class SessionConfig:
    """How frames flow."""

    backlog_ms: float = 250.0
    """Live: processing may be this late before the oldest frames are dropped."""
    stall_timeout_s: float = 5.0
    """A live source that delivers nothing for this long has failed."""
    image_fps: float = 100.0
    """Frames a second of a folder of images, which carries no times of its own."""
    min_fps: float = 25.0
    """Below this measured rate the overlay warns: a micro-expression would fall between two frames."""


@dataclass(frozen=True)
class Settings:
    """All settings; each section is the config dataclass of the part it steers."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    camera: CameraConfig = field(default_factory=CameraConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    recognizer: RecognizerConfig = field(default_factory=RecognizerConfig)


def load_settings(path: Path | None = None) -> Settings:
    """Settings from a file (None: ``config.toml`` here if there is one, else the defaults).

    AtmeError, one line, for a file that is missing or not TOML, an unknown key, or a value of a wrong type.
    """
    if path is None:
        if not CONFIG_FILE.is_file():
            return Settings()
        path = CONFIG_FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AtmeError(
            f"{path}: cannot be read ({error.strerror}); name an existing settings file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AtmeError(f"{path}: not valid TOML ({error}); mend that line") from None
    _refuse_unknown(raw, Settings, str(path))
    try:
        return TypeAdapter(Settings).validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        given = first["input"]
        raise AtmeError(f"{path}: {where} = {given!r} does not fit: {first['msg'].lower()}") from None


def _refuse_unknown(raw: dict[str, Any], kind: type, where: str, prefix: str = "") -> None:
    hints = get_type_hints(kind)
    valid = [f.name for f in fields(kind)]
    for key, value in raw.items():
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
            advice = f"did you mean {prefix}{near[0]}?" if near else f"valid here: {', '.join(valid)}"
            raise AtmeError(f"{where}: unknown setting {prefix}{key}; {advice}")
        if is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise AtmeError(
                    f"{where}: {prefix}{key} is a section; write [{prefix}{key}] above its settings"
                )
            _refuse_unknown(value, hints[key], where, f"{prefix}{key}.")
