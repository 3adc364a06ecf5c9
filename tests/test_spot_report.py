"""What is measured becomes tables, JSON and plots, whatever the recordings say about themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from test_spot_score import event, micro, outcome

from training.datasets.long_video import Movement
from training.spotting.evaluate import CAUSAL, OTHER_POINTS, SPOTTERS
from training.spotting.plots import plot_conditions, plot_froc
from training.spotting.report import make_report, to_json
from training.spotting.tables import show

ALL = (*SPOTTERS, *OTHER_POINTS)


def seen(crf, **conditions):
    """Two micro-expressions, one with a blink; the first is found, and one that is not there."""
    movements = [micro(1, 1.4, peak_px=1.0), micro(3, 3.3, peak_px=3.0), Movement("blink", 3.1, 3.2, 3.4)]
    plain = outcome(movements, [event(1, 1.4), event(6, 6.2)], minutes=2.0, crf=crf, **conditions)
    return replace(plain, scored=tuple(zip((0.95, 0.7), plain.found, strict=True)))


def printed(report) -> str:
    out = StringIO()
    show(report, Console(file=out, width=80))
    return out.getvalue()


@pytest.fixture(scope="module")
def report():
    return make_report([dict.fromkeys(ALL, seen(crf, peak=0.0)) for crf in (None, 24)], None)


def test_the_curve_stands_first_and_every_table_fits_80_columns(report):
    lines = printed(report).splitlines()
    titles = [line.split("  ")[0] for line in lines]
    assert titles.index("recall at false alarms a minute") < titles.index("spotter")
    assert not any("…" in line for line in lines)
    rows = {line.split("  ")[0]: line.split()[2:] for line in lines}
    assert rows["a blink in it"] == ["in", "it", "2", "0.000", ".00–.66"]
    assert rows["JPEG"][:2] == ["0.500", ".09–.91"]


def test_json_has_the_curve_the_intervals_and_the_breakdowns(report):
    result = json.loads(to_json(report))
    curve = result["froc"][CAUSAL]
    assert curve["curve"] == [[0.0, 0.5, 0.95], [0.5, 0.5, 0.7]]
    at = {row["false_alarms_per_minute"]: row for row in curve["at"]}
    assert at[0.1]["recall"] == 0.5
    assert at[0.5]["precision_at_a_minute"]["1"] == 0.5
    causal = result["spotters"][CAUSAL]
    assert causal["f1"] == result["spotters"]["causal, keen"]["f1"] == 0.5
    assert causal["f1_interval"] == [0.5, 0.5], "both recordings are alike"
    assert causal["false_alarms_interval"][0] < 0.5 < causal["false_alarms_interval"][1]
    assert set(result["by"]) == {"fps", "crf"}
    assert set(result["by"]["crf"]) == {"24", "JPEG"}
    overlap = result["by movement"]["overlap"]
    assert {sort: row[CAUSAL]["recall"] for sort, row in overlap.items()} == {"alone": 1, "a blink in it": 0}


def test_plots_are_drawn_with_and_without_figures_to_draw(report, tmp_path):
    assert plot_froc(report, tmp_path).stat().st_size > 5000
    assert {path.name for path in plot_conditions(report, tmp_path)} == {"f1-fps.png", "f1-crf.png"}
    nothing = make_report([dict.fromkeys(ALL, outcome([], []))], None)
    assert "false alarms" in printed(nothing)
    assert plot_froc(nothing, tmp_path).is_file()


def test_many_false_alarms_fit_too():
    found = [event(k, k + 0.3) for k in range(60)]
    case = outcome([micro(100, 100.4)], found, minutes=3.0)
    assert not any(
        "…" in line for line in printed(make_report([dict.fromkeys(ALL, case)], None)).splitlines()
    )
