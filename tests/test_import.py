"""What was exported, corrected elsewhere and imported again is the same, but for the corrections."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from pympi.Elan import Eaf
from reviewed_session import ONSETS, added, make_folder, says, write
from speach import elan
from test_cli import atme
from user_errors import check_line, complaint, raises

from spotting.reviews.decision import CodedUnit
from spotting.reviews.file import read_review
from stream.records.export.formats import FORMATS, export
from stream.records.imports import Annotation, as_decisions, read_annotations
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.reviewed import as_reviewed, decisions_of

KINDS = ("elan", "boris", "csv")


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_folder(tmp_path / "s")


@pytest.fixture
def session(folder) -> RecordedSession:
    return read_session(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_review_comes_back_as_it_went(folder, session, tmp_path, kind):
    smile = says(
        session, 3, "yes", label="positive", units=(CodedUnit(6), CodedUnit(12, "L", "B")), note="ü <b>"
    )
    write(
        folder,
        "ana",
        replace(smile, onset=smile.onset + 0.05, apex=smile.apex + 0.03),
        says(session, 0, "no"),
        says(session, 1, "no"),
        says(session, 2, "no"),
        says(session, 5, "yes", label="negative"),
        added(1, 15.0, label="other"),
    )
    reviewed = as_reviewed(session, decisions_of(session, "ana"))
    path = export(reviewed, kind, tmp_path / f"x{FORMATS[kind].suffix}", "ana")
    made = as_decisions(session, read_annotations(session, path, kind))
    before, after = decisions_of(session, "ana"), {one.movement: one for one in made.decisions}
    assert (made.kept, made.removed, made.promoted, made.added) == (1, 3, 1, 1)
    assert after.keys() == before.keys()
    for name, one in before.items():
        other = after[name]
        assert (other.verdict, other.label) == (one.verdict, one.label)
        for time in ("onset", "apex", "offset"):
            assert getattr(other, time) == pytest.approx(getattr(one, time), abs=0.0011)
        assert other.units == one.units
        assert other.note == (one.note if kind != "boris" else ""), "BORIS has no place for it"


def test_a_document_that_elan_has_saved(folder, session, tmp_path):
    """One label corrected, one annotation deleted, one drawn by hand, and ELAN's own mark on the file."""
    path = export(session, "elan", tmp_path / "s.eaf")
    document = Eaf(str(path))
    tier = document.tiers["micro-expression"][0]
    names = sorted(tier, key=lambda name: document.timeslots[tier[name][0]])
    start, end, _, *rest = tier[names[0]]
    tier[names[0]] = (start, end, "positive", *rest)
    del tier[names[1]]
    document.add_annotation("micro-expression", 20_000, 20_240, "surprise")
    document.add_property("URN", "urn:nl-mpi-tools-elan-eaf:1")
    corrected = tmp_path / "corrected.eaf"
    document.to_file(str(corrected))
    assert elan.read_eaf(corrected), "an independent reader takes it"
    words = atme("import", folder, "--elan", corrected, "--coder", "ana", cwd=tmp_path).stdout
    assert "3 kept, 1 removed, 0 of the rejected, 1 added" in words
    standing = read_review(folder, "ana").standing
    by_onset = {round(one.onset, 2): one for one in standing.values()}
    assert by_onset[1.0].label == "positive"
    assert by_onset[3.0].verdict == "no"
    assert by_onset[20.0].added
    assert by_onset[20.0].label == "surprise"
    done = atme("import", folder, "--elan", corrected, "--coder", "ana", cwd=tmp_path, expected=2)
    complaint(done, folder / "review-ana.jsonl")


def test_times_of_a_player_become_those_of_the_session(folder, session, tmp_path):
    slow = replace(session, about={"source": {"player_pace": 4.0}})
    path = export(slow, "elan", tmp_path / "s.eaf")
    found = read_annotations(slow, path, "elan")
    assert [round(one.onset, 3) for one in found] == list(ONSETS)
    assert min(elan.read_eaf(path)["micro-expression"], key=lambda a: a.from_ts.sec).from_ts.sec == 4.0


def test_a_table_from_a_spreadsheet(session, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("onset;offset;label\n1,01;1,37;negative\n", encoding="utf-8-sig")
    (one,) = read_annotations(session, path, "csv")
    assert (one.onset, one.offset, one.text) == (1.01, 1.37, "negative")


def test_an_annotation_that_is_far_from_everything_is_added(session):
    made = as_decisions(session, [Annotation(1.3, 1.6, "a smirk", note="left")])
    new = next(one for one in made.decisions if one.added)
    assert (new.label, new.note) == (None, "a smirk left")
    assert new.apex == pytest.approx(1.45)


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><ANNOTATION_DOCUMENT/>'


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("elan", b""),
        ("elan", b"<ANNOTATION_DOCUMENT/>"),
        ("elan", BOMB),
        ("elan", b"onset,offset"),
        ("boris", b"{}"),
        ("boris", b"[" * 100_000),
        ("boris", b'{"observations": {"a": {"events": [[1, "", "negative", "", ""]]}}}'),
        ("csv", b"a,b\n1,2\n"),
        ("csv", b"onset,offset\n1,nan\n"),
        ("csv", b"onset,offset\n2,1\n"),
        ("csv", b"onset,offset\nx,1\n"),
        ("csv", b"onset,offset\n1,2\rx,4\n"),
        ("csv", b"onset,offset\n" + 200_000 * b"1" + b",2\n"),
    ],
)
def test_what_is_no_export_is_one_line(session, tmp_path, kind, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    with raises("unreadable", path):
        read_annotations(session, path, kind)


def test_exports_of_a_review_are_told_apart(folder, session):
    write(folder, "ana", says(session, 0, "yes", label="negative"))
    for reviewed in ("ana", "consensus"):
        done = atme("export", folder, "--format", "csv", "--reviewed", reviewed, cwd=folder)
        path = folder / f"s-{reviewed}.csv"
        assert str(path) in done.stdout
        rows = list(csv.DictReader(path.open(encoding="utf-8")))
        assert [row["label"] for row in rows if row["kind"] == "micro"] == ["negative"]
    done = atme("export", folder, "--format", "csv", "--reviewed", "eve", cwd=folder, expected=2)
    assert "Traceback" not in done.stderr
    check_line(done.stderr.splitlines()[-1], folder, "'eve'", " ana")


def test_no_export_or_log_takes_the_name_of_a_review(folder, session, short_clip):
    write(folder, "ana", says(session, 0, "yes"))
    before = (folder / "review-ana.jsonl").read_bytes()
    done = atme("replay", short_clip, "--events", folder / "review-ana.jsonl", cwd=folder, expected=2)
    complaint(done, folder / "review-ana.jsonl")
    assert (folder / "review-ana.jsonl").read_bytes() == before
