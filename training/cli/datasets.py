"""The commands ``atme-train datasets`` and ``atme-train prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable


def register(app: typer.Typer) -> None:
    """Adds the commands to ``atme-train``."""
    app.command()(datasets)
    app.command()(prepare)


def datasets() -> None:
    """List the datasets that can be prepared, and where to apply for them."""
    from rich.console import Console
    from rich.table import Table

    from training.datasets.registry import DATASETS

    table = Table("name", "dataset")
    table.add_column("what to download, from whom", overflow="fold")
    table.add_column("licence")
    for entry in DATASETS.values():
        table.add_row(entry.name, entry.title, entry.download, entry.licence)
    Console().print(table)


def prepare(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; `atme-train datasets` lists them.")],
    root: Annotated[Path, typer.Option(help="The folder into which you unpacked it.")],
    out: Annotated[Path, typer.Option(help="The feature archive to write (.npz).")],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one for each CPU core.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an archive that exists.")] = False,
    keep_faces: Annotated[
        bool,
        typer.Option(
            "--keep-faces", help="Also keep the onset and apex faces, for methods that need the images."
        ),
    ] = False,
) -> None:
    """Turn a dataset into features with the live preprocessing; an interrupted run resumes."""
    from rich.console import Console

    from training.datasets.registry import find
    from training.features.prepare import prepare as run
    from training.features.prepare_report import show

    entry = find(dataset)
    result = run(entry.load(root), out, entry.name, jobs=jobs, force=force, keep_faces=keep_faces)
    console = Console()
    show(result, console)
    console.print(
        printable(f"{out}, report in {out.with_suffix('.report.txt')}"), highlight=False, markup=False
    )
