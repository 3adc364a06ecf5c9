"""The commands behind the paper's tables and figures: ``atme-train compare``, ``ablate`` and ``au-stats``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from training.cli.loso import cores, recipe_for

Features = Annotated[Path, typer.Argument(help="Feature archive (.npz) with labels and subjects.")]
Out = Annotated[Path, typer.Option(help="Output folder; an interrupted run resumes there.")]
Seeds = Annotated[int, typer.Option(min=1, help="Repetitions with different seeds.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Default: the paper's.")]
Executor = Annotated[str, typer.Option(help="local, or ray to use a cluster.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one for each CPU core.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command()(compare)
    app.command()(ablate)
    app.command(name="au-stats")(au_stats)


def compare(
    features: Features,
    out: Out,
    seeds: Seeds = 1,
    models: Annotated[
        str | None,
        typer.Option(help="Only these methods, separated by commas; default: the paper's Table 3."),
    ] = None,
    epochs: Epochs = None,
    executor: Executor = "local",
    workers: Workers = None,
    dataset: Annotated[
        str | None, typer.Option(help="For LBP-TOP: the dataset that the features were prepared from.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="For LBP-TOP: the folder into which you unpacked it.")
    ] = None,
) -> None:
    """Reproduce the paper's Table 3: every method on these features, strictly leave-one-subject-out."""
    from training.paper.comparison import compare as run
    from training.paper.lbp_top_clips import Clips

    names = None if models is None else [name.strip() for name in models.split(",") if name.strip()]
    if (dataset is None) != (root is None):
        raise AtmeError("invalid", "--dataset and --root go together; give both, or neither and no LBP-TOP")
    clips = Clips(dataset, root) if dataset is not None and root is not None else None
    recipe = recipe_for(False, epochs, None)
    with _bar() as progress:
        run(
            features,
            out,
            names,
            tuple(range(seeds)),
            recipe,
            executor,
            workers or cores(),
            clips,
            progress,
        )
    _show(out, "compare")


def ablate(
    what: Annotated[str, typer.Argument(help="modules, regions, lambda or loss: Tables 1, 4, 5 and 6.")],
    features: Features,
    out: Out,
    seeds: Seeds = 1,
    epochs: Epochs = None,
    executor: Executor = "local",
    workers: Workers = None,
) -> None:
    """Repeat one of the paper's ablations on these features, strictly leave-one-subject-out."""
    from training.loso.run import LosoConfig
    from training.paper.ablation import ablate as run

    recipe = recipe_for(False, epochs, None)
    base = LosoConfig(
        features, out, tuple(range(seeds)), recipe, executor=executor, workers=workers or cores()
    )
    with _bar() as progress:
        run(what, base, progress)
    _show(out, f"ablate-{what}")


def au_stats(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; `atme-train datasets` lists them.")],
    root: Annotated[Path, typer.Option(help="The folder into which you unpacked it.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and the figure.")],
) -> None:
    """Count action units by class and database, as in the paper's Fig. 3."""
    from rich.console import Console
    from rich.markdown import Markdown

    from training.datasets.registry import find
    from training.paper.unit_statistics import count, markdown, write

    counted = count(find(dataset).load(root).samples)
    names = write(counted, out)
    console = Console()
    console.print(Markdown(markdown(counted)))
    console.print(printable(f"{out}: {', '.join(names)}"), markup=False)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar over all trainings of a table."""
    with progress_bar("") as bar:
        yield lambda title, done, total: bar(done, total, title)


def _show(out: Path, name: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown((out / f"{name}.md").read_text(encoding="utf-8")))
    console.print(
        printable(f"{out}: {name}.md, {name}.json, {name}.png, and a run folder a row"), markup=False
    )
