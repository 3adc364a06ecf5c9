"""Each export says the same as the events, as read by a program other than the one that wrote it."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import parselmouth
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from overlay_session import EVENTS, make_event, make_macro
from parselmouth.praat import call
from speach import elan
from user_errors import raises

from spotting.candidate import Rejection
from stream.outputs.event_log import EventLog
from stream.records.export.formats import FORMATS, apart, export
from stream.records.recorded_session import Mark, RecordedSession, read_session

ROOT = Path(__file__).resolve().parents[1]
LABELS = [label for label, _ in EVENTS]
ONSETS = [1.0, 1.3004, 3700.2, 3800.25]  # the second begins before the first has ended


@pytest.fixture
def session(tmp_path) -> RecordedSession:
    """Four events, two of which overlap, a rejected movement and a mark; no motion curve."""
    events = tuple(make_event(onset, *one) for onset, one in zip(ONSETS, EVENTS, strict=True))
    blink = Rejection(make_event(5.0).candidate, "blink")
    about = {"source": {"name": "Prüfung <1>.mp4"}, "started": "2025-03-04T05:06:07.891+00:00"}
    return RecordedSession(tmp_path, events, (blink,), (Mark(8.0, "a & b"),), about=about)


@pytest.fixture
def both(session) -> RecordedSession:
    """The same with a macro-expression between the second and the third event."""
    first, second, *others = session.events
    return replace(session, events=(first, second, make_macro(4.0), *others))


def written(session: RecordedSession, name: str) -> Path:
    path = export(session, name)
    assert path.parent == session.path
    assert path.name == session.name + FORMATS[name].suffix
    assert [one.name for one in session.path.iterdir()] == [path.name], "nothing is left behind"
    return path


def test_csv(session):
    table = np.genfromtxt(
        written(session, "csv"), delimiter=",", names=True, dtype=None, encoding="utf-8", ndmin=1
    )
    assert list(table["label"]) == LABELS
    assert list(table["onset"]) == ONSETS
    assert list(table["event"]) == [1, 2, 3, 4]
    assert table["p_surprise"][1] == 0.62
    assert np.allclose(table["duration_ms"], 360)


def test_elan(session):
    document = elan.read_eaf(written(session, "elan"))
    tiers = {
        tier.ID: [(a.from_ts.sec, a.to_ts.sec, a.text) for a in tier.annotations] for tier in document.tiers()
    }
    assert set(tiers) == {
        "micro-expression",
        "phase",
        "confidence",
        "region",
        "action units",
        "rejected",
        "mark",
    }
    assert tiers["micro-expression"] == [
        (1.0, 1.36, "negative"),
        (1.36, 1.66, "surprise"),
        (3700.2, 3700.56, "uncertain"),
        (3800.25, 3800.61, "positive"),
    ]
    assert tiers["phase"][:2] == [(1.0, 1.16, "rise"), (1.16, 1.36, "fall")]
    assert [text for *_, text in tiers["confidence"]] == ["87 %", "62 %", "nearest: negative 41 %", "94 %"]
    assert tiers["rejected"] == [(5.0, 5.36, "blink")]
    assert tiers["mark"] == [(8.0, 8.1, "a & b")]


def test_elan_links_the_recording_and_keeps_time_slots_in_order(sample_folder, short_clip, tmp_path):
    path = export(read_session(sample_folder), "elan", tmp_path / "out.eaf")
    document = elan.read_eaf(path)
    assert document.media_url == short_clip.as_uri()
    text = path.read_text(encoding="utf-8")
    slots = [int(part.split('"')[0]) for part in text.split('TIME_VALUE="')[1:]]
    assert slots == sorted(slots)
    assert len(slots) >= 8


def test_praat(session):
    grid = parselmouth.read(str(written(session, "praat")))
    assert call(grid, "Get number of tiers") == 8

    def labelled(tier: int) -> list[tuple[float, float, str]]:
        spans = []
        for k in range(1, call(grid, "Get number of intervals", tier) + 1):
            text = call(grid, "Get label of interval", tier, k)
            edges = [call(grid, f"Get {edge} time of interval", tier, k) for edge in ("start", "end")]
            if text:
                spans.append((*edges, text))
        return spans

    assert call(grid, "Get tier name", 1) == "micro-expression"
    assert labelled(1) == [
        (1.0, 1.36, "negative"),
        (1.36, 1.6604, "surprise"),
        (3700.2, 3700.56, "uncertain"),
        (3800.25, 3800.61, "positive"),
    ]
    apexes = [call(grid, "Get time of point", 8, k) for k in range(1, 5)]
    assert apexes == pytest.approx([onset + 0.16 for onset in ONSETS])
    assert call(grid, "Get total duration") == pytest.approx(3800.61)


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_subtitles(session, name):
    path = written(session, name)
    captions = webvtt.read(str(path)) if name == "vtt" else webvtt.from_srt(str(path))
    assert [one.text for one in captions] == [
        "negative 87 %\nAU 4+L7",
        "surprise 62 %\nAU 4+L7",
        "uncertain, nearest: negative 41 %\nAU 4+L7",
        "positive 94 %\nAU 4+L7",
    ]
    assert [one.start for one in captions] == ["00:00:01.000", "00:00:01.300", "01:01:40.200", "01:03:20.250"]
    assert captions[3].end == "01:03:20.610"


def test_boris_pairs_its_state_events(session):
    project = json.loads(written(session, "boris").read_text(encoding="utf-8"))
    assert project["project_format_version"] == "7.0"
    kinds = {one["code"]: one["type"] for one in project["behaviors_conf"].values()}
    assert len({one["key"] for one in project["behaviors_conf"].values()}) == len(kinds)
    (observation,) = project["observations"].values()
    times = [event[0] for event in observation["events"]]
    assert times == sorted(times)
    begun, spans = {}, []
    for time, subject, code, modifier, _comment in observation["events"]:
        assert (subject, modifier) == ("", "")
        if kinds[code] == "Point event":
            continue
        if code in begun:
            spans.append((begun.pop(code), time, code))
        else:
            begun[code] = time
    assert not begun, "a state event without its stop"
    assert [code for *_, code in spans] == LABELS
    assert spans[:2] == [(1.0, 1.36, "negative"), (1.36, 1.66, "surprise")]


def test_boris_names_the_media(sample_folder, short_clip, tmp_path):
    path = export(read_session(sample_folder), "boris", tmp_path / "out.boris")
    (observation,) = json.loads(path.read_text(encoding="utf-8"))["observations"].values()
    assert observation["type"] == "MEDIA"
    assert observation["file"]["1"] == [str(short_clip.resolve())]
    assert observation["media_info"]["fps"] == {str(short_clip.resolve()): 60.0}


def test_megc(session):
    table = np.genfromtxt(
        written(session, "megc"), delimiter=",", names=True, dtype=None, encoding="utf-8", ndmin=1
    )
    assert table.dtype.names == ("vid", "pred_onset", "pred_offset", "type")
    assert list(table["pred_onset"][:2]) == [31, 40], "frames count from 1"
    assert set(table["type"]) == {"me"}


# --- macro-expressions


def test_csv_has_both_kinds(both):
    rows = list(csv.DictReader(written(both, "csv").read_text(encoding="utf-8").splitlines()))
    assert [row["kind"] for row in rows] == ["micro", "micro", "macro", "micro", "micro"]
    macro = rows[2]
    assert (macro["onset"], macro["offset"], macro["duration_ms"]) == ("4.0", "5.2", "1200.0")
    assert {macro[name] for name in ("label", "confidence", "p_negative", "p_positive", "p_surprise")} == {""}


def test_elan_and_praat_have_a_tier_of_macro_expressions(both):
    document = elan.read_eaf(export(both, "elan"))
    (tier,) = (tier for tier in document.tiers() if tier.ID == "macro-expression")
    assert [(a.from_ts.sec, a.to_ts.sec, a.text) for a in tier.annotations] == [(4.0, 5.2, "left_brow")]
    grid = parselmouth.read(str(export(both, "praat")))
    names = [call(grid, "Get tier name", k) for k in range(1, call(grid, "Get number of tiers") + 1)]
    assert names.count("macro-expression") == 1
    assert call(grid, "Get label of point", names.index("apex") + 1, 3) == "macro-expression"


def test_boris_has_a_behaviour_for_macro_expressions(both):
    project = json.loads(written(both, "boris").read_text(encoding="utf-8"))
    (behaviour,) = (one for one in project["behaviors_conf"].values() if one["code"] == "macro-expression")
    assert behaviour["type"] == "State event"
    (observation,) = project["observations"].values()
    rows = [(time, code) for time, _, code, *_ in observation["events"] if 4 <= time < 6]
    assert rows == [(4.0, "macro-expression"), (4.16, "apex"), (5.2, "macro-expression")]


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_subtitles_name_macro_expressions(both, name):
    path = written(both, name)
    captions = webvtt.read(str(path)) if name == "vtt" else webvtt.from_srt(str(path))
    assert (captions[2].text, captions[2].end) == ("macro-expression", "00:00:05.200")


def test_the_challenges_file_has_both_types(both):
    lines = written(both, "megc").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[-1] for line in lines] == ["type", "me", "me", "mae", "me", "me"]


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_that_begins_with_a_macro_expression_is_replaced_by_the_next(both, name):
    first = replace(both, events=both.macros)
    assert export(first, name) == export(both, name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_session_without_events_makes_a_valid_file(tmp_path, name):
    path = export(RecordedSession(tmp_path, ()), name)
    if name in {"csv", "megc"}:
        assert len(path.read_text().splitlines()) == 1
    elif name == "elan":
        assert "micro-expression" in [tier.ID for tier in elan.read_eaf(path).tiers()]
    elif name == "praat":
        assert call(parselmouth.read(str(path)), "Get number of tiers") == 5
    elif name == "vtt":
        assert len(webvtt.read(str(path))) == 0
    elif name == "boris":
        json.loads(path.read_text())


times = st.floats(0, 100, allow_nan=False)


@given(st.lists(st.tuples(times, times, st.sampled_from("abc"))))
def test_intervals_set_apart_never_overlap(intervals):
    result = apart(intervals)
    assert len(result) == len(intervals)
    assert sorted(text for *_, text in result) == sorted(text for *_, text in intervals)
    assert all(start < end for start, end, _ in result)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(result))


def test_what_cannot_be_written_is_one_clear_line(session, tmp_path):
    with raises("invalid", "--format excel", ", ".join(FORMATS)):
        export(session, "excel")
    with raises("unwritable", tmp_path / "missing" / "out.csv", "--out"):
        export(session, "csv", tmp_path / "missing" / "out.csv")
    with raises("invalid", tmp_path / "events.jsonl", ".csv"):
        export(session, "csv", tmp_path / "events.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_beside_the_events_and_says_what_it_left_out(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.write(make_event())
    with open(path, "a") as file:
        file.write('{"onset": 1.')
    code = (
        "import typer; from stream.commands.records import register; "
        "app = typer.Typer(); register(app); app()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(path), "--format", "csv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'events.csv'}: 1 event\n"
    assert "events.jsonl: line 2 " in done.stderr
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2
