"""The ``atme`` command: setup, live, replay, recognize, demo, doctor. Uses only what the Python API has."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.console.command_line import run
from recognizer.errors import AtmeError
from stream.commands import configuration, machine, recognize, records, review
from stream.commands.options import (
    AsciiOption,
    ClipsOption,
    ConditionOption,
    ConfigOption,
    EventsOption,
    Executor,
    FacesOption,
    FpsOption,
    JsonOption,
    LslOption,
    MacroOption,
    OutOption,
    ParticipantOption,
    RecordOption,
    RejectedOption,
    RenderOption,
    SensitivityOption,
    SlowMotionOption,
    SoundOption,
    Speed,
    UnitsOption,
    WeightsOption,
    settings_from,
    with_clock,
)

if TYPE_CHECKING:  # at run time each command imports what it needs: --help must not load MediaPipe
    from stream.event import MicroExpression
    from stream.settings import Settings

app = typer.Typer(
    help="Detects facial micro-expressions live, on a webcam or in a recorded video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for part in (recognize, records, review, machine, configuration):
    part.register(app)


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

    settings = settings_from(config, weights, sensitivity, no_units)
    keep = RecordOptions(
        out, save_faces, record, lsl=lsl, save_clips=save_clips, who=Who(participant, condition)
    )
    if source is not None and camera is not None:
        raise AtmeError("invalid", "a camera and --source at once; give one of them")
    if source is not None and "://" not in source:
        raise AtmeError(
            "invalid", f"--source {source}: no URL; recordings are for atme replay, cameras need no --source"
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

    settings = with_clock(settings_from(config, weights, sensitivity, no_units), fps, slow_motion)
    if jobs is not None or executor is Executor.ray:
        if out is None or events or json or record or render:
            raise AtmeError(
                "invalid", "a batch (--jobs, --executor) writes session folders: give --out, no other output"
            )
        if participant or condition:
            raise AtmeError(
                "invalid",
                "--participant does not go with a batch; name each session's participant in study.toml",
            )
        _batch(files, out, settings, save_faces, jobs or 1, executor)
        return
    several = len(files) > 1
    if several and (record or render):
        raise AtmeError("invalid", "--record and --render name one video; replay one recording at a time")
    folders = [out / name for name in session_names(files)] if out and several else [out] * len(files)
    for folder in folders:
        if folder is not None:
            check_new(folder)  # fail before the first minute of work, not after it
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
    settings = settings_from(None, None)
    opener = partial(Session.replay, path, settings, speed=speed.value)
    watch_session(opener, also=found.append, sound=sound, ascii_only=ascii_only)
    if not compare(truth, found):
        raise typer.Exit(1)


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


def main() -> None:
    """Entry point: an AtmeError is one line and exit code 2."""
    run(app, "atme")


if __name__ == "__main__":
    main()
