"""The commands ``atme-train spot-benchmark`` and ``atme-train spot-evaluate``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from recognizer.errors import AtmeError


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command(name="spot-benchmark")(spot_benchmark)
    app.command(name="spot-evaluate")(spot_evaluate)


WorkersOption = Annotated[int, typer.Option(min=1, help="Worker processes.")]


def spot_benchmark(
    out: Annotated[Path, typer.Option(help="The folder for the clips; an interrupted run goes on there.")],
    minutes: Annotated[float, typer.Option(min=0.5, help="Length of all clips together.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Same seed, same clips.")] = 0,
    face: Annotated[
        list[Path] | None,
        typer.Option(help="Picture or video of a face, once for each; default: the built-in portrait."),
    ] = None,
    workers: WorkersOption = 1,
) -> None:
    """Render clips with scripted micro-expressions, blinks, speech, head motion to measure a spotter on."""
    from recognizer.native_log import native_log
    from training.spot_benchmark import write_benchmark

    with native_log():
        _advance("rendering clips", write_benchmark(out, minutes, seed, face or [None], workers))
    print(f"{out}: measure it with atme-train spot-evaluate {out}")


def spot_evaluate(
    root: Annotated[Path, typer.Argument(help="A benchmark's folder, or a data set's with --dataset.")],
    dataset: Annotated[
        str | None, typer.Option(help="casme-sq or samm-lv; default: a synthesised benchmark.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Also write PNG plots into this folder.")] = None,
    submission: Annotated[Path | None, typer.Option(help="Also write the MEGC submission (.csv).")] = None,
    label: Annotated[int, typer.Option(min=0, help="Label this many hits, for STRS; 0: none.")] = 0,
    signals: Annotated[Path | None, typer.Option(help="Keep curves here; default ROOT/.signals.")] = None,
    workers: WorkersOption = 1,
) -> None:
    """Measure the spotter: F1, false alarms, apex error, decision delay, STRS, beside two baselines."""
    from rich.console import Console

    from recognizer.native_log import native_log
    from training import spot_plots, spot_report
    from training.spot_evaluate import CAUSAL, outcomes, read_videos
    from training.spot_evaluate import submission as megc
    from training.spot_label import label_outcomes
    from training.spot_signal import measured, signal_of

    loaded = read_videos(root, dataset)
    kept = signals or root / ".signals"
    console = Console()
    with native_log():
        count = len(loaded.videos)
        _advance("measuring motion", ((done, count) for done in measured(loaded.videos, kept, workers)))
        results = list(outcomes(loaded.videos, kept))
        labelled = label_outcomes([result[CAUSAL] for result in results], label, _advance) if label else None
    report = spot_report.make_report(results, labelled)
    if json:
        print(spot_report.to_json(report))
    else:
        for problem in loaded.problems:
            console.print(f"{problem.sample}: {problem.what}", highlight=False, markup=False)
        spot_report.show(report, console)
    if submission:
        _write(submission, megc([result[CAUSAL] for result in results]))
    if plots:
        shown = spot_plots.typical(results)
        spot_plots.plot_conditions(report, plots)
        spot_plots.plot_timeline(results[shown][CAUSAL], signal_of(loaded.videos[shown], kept), plots)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AtmeError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def _advance(what: str, steps: Iterable[tuple[int, int]]) -> None:
    """Runs through (done, of how many) with a progress bar on the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        for done, total in steps:
            bar.update(task, completed=done, total=total)
