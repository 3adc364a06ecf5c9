"""The ``atme`` command: setup, live, replay, recognize, demo, doctor. Uses only what the Python API has."""

from __future__ import annotations

import json as json_format
import math
import sys
from dataclasses import asdict, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.console.command_line import run
from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError
from stream.commands import records as records_cli
from stream.commands import review as review_cli

if TYPE_CHECKING:  # at run time each command imports what it needs: --help must not load MediaPipe
    from stream.event import MicroExpression
    from stream.frame import Image
    from stream.settings import Settings

app = typer.Typer(
    help="Sees facial micro-expressions live, on a webcam or in a recorded video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

records_cli.register(app)
review_cli.register(app)

EventsOption = Annotated[Path | None, typer.Option("--events", help="Write each event to this .jsonl file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of the overlay.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; default ./config.toml.")]
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
    """Where a batch is worked on."""

    local = "local"
    ray = "ray"


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options for every command; ``main`` reads --debug itself, before any command can fail."""


@app.command()
def live(
    camera: Annotated[str | None, typer.Argument(help="Camera number or name; default: settings.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Address of a stream instead: http, https, rtsp, udp, tcp.")
    ] = None,
    events: EventsOption = None,
    out: OutOption = None,
    save_faces: FacesOption = False,
    save_clips: ClipsOption = False,
    record: RecordOption = None,
    participant: ParticipantOption = "",
    condition: ConditionOption = "",
    lsl: LslOption = False,
    show_rejected: RejectedOption = False,
    show_macro: MacroOption = False,
    sound: SoundOption = False,
    ascii_only: AsciiOption = False,
    json: JsonOption = False,
    sensitivity: SensitivityOption = None,
    config: ConfigOption = None,
    weights: WeightsOption = None,
    no_units: UnitsOption = False,
) -> None:
    """Watch a camera or a live stream until q is pressed.

    Keys: q quit, p pause, m mark this moment, r list macro-expressions and what was rejected, s sound, c
    snapshot, h help.
    """
    from spotting.reviews.study import Who
    from stream.commands.watch_session import watch_session
    from stream.records.records import RecordOptions
    from stream.session import Session

    settings = _settings(config, weights, sensitivity, no_units)
    keep = RecordOptions(
        out, save_faces, record, lsl=lsl, save_clips=save_clips, who=Who(participant, condition)
    )
    if source is not None and camera is not None:
        raise AtmeError("a camera and --source at once; give one of them")
    if source is not None and "://" not in source:
        raise AtmeError(
            f"--source {source}: no URL; recordings are for atme replay, cameras need no --source"
        )
    opener = partial(Session.camera, camera) if source is None else partial(Session.open, source)
    opener = partial(opener, settings, wait=True)
    watch_session(opener, events, json, keep, None, None, show_rejected, sound, ascii_only, show_macro)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Video files, or folders of images.")],
    speed: Annotated[Speed, typer.Option(help="At recorded speed, or as fast as possible.")] = Speed.realtime,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Batch: recordings at a time; each gets a session folder in --out."),
    ] = None,
    executor: Annotated[Executor, typer.Option(help="Batch: on this machine, or on Ray.")] = Executor.local,
    fps: FpsOption = None,
    slow_motion: SlowMotionOption = None,
    events: EventsOption = None,
    out: OutOption = None,
    save_faces: FacesOption = False,
    record: RecordOption = None,
    participant: ParticipantOption = "",
    condition: ConditionOption = "",
    render: RenderOption = None,
    show_rejected: RejectedOption = False,
    show_macro: MacroOption = False,
    sound: SoundOption = False,
    ascii_only: AsciiOption = False,
    json: JsonOption = False,
    sensitivity: SensitivityOption = None,
    config: ConfigOption = None,
    weights: WeightsOption = None,
    no_units: UnitsOption = False,
) -> None:
    """Replay recordings through the live pipeline; no frame is dropped, and results are exactly
    reproducible."""
    from spotting.reviews.study import Who
    from stream.batch.session_names import session_names
    from stream.commands.watch_session import watch_session
    from stream.records.folder import check_new
    from stream.records.records import RecordOptions
    from stream.session import Session

    settings = _with_clock(_settings(config, weights, sensitivity, no_units), fps, slow_motion)
    if jobs is not None or executor is Executor.ray:
        if out is None or events or json or record or render:
            raise AtmeError(
                "a batch (--jobs, --executor) writes session folders: give --out, no other output"
            )
        if participant or condition:
            raise AtmeError("--participant with a batch; name whom each session shows in study.toml")
        _batch(files, out, settings, save_faces, jobs or 1, executor)
        return
    several = len(files) > 1
    if several and (record or render):
        raise AtmeError("--record and --render name one video; replay one recording at a time")
    folders = [out / name for name in session_names(files)] if out and several else [out] * len(files)
    for folder in folders:
        if folder is not None:
            check_new(folder)  # before the first minute of work, not after it
    for path, folder in zip(files, folders, strict=True):
        keep = RecordOptions(
            folder, save_faces, record, render, show_macros=show_macro, who=Who(participant, condition)
        )
        opener = partial(Session.replay, path, settings, speed=speed.value)
        if watch_session(
            opener, events, json, keep, path, None, show_rejected, sound, ascii_only, show_macro
        ):
            break


@app.command()
def recognize(
    onset: Annotated[Path, typer.Argument(help="Image at the start of the movement.")],
    apex: Annotated[Path, typer.Argument(help="Image at its peak.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    explain: Annotated[
        Path | None, typer.Option(help="Write the network's inputs as an image to this .png.")
    ] = None,
    config: ConfigOption = None,
    weights: WeightsOption = None,
    no_units: UnitsOption = False,
) -> None:
    """Label one onset-apex pair of images."""
    from recognizer.console.native_log import native_log
    from recognizer.files.image import read_image
    from recognizer.network.backend import DEFAULT_WEIGHTS
    from recognizer.recognition import UNCERTAIN
    from recognizer.recognizer import Recognizer

    settings = _settings(config, weights, no_units=no_units)
    for path in (onset, apex):
        if not path.is_file():
            raise AtmeError(f"{path}: no such image; give two image files, onset and apex")
    pictures = (read_image(onset), read_image(apex))
    wanted = settings.recognizer
    with native_log(), Recognizer(wanted.weights or DEFAULT_WEIGHTS, units=wanted.units) as recognizer:
        features = recognizer.extractor.extract(*pictures)
        result = recognizer.recognize_features(features)
        provider, notes = recognizer.provider, recognizer.backend.notes
    for note in notes:
        print(f"atme: {note}", file=sys.stderr)
    if explain is not None:
        from recognizer.explain import explain as draw

        if explain.resolve() in (onset.resolve(), apex.resolve()):
            raise AtmeError(f"{explain}: this is one of the input images; name another file")
        _write_picture(explain, draw(features, result))
    if json:
        print(json_format.dumps({**asdict(result), "provider": provider}))
        return
    verdict = result.in_words if result.label == UNCERTAIN else result.label
    print(f"{verdict}  (confidence {result.confidence:.2f}, on {provider})")
    for name, share in result.probabilities.items():
        print(f"  {name:<9} {share:.3f}  {'█' * round(30 * share)}")
    for unit in result.at_work:
        counts = f", supports {result.nearest}" if unit in result.speaking else ""
        print(f"  {unit.unit:<5} {unit.in_words}: {unit.p:.2f}, {unit.px:.1f} px{counts}")
    print("  " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in result.stage_ms.items()))


@app.command()
def demo(
    clip: Annotated[
        Path | None, typer.Option(help="A rendered clip with its ground truth next to it.")
    ] = None,
    speed: Annotated[Speed, typer.Option(help="As recorded, or as fast as it goes.")] = Speed.realtime,
    sound: SoundOption = False,
    ascii_only: AsciiOption = False,
) -> None:
    """Replay a rendered face with three known micro-expressions and compare what was found."""
    from stream.commands.demo import compare, demo_clip, read_truth
    from stream.commands.watch_session import watch_session
    from stream.session import Session

    path = clip or demo_clip()
    truth = read_truth(path)
    found: list[MicroExpression] = []
    settings = _settings(None, None)
    opener = partial(Session.replay, path, settings, speed=speed.value)
    watch_session(opener, also=found.append, sound=sound, ascii_only=ascii_only)
    if not compare(truth, found):
        raise typer.Exit(1)


@app.command()
def cameras() -> None:
    """List the cameras of this machine with the formats, sizes and rates that they offer."""
    from stream.commands.cameras import find_cameras, lines

    for line in lines(find_cameras()):
        print(printable(line))


@app.command()
def setup(
    wheel: Annotated[
        Path | None, typer.Argument(help="MediaPipe's wheel, for a machine without a network.")
    ] = None,
) -> None:
    """Prepare this machine, once: fetch the networks that find the face, compile the optical flow."""
    from recognizer.console.native_log import native_log
    from stream.commands.setup import set_up

    with native_log():
        set_up(wheel)


@app.command()
def doctor() -> None:
    """Check this machine: what is there, what is missing, what to do."""
    from recognizer.console.native_log import native_log
    from stream.commands.doctor import examine

    healthy = True
    with native_log():
        findings = []
        for finding in examine():
            findings.append(finding)
            healthy = healthy and (finding.ok or not finding.needed)
    for finding in findings:
        mark = "ok     " if finding.ok else ("MISSING" if finding.needed else "without")
        print(printable(f"{mark}  {finding.name:<14}  {finding.text}"))
    if not healthy:
        raise typer.Exit(2)


def _batch(
    files: list[Path], out: Path, settings: Settings, save_faces: bool, jobs: int, executor: Executor
) -> None:
    from rich.console import Console

    from stream.batch.folder import locked
    from stream.batch.jobs import plan
    from stream.batch.view import summary, watch_batch
    from stream.batch.workers import run_here, run_on_ray

    planned = plan(files, out, settings, save_faces)
    with locked(out):
        messages = run_on_ray(planned) if executor is Executor.ray else run_here(planned, jobs)
        outcomes = watch_batch(planned, messages)
    Console().print(summary(outcomes))
    if any(one.state == "failed" for one in outcomes):
        raise typer.Exit(2)


@app.command()
def bench(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this suite; may be given several times.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and repetitions.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the tables and plots.")] = Path("bench"),
) -> None:
    """Measure the speed on this machine, each figure relative to a reference measured in the same run."""
    import subprocess

    from recognizer.machine.own_module import own_module

    if not (Path(__file__).resolve().parents[1] / "benchmarks").is_dir():
        raise AtmeError("the benchmarks are not installed with the program; run make bench in its repository")
    words = ["--out", str(out), *(["--quick"] if quick else [])]
    words += [word for name in only or [] for word in ("--only", name)]
    # A process of its own: the live program never imports what trains or measures.
    done = subprocess.run(own_module("benchmarks", *words), check=False)
    raise typer.Exit(done.returncode)


def _settings(
    config: Path | None,
    weights: Path | None,
    sensitivity: SensitivityName | None = None,
    no_units: bool = False,
) -> Settings:
    from stream.settings import load_settings

    settings = load_settings(config, None if sensitivity is None else sensitivity.value)
    if weights is not None:
        settings = replace(settings, recognizer=replace(settings.recognizer, weights=str(weights)))
    if no_units:
        settings = replace(settings, recognizer=replace(settings.recognizer, units=False))
    return settings


def _with_clock(settings: Settings, fps: float | None, slow_motion: float | None) -> Settings:
    """The settings with the recording's clock as given on the command line."""
    given = {"fps": fps, "slow_motion": slow_motion}
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            raise AtmeError(f"--{name.replace('_', '-')} {value:g}: impossible; give a number above 0")
    told = {name: value for name, value in given.items() if value is not None}
    return replace(settings, session=replace(settings.session, **told))


def _write_picture(path: Path, picture: Image) -> None:
    import cv2

    from recognizer.files.write import write_file

    try:
        write_file(path, cv2.imencode(path.suffix, picture)[1].tobytes(), private=True)
    except cv2.error:
        raise AtmeError(f"{path}: not a name for an image; let it end in .png") from None
    except OSError as error:
        raise AtmeError(
            f"{path}: cannot be written ({error.strerror}); name a .png file in a folder you may write to"
        ) from error


def main() -> None:
    """Entry point: an AtmeError is one line and exit code 2."""
    run(app, "atme")


if __name__ == "__main__":
    main()
