"""The commands ``atme-train loso`` and ``atme-train fit``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError

if TYPE_CHECKING:
    from training.features.archive import FeatureArchive
    from training.learning.engine import Recipe
    from training.models.method import Predict


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command()(loso)
    app.command()(fit)


def loso(
    features: Annotated[Path, typer.Argument(help="Feature archive (.npz) with labels and subjects.")],
    out: Annotated[Path, typer.Option(help="Run folder; an interrupted run resumes there.")],
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Repetitions with different seeds; default: 5, or one for each --init."),
    ] = None,
    init: Annotated[
        list[Path] | None,
        typer.Option(
            help="Start from these weights (.onnx, .safetensors); several: one per seed. Default: random."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs from random weights; default: the paper's.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="With --init: fine-tune all weights for this many batches per fold."),
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray to use a cluster.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one for each CPU core.")
    ] = None,
    show_leak: Annotated[
        bool,
        typer.Option("--show-leak", help="Also show the score that peeking at the test subjects would give."),
    ] = False,
    model: Annotated[
        str, typer.Option(help="dual-atme, a part of it, or a baseline; an unknown name lists them.")
    ] = "dual-atme",
    grad_cam: Annotated[
        bool, typer.Option("--grad-cam", help="Also plot the network's attention, by class.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also log scores to this folder as folds finish.")
    ] = None,
) -> None:
    """Train and test strictly leave-one-subject-out: the last weights predict each subject once."""
    from rich.console import Console
    from rich.markdown import Markdown

    from training.evaluation.unit_view import show_units
    from training.loso.board import FoldLog, board
    from training.loso.grad_cam import plot
    from training.loso.report import leak_lines, report, table, write
    from training.loso.run import LosoConfig, run_loso
    from training.loso.units import loso_units, write_units

    starts = tuple(init or ())
    recipe = recipe_for(bool(starts), epochs, steps)
    config = LosoConfig(
        features,
        out,
        tuple(range(_seeds(seeds, starts, recipe))),
        recipe,
        starts,
        show_leak,
        executor,
        workers or cores(),
        model,
        grad_cam=grad_cam,
    )
    console = Console()
    with board(tensorboard) as writer, progress_bar("folds") as bar:
        log = FoldLog(writer) if writer is not None else None
        run = run_loso(config, bar, log)
    result = report(run)
    write(run, result, out)
    console.print(Markdown(table(run, result)))
    if result.leak:
        console.print("\n".join(leak_lines(result.leak)), style="bold red", markup=False, highlight=False)
    files = ["results.json", "predictions.csv", "table.md", "confusion.png"]
    if run.attention is not None:
        plot(run.archive, run.attention, out / "grad_cam.png")
        files.append("grad_cam.png")
    told = [one for one in (loso_units(run.archive, run.folds, start) for start in starts) if one is not None]
    if told:
        write_units(told, out)
        files.append("units.json")
    for one in told:
        for title, part in (("as pre-trained", one.pretrained), ("fitted to the other subjects", one.fitted)):
            console.print(f"\naction units, {title} ({one.weights})", highlight=False, markup=False)
            show_units(part, console)
    console.print(printable(f"{out}: {', '.join(files)}"), markup=False)


def fit(
    features: Annotated[Path, typer.Argument(help="Feature archive (.npz) with labels.")],
    out: Annotated[
        Path, typer.Option(help="The weights to write: .onnx for use, .safetensors for `export`.")
    ],
    init: Annotated[
        Path | None,
        typer.Option(help="Start from these weights (.onnx, .safetensors); default: random weights."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs from random weights; default: the paper's.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="With --init: fine-tune all weights for this many batches.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Run folder of `atme-train loso` to calibrate the temperature with.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also log loss and accuracy to this folder after every epoch.")
    ] = None,
) -> None:
    """Train on all samples, for use with `atme live --weights`."""

    from training.loso.board import board, log_fit
    from training.loso.fit import fit as run

    command = f"atme-train fit {features.name} --out {out.name}"
    for name, value in (("init", init), ("epochs", epochs), ("steps", steps), ("calibrate", calibrate)):
        if value is not None:
            command += f" --{name} {value.name if isinstance(value, Path) else value}"
    if not out.parent.is_dir():
        raise AtmeError("unwritable", f"{out}: its folder does not exist; make {out.parent} first")
    recipe = recipe_for(init is not None, epochs, steps)
    rounds = None if recipe.steps or recipe.correction else recipe.epochs  # only their end is reported
    with board(tensorboard) as writer, progress_bar("epochs", rounds) as bar:

        def watch(epoch: int, archive: FeatureArchive, network: Predict) -> None:
            bar(epoch, rounds or epoch or None)
            if writer is not None:
                log_fit(writer, epoch, archive, network)

        run(features, out, recipe, init, calibrate, command, watch)
    print(printable(f"{out}: trained on {features.name}"))


def _seeds(wanted: int | None, starts: tuple[Path, ...], recipe: Recipe) -> int:
    """The seeds. A correction involves no chance, so it runs once for each set of pre-trained weights."""
    drawn = not recipe.correction
    if wanted is not None and wanted > 1 and len(starts) == 1 and not drawn:
        raise AtmeError(
            "invalid",
            f"--seeds {wanted} with one --init: a correction involves no chance; leave --seeds "
            "out, or give an --init for each",
        )
    return wanted or (5 if drawn and len(starts) < 2 else max(len(starts), 1))


def recipe_for(pretrained: bool, epochs: int | None, steps: int | None) -> Recipe:
    """The paper's recipe; from pre-trained weights a correction, or with ``steps`` fine-tuning."""
    from training.learning.engine import ADAPTING, Recipe
    from training.loso.run import FINE_TUNING

    if epochs is not None and pretrained:
        raise AtmeError("invalid", "--epochs applies to random weights; with --init, use --steps")
    if steps is not None and not pretrained:
        raise AtmeError("invalid", "--steps applies to --init; for random weights, use --epochs")
    if pretrained:
        return ADAPTING if steps is None else replace(FINE_TUNING, steps=steps)
    return replace(Recipe(), epochs=epochs or Recipe().epochs)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
