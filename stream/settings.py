"""All settings, read from ``atme.toml`` and checked, so that a typing mistake gives one clear line."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from recognizer.errors import AtmeError, read_code
from recognizer.files.setting_errors import in_words
from recognizer.files.setting_types import NO_OTHERS, Number, Switch, Text, setting_dataclass
from recognizer.files.untrusted_text import parse_toml
from spotting.motion import MotionConfig
from spotting.sensitivity import Sensitivity
from spotting.spotter_config import SpotterConfig
from stream.settings_contradictions import contradictions_in
from stream.sources import CameraConfig

HERE = Path("atme.toml")
"""The settings file in the current folder."""
MOST_BYTES = 1_000_000


@setting_dataclass(frozen=True, config=NO_OTHERS)
class RecognizerConfig:
    """Which model labels movements, and what it reports."""

    weights: Text = ""
    """An .onnx file made by atme-train; empty: the weights that came with the program."""
    units: Switch = True
    """Report which action units moved, on which side and how far."""


@setting_dataclass(frozen=True, config=NO_OTHERS)
class SessionConfig:
    """How frames flow."""

    backlog_ms: Annotated[Number, Field(gt=0, le=10_000)] = 250.0
    """Live: processing may be this late before the oldest frames are dropped."""
    stall_timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 5.0
    """A live source that delivers nothing for this long is gone: ``atme live`` then waits for its return."""
    image_fps: Annotated[Number, Field(gt=0, le=10_000)] = 100.0
    """Frames a second of a folder of images, which carries no times of its own."""
    fps: Annotated[Number, Field(ge=0, le=10_000)] = 0.0
    """Frames a second of a recording whose own times are missing or wrong; 0: the recording's own times."""
    slow_motion: Annotated[Number, Field(gt=0, le=10_000)] = 1.0
    """A high-speed recording that plays this many times slower than real time: its times are divided by
    it."""
    min_fps: Annotated[Number, Field(ge=0, le=10_000)] = 25.0
    """Below this measured rate the overlay warns: a micro-expression would fall between two frames."""

    @property
    def recording_clock(self) -> dict[str, float]:
        """Arguments of ``open_recording`` about a recording's times."""
        own = {"fps": self.fps} if self.fps else {}
        return {"slow_motion": self.slow_motion, "image_fps": self.image_fps, **own}


@setting_dataclass(frozen=True, config=NO_OTHERS)
class Settings:
    """All settings; each section is the configuration of one part of the program."""

    camera: CameraConfig = field(default_factory=CameraConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    recognizer: RecognizerConfig = field(default_factory=RecognizerConfig)

    @model_validator(mode="after")
    def _without_contradictions(self) -> Settings:
        for contradiction in contradictions_in(self):
            raise ValueError(contradiction)
        return self


def settings_file(given: Path | None = None) -> Path | None:
    """The file that settings come from: the one given, ``atme.toml`` here, or the one in the user's
    configuration folder; None where there is none and the defaults hold."""
    if given is not None:
        return given
    return next((path for path in (HERE, user_file()) if path.is_file()), None)


def user_file() -> Path:
    """``atme.toml`` in the user's configuration folder."""
    from platformdirs import user_config_path

    return user_config_path("atme-live") / HERE.name


def load_settings(path: str | Path | None = None, sensitivity: Sensitivity | None = None) -> Settings:
    """Settings from a file (None: the one that ``settings_file`` finds, or the defaults).

    ``sensitivity`` replaces the file's; numbers given in the file still take precedence over those of the
    name. AtmeError, one line, for a file that is missing or not TOML, an unknown key, or an impossible value.
    """
    path = settings_file(None if path is None else Path(path))
    if path is None:
        return Settings(spotter=SpotterConfig(sensitivity=sensitivity or "normal"))
    raw = read_settings(path)
    settings = _checked(raw, path)
    if sensitivity is not None:
        settings = _checked({**raw, "spotter": {**raw.get("spotter", {}), "sensitivity": sensitivity}}, path)
    return settings


def read_settings(path: Path) -> dict[str, Any]:
    """What a settings file says, unchecked. AtmeError where it is missing or not TOML."""
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise AtmeError("unreadable", f"{path}: too large for a settings file; name another one")
        return parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AtmeError(
            read_code(error), f"{path}: cannot be read ({error.strerror}); name an existing settings file"
        ) from None
    except ValueError as error:
        raise AtmeError("unreadable", f"{path}: not valid TOML ({error}); correct that line") from None


def _checked(raw: dict[str, Any], path: Path) -> Settings:
    try:
        return TypeAdapter(Settings).validate_python(raw)
    except ValidationError as error:
        raise AtmeError("invalid", f"{path}: {in_words(error, Settings)}") from None
