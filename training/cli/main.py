"""The ``atme-train`` command: synthesize, pretrain, evaluate."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.console.command_line import run
from recognizer.console.plain_text import printable
from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from training.cli import datasets as datasets_cli
from training.cli import export as export_cli
from training.cli import loso as loso_cli
from training.cli import spotting as spot_cli
from training.cli import tables as tables_cli

if TYPE_CHECKING:
    from recognizer.network.backend import Backend, Prediction
    from training.evaluation.unit_codings import Coding
    from training.evaluation.unit_scores import UnitReport
    from training.features.archive import FeatureArchive

app = typer.Typer(
    help="Makes, measures and exports the weights that the live program uses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options for every command; ``main`` reads --debug itself, before any command can fail."""


@app.command()
def pretrain(
    out: Annotated[Path, typer.Option(help="The weights to write (.onnx).")],
    seed: Annotated[int, typer.Option(help="Seed of the synthesis and of the network.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Batches to train on; default: as for the shipped weights.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Also log the loss to this folder.")] = None,
) -> None:
    """Train weights on synthetic flow only; needs no dataset."""
    from training.learning.pretrain import PretrainConfig, make_weights
    from training.loso.board import board

    config = PretrainConfig(seed=seed)
    if steps is not None:
        if steps < 1:
            raise AtmeError("invalid", f"--steps {steps}: at least 1 is needed")
        config = replace(config, steps=steps)
    if not out.parent.is_dir():
        raise AtmeError("unwritable", f"{out}: its folder does not exist; make {out.parent} first")
    with board(tensorboard) as writer, progress_bar("training", config.steps, counted=False) as bar:

        def progress(step: int, loss: float) -> None:
            bar(step + 1, text=f"training, loss {loss:.3f}")
            if writer is not None:
                writer.add_scalar("loss", loss, step)

        calibration = make_weights(config, out, _command(out, seed, steps), progress)
    print(
        f"{out}: synthetic validation accuracy {calibration.accuracy:.3f}, temperature "
        f"{calibration.temperature:.3f}, refused below {calibration.refusal:.3f} "
        f"({calibration.non_events_refused:.0%} of the samples without an emotion)"
    )


def _command(out: Path, seed: int, steps: int | None) -> str:
    return f"atme-train pretrain --out {out.name} --seed {seed}" + (f" --steps {steps}" if steps else "")


@app.command()
def evaluate(
    features: Annotated[Path, typer.Option(help="Feature archive (.npz) with labels.")],
    weights: Annotated[Path | None, typer.Option(help="Model (.onnx); default: the shipped one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Also write PNG plots into this folder.")] = None,
    units: Annotated[
        Path | None,
        typer.Option(help="Coded action units (.csv: sample,action_units); default: those of the archive."),
    ] = None,
    grad_cam: Annotated[
        Path | None, typer.Option(help="Also plot where the network looks, by class, to this file (.png).")
    ] = None,
) -> None:
    """Measure weights on labelled features: accuracy, UAR, UF1, calibration, refusal, action units."""
    import numpy as np
    from rich.console import Console

    from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
    from training.evaluation import score_view as report_view
    from training.evaluation import unit_view
    from training.evaluation.scores import report
    from training.evaluation.unit_codings import read_codings
    from training.features import archive as feature_archive

    archive = feature_archive.load(features)
    backend = Backend(weights or DEFAULT_WEIGHTS)
    for note in backend.notes:
        print(f"atme-train: {note}", file=sys.stderr)
    codings = None if units is None else read_codings(units)
    if codings is not None and not backend.info.units:
        raise AtmeError(
            "mismatch", f"{weights}: these weights have no action units; train them again with atme-train"
        )
    prediction = backend.predict(archive.entire, archive.puzzled)
    probabilities, evidence = (
        part.astype(np.float64) for part in (prediction.probabilities, prediction.evidence)
    )
    refusal = backend.info.refusal
    result = report(archive.label, probabilities, archive.database, archive.subject, refusal, evidence)
    unit_report = _unit_report(archive, prediction, backend, codings)
    if json:
        print(report_view.to_json(result, unit_report))
    else:
        report_view.show(result, Console())
        if unit_report is not None:
            unit_view.show_units(unit_report, Console())
    if plots and unit_report is not None:
        print(printable(str(unit_view.plot_units(unit_report, plots))), file=sys.stderr)
    if plots:
        for path in report_view.plot(result, archive.label, probabilities, plots):
            print(printable(str(path)), file=sys.stderr)
    if grad_cam:
        from training.learning.weights import load_state
        from training.loso.grad_cam import attention
        from training.loso.grad_cam import plot as plot_attention

        state = load_state(weights or DEFAULT_WEIGHTS)
        looked = attention(state, archive.pairs(), archive.label)
        plot_attention(archive, looked, grad_cam)
        print(printable(str(grad_cam)), file=sys.stderr)


def _unit_report(
    archive: FeatureArchive, prediction: Prediction, backend: Backend, asked: dict[str, Coding] | None
) -> UnitReport | None:
    """Scored against the given table, or against the archive's own codes where there are enough of them."""
    from training.evaluation.unit_codings import coded_among
    from training.evaluation.unit_scores import TooFewCodedError, score_units

    people = [f"{a}/{b}" for a, b in zip(archive.database, archive.subject, strict=True)]
    names, codings = archive.sample.tolist(), asked
    if asked is None and archive.units is not None and backend.info.units:
        names = [f"{who}/{name}" for who, name in zip(people, names, strict=True)]
        codings = coded_among(names, archive.units.tolist())
    if not codings:
        return None
    info = backend.info
    try:
        return score_units(prediction.units, info.units, info.unit_thresholds, names, people, codings)
    except TooFewCodedError:
        if asked is not None:
            raise
        return None


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option(help="The feature archive to write (.npz).")],
    samples: Annotated[int, typer.Option(help="How many.")] = 300,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 0,
    published: Annotated[
        float,
        typer.Option(
            help="Fraction of samples in the geometry of the published feature lists.", min=0, max=1
        ),
    ] = 0.5,
) -> None:
    """Write synthetic features as an archive, to try everything without a dataset."""
    from training.features import archive as feature_archive
    from training.synthesis.flow import synthetic_archive
    from training.synthesis.random_motion import SynthesisConfig

    if samples < 1:
        raise AtmeError("invalid", f"--samples {samples}: at least 1 is needed")
    config = SynthesisConfig(non_events=0, published=published)
    feature_archive.save(synthetic_archive(samples, seed, config), out)
    print(printable(f"{out}: {samples} synthetic samples, seed {seed}"))


@app.command(name="synthesize-clip")
def synthesize_clip(
    out: Annotated[
        Path, typer.Argument(help="The video to write (.mp4, .mkv, .mov); its ground truth goes next to it.")
    ],
    portrait: Annotated[
        Path | None, typer.Option(help="An image with a face; default: a public-domain portrait.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same clip.")] = 0,
) -> None:
    """Render a face with three micro-expressions, one of each class, and its ground truth."""
    from recognizer.console.native_log import native_log
    from training.rendering.clip import render_demo

    if out.parent != Path():
        out.parent.mkdir(parents=True, exist_ok=True)
    with native_log():
        path = render_demo(out, portrait, seed)
    print(printable(str(path)))


@app.command(name="synthesize-set")
def synthesize_set(
    out: Annotated[Path, typer.Argument(help="Folder for the frames and their sheet.")],
    subjects: Annotated[int, typer.Option(min=2, help="Variations of the portrait.")] = 6,
    each: Annotated[
        int, typer.Option(min=1, help="Clips of each variation; the three classes alternate.")
    ] = 9,
    seed: Annotated[int, typer.Option(help="Same seed, same clips.")] = 0,
) -> None:
    """Render a small dataset for `prepare rendered`, to try out whatever needs images without a licence."""
    from recognizer.console.native_log import native_log
    from training.paper.rendered_set import write_set

    with progress_bar("rendering", subjects * each) as bar, native_log():
        clips = write_set(out, subjects, each, seed, bar)
    print(printable(f"{out}: {clips} clips of {subjects} subjects, seed {seed}"))


datasets_cli.register(app)
loso_cli.register(app)
spot_cli.register(app)
export_cli.register(app)
tables_cli.register(app)


def main() -> None:
    """Entry point: an AtmeError is one line and exit code 2."""
    run(app, "atme-train")


if __name__ == "__main__":
    main()
