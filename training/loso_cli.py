"""The commands ``atme-train loso`` and ``atme-train fit``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.errors import AtmeError

if TYPE_CHECKING:
    from training.engine import Recipe


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command()(loso)
    app.command()(fit)


def loso(
    features: Annotated[Path, typer.Argument(help="Feature archive (.npz) with labels and subjects.")],
    out: Annotated[Path, typer.Option(help="Run folder; a run that was interrupted goes on from it.")],
    seeds: Annotated[int, typer.Option(min=1, help="How often everything is repeated.")] = 5,
    init: Annotated[
        Path | None,
        typer.Option(help="Start from these weights (.onnx, .safetensors); default: from random."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs from random weights; default: the paper's.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Batches a fold when fine-tuning (--init).")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one a CPU core.")
    ] = None,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Also show what peeking at the test subjects would claim.")
    ] = False,
) -> None:
    """Train and test leave-one-subject-out, strictly: the last weights, each subject predicted once."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.loso import LosoConfig, run_loso
    from training.loso_report import leak_lines, report, table, write

    recipe = _recipe(init, epochs, steps)
    config = LosoConfig(
        features,
        out,
        tuple(range(seeds)),
        recipe,
        init,
        show_leak,
        executor,
        workers or _cores(),
    )
    console = Console()
    columns = (TextColumn("folds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("folds", total=None)
        run = run_loso(config, lambda done, total: bar.update(task, completed=done, total=total))
    result = report(run)
    write(run, result, out)
    console.print(Markdown(table(run, result)))
    if result.leak:
        console.print("\n".join(leak_lines(result.leak)), style="bold red", markup=False, highlight=False)
    console.print(f"{out}: results.json, predictions.csv, table.md, confusion.png", markup=False)


def fit(
    features: Annotated[Path, typer.Argument(help="Feature archive (.npz) with labels.")],
    out: Annotated[Path, typer.Option(help="Where the weights go (.onnx).")],
    init: Annotated[
        Path | None,
        typer.Option(help="Start from these weights (.onnx, .safetensors); default: from random."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs from random weights; default: the paper's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches when fine-tuning (--init).")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Run folder of `atme-train loso`: sets temperature and refusal.")
    ] = None,
) -> None:
    """Train on all samples, for use: `atme live --weights` takes the result."""
    from training.fit import fit as run

    command = f"atme-train fit {features.name} --out {out.name}"
    for name, value in (("init", init), ("epochs", epochs), ("steps", steps), ("calibrate", calibrate)):
        if value is not None:
            command += f" --{name} {value.name if isinstance(value, Path) else value}"
    if not out.parent.is_dir():
        raise AtmeError(f"{out}: its folder does not exist; make {out.parent} first")
    run(features, out, _recipe(init, epochs, steps), init, calibrate, command)
    print(f"{out}: trained on {features.name}")


def _recipe(init: Path | None, epochs: int | None, steps: int | None) -> Recipe:
    """The paper's recipe, or the one for pre-trained weights, of the length asked for."""
    from training.engine import Recipe
    from training.loso import FINE_TUNING

    if epochs is not None and init is not None:
        raise AtmeError("--epochs goes with random weights; with --init the length is --steps")
    if steps is not None and init is None:
        raise AtmeError("--steps goes with --init; from random weights the length is --epochs")
    recipe = FINE_TUNING if init is not None else Recipe()
    return replace(recipe, steps=steps or recipe.steps, epochs=epochs or recipe.epochs)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
