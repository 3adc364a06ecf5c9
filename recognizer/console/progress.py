"""The progress bar of both commands: on stderr, so that what a command prints can go to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Updates the bar."""

    def __call__(self, done: float, total: float | None = None, text: str | None = None) -> None:
        """``done`` of ``total`` (None: unchanged); ``text``: the words before the bar from now on."""
        ...


@contextmanager
def progress_bar(text: str, total: float | None = None, *, counted: bool = True) -> Iterator[Progress]:
    """A bar with ``text`` before it until the block ends; without a terminal only the last state is printed.

    ``counted``: shows done and total counts instead of per cent. ``total``: None while it is unknown.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    figures = MofNCompleteColumn() if counted else TextColumn("{task.percentage:>3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), figures, TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=total)

        def move(done: float, total: float | None = None, text: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=text)

        yield move


def followed(items: Iterable[Item], progress: Progress) -> Iterator[Item]:
    """The items, one by one; the bar counts the finished ones."""
    for count, item in enumerate(items, 1):
        yield item
        progress(count)
