"""The tables of ``atme-train spot-evaluate``: first the curve, then the spotters at their operating
points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from spotting.scoring.wilson import wilson
from training.spotting.breakdown import Part
from training.spotting.evaluate import CAUSAL, OTHER_POINTS
from training.spotting.froc import LEVELS
from training.spotting.report import SpotReport
from training.spotting.score import PREVALENCES, SpotScore, precision_at, quantiles

TITLES = {
    "peak": "clip's peak, px",
    "fps": "frames a second",
    "drift": "head drift, px",
    "crf": "compression, crf",
}


def show(report: SpotReport, console: Console) -> None:
    """Prints everything."""
    main = report.scores[CAUSAL]
    console.print(f"{main.minutes:.1f} minutes, {main.truths} micro-expressions")
    console.print(_froc_table(report))
    console.print(_spotter_table(report))
    console.print(_times_table(report.scores))
    for name, parts in report.sorts.items():
        console.print(_part_table(name, {sort: row[CAUSAL] for sort, row in parts.items()}))
    for condition, rows in report.conditions.items():
        console.print(_condition_table(condition, {value: row[CAUSAL] for value, row in rows.items()}))
    if report.rates:
        each = ", ".join(f"{result.f1:.3f} at {rate:.0f}" for rate, result in report.rates.items())
        console.print(f"\nF1 on the same movements of 200 ms and more, by frames a second: {each}")
    console.print(_type_table(report))
    console.print(f"\nFalse alarms of the causal spotter during: {_counts(main.alarms_during)}")
    console.print(f"Missed by it because: {_counts(main.missed)}")
    console.print(f"Rejected by it: {_counts(main.rejected)}")
    if report.labelled:
        console.print(_label_line(report))


def _froc_table(report: SpotReport) -> Table:
    """Recall at false alarms a minute, as the least score that counts is varied."""
    table = _table("recall at false alarms a minute", f"{LEVELS[0]:g}", *(f"{x:g}" for x in LEVELS[1:]))
    for name, found in report.frocs.items():
        recall = found.curve.recall_at(LEVELS)
        table.add_row(name, *(_figure(value) for value in recall))
        if name == CAUSAL:
            scores = [found.curve.score_at(level) for level in LEVELS]
            table.add_row("  95 % interval", *(_interval(*ends) for ends in found.band(LEVELS).T))
            table.add_row("  least probability", *(_figure(value, 2) for value in scores))
            for rate in PREVALENCES:
                shares = [precision_at(rate, float(r), x) for r, x in zip(recall, LEVELS, strict=True)]
                table.add_row(f"  precision at {rate:g} a minute", *(_figure(share) for share in shares))
    return table


def _spotter_table(report: SpotReport) -> Table:
    """Each at its operating point; its precision here, and in video with fewer micro-expressions."""
    rates = (f"at {rate:g}" for rate in PREVALENCES)
    table = _table("spotter", "F1", "95 %", "recall", "alarms/min", "95 %", "prec.", *rates)
    table.collapse_padding = True  # otherwise it is wider than 80 columns
    for name, result in report.scores.items():
        interval = report.f1[name]
        table.add_row(
            name,
            _figure(result.f1),
            _interval(interval.low, interval.high),
            _figure(result.recall),
            _figure(result.alarms_per_minute, 2),
            _interval(*result.alarms_interval),
            _figure(result.precision),
            *(_figure(result.precision_at(rate)) for rate in PREVALENCES),
        )
    if kept := report.after_refusal:
        alarms = kept.false_alarms_per_minute
        table.add_row(
            f"{CAUSAL}, named",
            _figure(kept.f1),
            "",
            _figure(kept.recall),
            _figure(alarms, 2),
            "",
            _figure(kept.precision),
            *(_figure(precision_at(rate, kept.recall, alarms)) for rate in PREVALENCES),
        )
    return table


def _times_table(scores: dict[str, SpotScore]) -> Table:
    table = _table("ms: median / 90 %", "onset", "apex", "offset", "decision after the apex")
    for name, result in scores.items():
        delays = _spread(hit.delay_ms for hit in result.hits)
        causal = name in (CAUSAL, *OTHER_POINTS)
        table.add_row(name, *_errors(result), delays if causal else "the video's end")
    return table


def _part_table(title: str, parts: dict[str, Part]) -> Table:
    table = _table(title, "true", "recall", "95 %", "onset ms", "apex ms", "offset ms")
    for sort, part in parts.items():
        table.add_row(sort, str(part.truths), _figure(part.recall), _interval(*part.interval), *_errors(part))
    return table


def _condition_table(condition: str, rows: dict[Any, SpotScore]) -> Table:
    columns = ("true", "recall", "95 %", "F1", "alarms/min", "apex ms", "delay ms")
    table = _table(TITLES.get(condition, condition), *columns)
    for value, result in rows.items():
        table.add_row(
            f"{value:g}" if isinstance(value, float) else str(value),
            str(result.truths),
            _figure(result.recall),
            _interval(*wilson(len(result.hits), result.truths)) if result.truths else "",
            _figure(result.f1),
            _figure(result.alarms_per_minute, 2),
            _errors(result)[1],
            _spread(hit.delay_ms for hit in result.hits),
        )
    return table


def _type_table(report: SpotReport) -> Table:
    """Micro- and macro-expressions, as the MEGC scores them."""
    kinds = [f"{result.truths} {kind}" for kind, result in report.types[CAUSAL].items()]
    table = _table("precision, recall, F1", *kinds)
    for name, results in report.types.items():
        rows = ((result.precision, result.recall, result.f1) for result in results.values())
        table.add_row(name, *(", ".join(_figure(share, 2) for share in row) for row in rows))
    return table


def _label_line(report: SpotReport) -> str:
    labelled = report.labelled
    assert labelled is not None
    return (
        f"\n{labelled.hits} hits labelled: UF1 {labelled.uf1:.3f}, so STRS {report.strs:.3f}. "
        f"The recognizer abstains on {labelled.hits_refused:.0%} of them, "
        f"{labelled.alarms_refused:.0%} of {labelled.alarms} false alarms and "
        f"{labelled.beside_refused:.0%} of {labelled.beside} that are badly delimited; "
        f"the row '{CAUSAL}, named' counts only what it labels."
    )


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, title=" ", title_justify="left")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "nothing"


def _errors(found: SpotScore | Part) -> list[str]:
    """Errors of onset, apex and offset."""
    return [
        _spread(abs(getattr(hit, f"{name}_error_ms")) for hit in found.hits)
        for name in ("onset", "apex", "offset")
    ]


def _interval(low: float, high: float) -> str:
    digits = 2 if high < 10 else 1
    return "–".join(f"{end:.{digits}f}".removeprefix("0") for end in (low, high))


def _figure(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _spread(values: Iterable[float]) -> str:
    """Median / 90th percentile."""
    found = quantiles(values, (50, 90))
    return "" if found["p50"] is None else f"{found['p50']:.0f} / {found['p90']:.0f}"
