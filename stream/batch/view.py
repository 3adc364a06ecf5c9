"""A batch on the command line: a progress bar for each recording, a line when it is done, a table at the
end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from recognizer.console.plain_text import printable
from recognizer.recognition import CLASSES, UNCERTAIN
from stream.batch.jobs import Job, Outcome
from stream.batch.workers import Message
from stream.event import MACRO
from stream.labels import WARNING, look_of
from stream.pipeline.seen import Seen
from stream.wording import counted

LABELS = (*CLASSES, UNCERTAIN)


def watch_batch(jobs: Sequence[Job], messages: Iterator[Message]) -> list[Outcome]:
    """Shows the messages as they come; returns the outcomes in the order of the jobs.

    A failure is printed to stderr the moment it happens. Ctrl-C passes through after a line on how to resume.
    """
    outcomes: dict[int, Outcome] = {}
    bars: dict[int, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    console = Console()
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        total = progress.add_task("all recordings", total=len(jobs))
        try:
            for index, message in messages:
                if isinstance(message, Outcome):
                    outcomes[index] = message
                    if index in bars:
                        progress.remove_task(bars.pop(index))
                    progress.update(total, completed=len(outcomes))
                    # A full or closed output does not end a batch; lines that wait are tried again.
                    with suppress(OSError):
                        _say(message, progress.console)
                    continue
                if index not in bars:
                    bars[index] = progress.add_task(escape(printable(jobs[index].recording.name)), total=1.0)
                progress.update(bars[index], completed=message)
        except KeyboardInterrupt:
            left = len(jobs) - len(outcomes)
            print(f"atme: stopped, {left} left; the same command resumes", file=sys.stderr)
            raise
    return [outcomes[index] for index in range(len(jobs))]


def summary(outcomes: Sequence[Outcome]) -> Table:
    """One row per recording, and the totals."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    labels: Counter[str] = sum((one.labels for one in outcomes), Counter())
    failed = sum(one.state == "failed" for one in outcomes)
    table.add_column("recording", f"{len(outcomes)} in all", overflow="fold")
    table.add_column("min", f"{sum(one.seconds for one in outcomes) / 60:.1f}", justify="right")
    for label in LABELS:
        table.add_column(f"[{look_of(label).colour}]{label}", str(labels[label]), justify="right")
    macros = sum(one.macros for one in outcomes)
    table.add_column(f"[{look_of(MACRO).colour}]macro", str(macros), justify="right")
    table.add_column("face", justify="right", no_wrap=True)
    table.add_column("fps", justify="right", no_wrap=True)
    table.add_column("", f"{failed} failed" if failed else "", no_wrap=True)
    for one in outcomes:
        known = one.state != "failed"
        counts = [*(one.labels[label] for label in LABELS), one.macros]
        numbers = [f"{one.seconds / 60:.1f}", *map(str, counts), *_seen(one.seen)]
        failure = f"[red]failed: {one.error.code}" if one.error else "[red]failed"
        state = {"done": "", "skipped": "was there", "failed": failure}[one.state]
        table.add_row(
            escape(printable(one.job.folder.name)), *(numbers if known else [""] * len(numbers)), state
        )
    return table


def _seen(seen: Seen | None) -> list[str]:
    """Share of frames with a usable face, and rate (? where assumed); bad ones in warning colour."""
    if seen is None:
        return ["", ""]
    rate = "" if seen.fps is None else f"{seen.fps:.1f}{'?' if seen.clock_assumed else ''}"
    cells = [(f"{seen.usable:.0%}", seen.face_bad), (rate, seen.rate_bad)]
    return [f"[{WARNING}]{words}" if bad else words for words, bad in cells]


def _say(outcome: Outcome, console: Console) -> None:
    if outcome.state == "failed":
        # stderr, too, is printed above the bars, as the same terminal shows both.
        Console(stderr=True, soft_wrap=True).print(
            printable(f"atme: {outcome.error}"), markup=False, highlight=False
        )
        return
    words = counted(sum(outcome.labels.values()), "micro-expression")
    if outcome.macros:
        words += f", {counted(outcome.macros, MACRO)}"
    if outcome.state == "skipped":
        words += " (finished before, skipped)"
    console.print(printable(f"{outcome.job.folder}: {words}"), markup=False, highlight=False, soft_wrap=True)
    if outcome.seen is not None:
        line = printable(f"{outcome.job.folder}: {outcome.seen.line}")
        style = WARNING if outcome.seen.bad else None
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
