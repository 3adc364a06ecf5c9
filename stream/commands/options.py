"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.errors import AtmeError

if TYPE_CHECKING:
    from stream.settings import Settings

EventsOption = Annotated[Path | None, typer.Option("--events", help="Write each event to this .jsonl file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of the overlay.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; see atme config.")]
WeightsOption = Annotated[Path | None, typer.Option("--weights", help="Model made by atme-train (.onnx).")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Keep the session in this new folder.")]
FacesOption = Annotated[bool, typer.Option("--save-faces", help="With --out: also save images of the faces.")]
ClipsOption = Annotated[
    bool, typer.Option("--save-clips", help="With --out: also save a short video around each movement.")
]
RecordOption = Annotated[Path | None, typer.Option("--record", help="Record the video, without sound.")]
UnitsOption = Annotated[bool, typer.Option("--no-units", help="Report labels only, no action units.")]
LslOption = Annotated[bool, typer.Option("--lsl", help="Send events as Lab Streaming Layer markers.")]
RejectedOption = Annotated[
    bool, typer.Option("--show-rejected", help="Lines: also print rejected movements, and why.")
]
MacroOption = Annotated[
    bool, typer.Option("--show-macro", help="Lines, overlay and --render: also show macro-expressions.")
]
SoundOption = Annotated[bool, typer.Option("--sound", help="A short tone for each event; key s.")]
AsciiOption = Annotated[bool, typer.Option("--ascii", help="Overlay in ASCII characters only.")]
FpsOption = Annotated[
    float | None, typer.Option("--fps", help="Frame rate of a recording whose own times are wrong.")
]
SlowMotionOption = Annotated[
    float | None,
    typer.Option("--slow-motion", help="The recording plays this many times slower than real time."),
]
ParticipantOption = Annotated[str, typer.Option("--participant", help="With --out: the participant's code.")]
ConditionOption = Annotated[str, typer.Option("--condition", help="With --out: the experimental condition.")]
RenderOption = Annotated[
    Path | None, typer.Option("--render", help="Write a video with the events drawn into it.")
]


class SensitivityName(str, Enum):
    """The operating points of ``spotting.sensitivity``."""

    quiet = "quiet"
    normal = "normal"
    keen = "keen"


SensitivityOption = Annotated[
    SensitivityName | None,
    typer.Option(
        "--sensitivity",
        help="How much is found against how often it is wrong (on rendered faces 0.1, 0.3 or 1.2 false "
        "alarms a minute); default: settings.",
    ),
]


class Speed(str, Enum):
    """How fast a recording is replayed."""

    realtime = "realtime"
    max = "max"


class Executor(str, Enum):
    """Where a batch is processed."""

    local = "local"
    ray = "ray"


def settings_from(
    config: Path | None,
    weights: Path | None,
    sensitivity: SensitivityName | None = None,
    no_units: bool = False,
) -> Settings:
    """The settings of the file, overridden by what the command line says."""
    from stream.settings import load_settings

    settings = load_settings(config, None if sensitivity is None else sensitivity.value)
    if weights is not None:
        settings = replace(settings, recognizer=replace(settings.recognizer, weights=str(weights)))
    if no_units:
        settings = replace(settings, recognizer=replace(settings.recognizer, units=False))
    return settings


def with_clock(settings: Settings, fps: float | None, slow_motion: float | None) -> Settings:
    """The settings with the recording's clock as given on the command line."""
    given = {"fps": fps, "slow_motion": slow_motion}
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            raise AtmeError(
                "invalid", f"--{name.replace('_', '-')} {value:g}: impossible; give a number above 0"
            )
    told = {name: value for name, value in given.items() if value is not None}
    return replace(settings, session=replace(settings.session, **told))
