"""Every setting, read from ``config.toml`` and checked, so that a typing error is one clear line."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from recognizer.errors import AtmeError
from recognizer.files.untrusted_text import parse_toml
from spotting.motion import MotionConfig
from spotting.sensitivity import Sensitivity
from spotting.spotter import SpotterConfig
from stream.settings_sense import RENAMED, nonsense_in
from stream.sources import CameraConfig

CONFIG_FILE = Path("config.toml")
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class RecognizerConfig:
    """Which model labels, and what it tells."""

    weights: str = ""
    """An .onnx file made by atme-train; empty: the weights that came with the program."""
    units: bool = True
    """Tell which action units moved, on which side and how far."""


@dataclass(frozen=True)
class SessionConfig:
    """How frames flow."""

    backlog_ms: float = 250.0
    """Live: processing may be this late before the oldest frames are dropped."""
    stall_timeout_s: float = 5.0
    """A live source that delivers nothing for this long is gone: ``atme live`` then waits for its return."""
    image_fps: float = 100.0
    """Frames a second of a folder of images, which carries no times of its own."""
    fps: float = 0.0
    """Frames a second of a recording whose own times are missing or wrong; 0: the recording's own times."""
    slow_motion: float = 1.0
    """A high-speed recording that plays this many times slower than life: its times are divided by it."""
    min_fps: float = 25.0
    """Below this measured rate the overlay warns: a micro-expression would fall between two frames."""

    @property
    def recording_clock(self) -> dict[str, float]:
        """What ``open_recording`` is to know of a recording's times."""
        own = {"fps": self.fps} if self.fps else {}
        return {"slow_motion": self.slow_motion, "image_fps": self.image_fps, **own}


@dataclass(frozen=True)
class Settings:
    """All settings; each section is the config dataclass of the part it steers."""

    camera: CameraConfig = field(default_factory=CameraConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    recognizer: RecognizerConfig = field(default_factory=RecognizerConfig)


def load_settings(path: Path | None = None, sensitivity: Sensitivity | None = None) -> Settings:
    """Settings from a file (None: ``config.toml`` here if there is one, else the defaults).

    ``sensitivity`` replaces the file's; the numbers that the file gives still win over those of the name.
    AtmeError, one line, for a file that is missing or not TOML, an unknown key, or a value of a wrong type.
    """
    if path is None:
        if not CONFIG_FILE.is_file():
            return Settings(spotter=SpotterConfig(sensitivity=sensitivity or "normal"))
        path = CONFIG_FILE
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise AtmeError(f"{path}: too large for a settings file; name another one")
        raw = parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AtmeError(
            f"{path}: cannot be read ({error.strerror}); name an existing settings file"
        ) from None
    except ValueError as error:
        raise AtmeError(f"{path}: not valid TOML ({error}); mend that line") from None
    settings: Settings = _section(raw, Settings, str(path))
    if sensitivity is not None:
        raw["spotter"] = {**raw.get("spotter", {}), "sensitivity": sensitivity}
        settings = _section(raw, Settings, str(path))
    for wanted in nonsense_in(settings):
        raise AtmeError(f"{path}: {wanted}; mend these settings")
    return settings


def _section(raw: dict[str, Any], kind: type, where: str, prefix: str = "") -> Any:
    """The section's dataclass with the values given, each checked."""
    hints = get_type_hints(kind)
    valid = [f.name for f in fields(kind)]
    values = {}
    for key, value in raw.items():
        if new := RENAMED.get(f"{prefix}{key}"):
            raise AtmeError(f"{where}: {prefix}{key} is now called {new}; rename it")
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
            advice = f"did you mean {prefix}{near[0]}?" if near else f"valid here: {', '.join(valid)}"
            raise AtmeError(f"{where}: unknown setting {prefix}{key}; {advice}")
        if f"{prefix}{key}" == "spotter.sensitivity" and isinstance(value, (int, float)):
            raise AtmeError(
                f"{where}: spotter.sensitivity = {value} is now called spotter.threshold_factor; rename it"
            )
        if not is_dataclass(hints[key]):
            values[key] = _value(value, hints[key], f"{where}: {prefix}{key}")
        elif isinstance(value, dict):
            values[key] = _section(value, hints[key], where, f"{prefix}{key}.")
        else:
            raise AtmeError(f"{where}: {prefix}{key} is a section; write [{prefix}{key}] above its settings")
    return kind(**values)


def _value(value: Any, kind: type, where: str) -> Any:
    try:
        checked: Any = TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        message = error.errors()[0]["msg"].lower()
        raise AtmeError(f"{where} = {value!r} does not fit: {message}") from None
    if isinstance(checked, (int, float)) and not 0 <= checked < math.inf:
        raise AtmeError(f"{where} = {value!r} does not fit: input should be a number from 0 up")
    return checked
