"""The commands ``atme-train blend-faces``, ``spot-benchmark``, ``spot-evaluate`` and ``spot-fit``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from recognizer.files.write import write_file


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command(name="blend-faces")(blend_faces)
    app.command(name="spot-benchmark")(spot_benchmark)
    app.command(name="spot-evaluate")(spot_evaluate)
    app.command(name="spot-fit")(spot_fit)


WorkersOption = Annotated[int, typer.Option(min=1, help="Worker processes.")]


def blend_faces(
    faces: Annotated[list[Path], typer.Argument(help="Portraits, two or more.")],
    out: Annotated[Path, typer.Option(help="The folder for the images.")],
    count: Annotated[int, typer.Option(min=1, help="How many faces.")] = 24,
    seed: Annotated[int, typer.Option(help="Same seed and portraits, same faces.")] = 0,
) -> None:
    """Make up faces between a few portraits, for spot-benchmark --face: a spotter learns more from more
    people."""
    from recognizer.console.native_log import native_log
    from training.rendering.blended_portraits import write_blended

    with native_log():
        _advance("blending faces", write_blended(out, faces, count, seed))
    print(printable(f"{out}: {count} faces; render each with atme-train spot-benchmark --face"))


def spot_benchmark(
    out: Annotated[Path, typer.Option(help="The folder for the clips; an interrupted run resumes there.")],
    minutes: Annotated[float, typer.Option(min=0.5, help="Total length of the clips in minutes.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Same seed, same clips.")] = 0,
    face: Annotated[
        list[Path] | None,
        typer.Option(help="Image or video of a face, may be repeated; default: the built-in portrait."),
    ] = None,
    fps: Annotated[
        list[float] | None,
        typer.Option(
            min=5, max=1000, help="Frame rate, may be repeated; default: mostly 30, some 25 to 200."
        ),
    ] = None,
    story: Annotated[
        str,
        typer.Option(help="lifelike, or first: clips in which movements never overlap."),
    ] = "lifelike",
    filmed: Annotated[
        Path | None,
        typer.Option(
            help="A folder of recordings of people: instead of rendering, expressions measured in some of "
            "them, made small and short, are laid into the others. To measure on, never to train on."
        ),
    ] = None,
    workers: WorkersOption = 1,
) -> None:
    """Make clips with known micro-expressions among blinks, speech and head motion, to measure a spotter
    on."""
    from recognizer.console.native_log import native_log
    from training.spotting.rendered.benchmark import write_benchmark

    if filmed:
        if face or fps or story != "lifelike":
            raise AtmeError(
                "invalid",
                "--filmed takes faces, frame rates and stories from the recordings; "
                "leave --face, --fps and --story out",
            )
        _from_recordings(out, filmed, minutes, seed, workers)
        return
    faces = [None if str(path) == "built-in" else path for path in face or [Path("built-in")]]
    with native_log():
        _advance("rendering clips", write_benchmark(out, minutes, seed, faces, workers, fps or (), story))
    print(printable(f"{out}: measure it with atme-train spot-evaluate {out}"))


def _from_recordings(out: Path, folder: Path, minutes: float, seed: int, workers: int) -> None:
    from recognizer.console.native_log import native_log
    from training.spotting.filmed.clips import donors_by_recording, plan_filmed, recordings, write_filmed
    from training.spotting.filmed.motion import Donor
    from training.spotting.signal import measured

    videos, signals = recordings(folder), out / ".signals"
    count = len(videos)
    found: list[Donor] = []
    with native_log():
        _advance("measuring motion", ((done, count) for done in measured(videos, signals, workers)))
        _advance("finding expressions", donors_by_recording(videos, signals, found))
        clips = plan_filmed(videos, signals, found, minutes, seed)
        _advance("writing clips", write_filmed(out, clips, seed, workers))
    movements = sum(len(clip.events) for clip in clips)
    used = {clip.video.file for clip in clips}
    print(
        f"{out}: {movements} movements in {len(clips)} clips, {len(found)} expressions of "
        f"{len({donor.recording for donor in found})} recordings laid on {len(used)} of {count}"
    )
    print(f"measure it with atme-train spot-evaluate {out}")


def spot_fit(
    out: Annotated[Path, typer.Option(help="The folder for the two networks' weights.")],
    roots: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of benchmarks to learn from, too; never one to measure on."),
    ] = None,
    simulated: Annotated[
        int, typer.Option(min=0, help="How many half minutes of motion to simulate, without an image.")
    ] = 1600,
    seed: Annotated[int, typer.Option(help="Same seed and clips, same weights.")] = 0,
    beside: Annotated[
        Path | None,
        typer.Option(help="A folder of other networks, whose members are averaged with the new ones."),
    ] = None,
    workers: WorkersOption = 1,
) -> None:
    """Train the spotter on simulated motion and, if given, rendered clips: the apex detector, which proposes
    movements, then the classifier, which tells micro-expressions from other movements."""
    from recognizer.console.native_log import native_log
    from training.spotting.evaluate import read_benchmark, read_networks
    from training.spotting.fit import Material, fit_classifier, fit_detector
    from training.spotting.rendered.benchmark import digest, is_filmed, read_index
    from training.spotting.signal import measured

    if out.exists() and not out.is_dir():
        raise AtmeError("exists", f"{out}: not a folder; name one for the two networks")
    roots = roots or []
    for root in roots:
        if any(is_filmed(row) for row in read_index(root)):
            raise AtmeError(
                "mismatch",
                f"{root} holds recordings of people, which serve for measuring only; train on rendered clips",
            )
    benchmarks = {root: read_benchmark(root) for root in roots}
    clips = [video for videos in benchmarks.values() for video in videos]
    faces = ", ".join(sorted({str(video.conditions["face"]) for video in clips}))
    rendered = f" and {len(clips)} rendered clips of {faces}" if clips else ""
    names = "".join(f" {root.name}" for root in benchmarks)
    known = set[str]() if beside is None else read_networks(beside).trained_on
    others = "" if beside is None else f" --beside {beside.name}"
    about = {
        "trained_on": f"{simulated} simulated clips{rendered}",
        "benchmarks": " ".join(sorted({*known, *(digest(root) for root in benchmarks)})),
        "command": f"atme-train spot-fit{names} --simulated {simulated} --seed {seed}{others}",
    }
    with native_log():
        for root, videos in benchmarks.items():
            count = len(videos)
            steps = measured(videos, root / ".signals", workers)
            _advance(f"{root}: motion", ((done, count) for done in steps))
    out.mkdir(parents=True, exist_ok=True)
    material = Material(benchmarks, simulated, seed, beside)
    detector = fit_detector(material, workers, about, out, _advance)
    fit_classifier(material, detector, workers, about, out, _advance)
    print(printable(f"{out}: measure it with atme-train spot-evaluate OTHER --weights {out}"))


def spot_evaluate(
    root: Annotated[Path, typer.Argument(help="The folder of a benchmark or, with --dataset, of a dataset.")],
    dataset: Annotated[
        str | None, typer.Option(help="casme-sq or samm-lv; default: a synthesised benchmark.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Also write PNG plots into this folder.")] = None,
    submission: Annotated[Path | None, typer.Option(help="Also write the MEGC submission (.csv).")] = None,
    label: Annotated[int, typer.Option(min=0, help="Label this many hits, for STRS; 0: none.")] = 0,
    signals: Annotated[
        Path | None, typer.Option(help="Folder for cached motion curves; default: ROOT/.signals.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="The folder of the networks (from spot-fit); default: the shipped ones."),
    ] = None,
    workers: WorkersOption = 1,
) -> None:
    """Measure the spotter: recall against false alarms a minute, F1, timing errors and STRS, next to
    published methods."""
    from rich.console import Console

    from recognizer.console.native_log import native_log
    from training.spotting import plots as spot_plots
    from training.spotting import report as spot_report
    from training.spotting import tables as spot_tables
    from training.spotting.evaluate import CAUSAL, WEIGHTS, outcomes, read_networks, read_videos
    from training.spotting.labelling import label_outcomes
    from training.spotting.rendered.benchmark import digest
    from training.spotting.signal import measured, signal_of
    from training.spotting.types import submission as megc

    networks, loaded = read_networks(weights or WEIGHTS), read_videos(root, dataset)
    for note in networks.notes:
        print(f"atme-train: {note}", file=sys.stderr)
    if dataset is None and digest(root) in networks.trained_on:
        raise AtmeError(
            "mismatch", f"{root}: the spotter was trained on it; measure on clips of other faces and seeds"
        )
    kept = signals or root / ".signals"
    console = Console()
    with native_log():
        count = len(loaded.videos)
        _advance("measuring motion", ((done, count) for done in measured(loaded.videos, kept, workers)))
        results = list(outcomes(loaded.videos, kept, networks))
        labelled = label_outcomes([result[CAUSAL] for result in results], label, _advance) if label else None
    report = spot_report.make_report(results, labelled)
    if json:
        print(spot_report.to_json(report))
    else:
        for problem in loaded.problems:
            console.print(printable(f"{problem.sample}: {problem.what}"), highlight=False, markup=False)
        spot_tables.show(report, console)
    if submission:
        _write(submission, megc([result[CAUSAL] for result in results]))
    if plots:
        shown = spot_plots.typical(results)
        spot_plots.plot_froc(report, plots)
        spot_plots.plot_conditions(report, plots)
        spot_plots.plot_timeline(results[shown][CAUSAL], signal_of(loaded.videos[shown], kept), plots)


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from None


def _advance(what: str, steps: Iterable[tuple[int, int]]) -> None:
    """Consumes pairs (done, total), with a progress bar on the terminal."""
    with progress_bar(what) as progress:
        for done, total in steps:
            progress(done, total)
