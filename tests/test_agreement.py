"""Agreement between coders, and of the program with them, where the figures can be worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reviewed_session import added, coded, make_folder, says, write
from sklearn.metrics import cohen_kappa_score
from test_cli import atme
from user_errors import complaint

from spotting.reviews.consensus import aligned, consensus
from spotting.reviews.decision import CodedUnit
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.report.gather import write_report
from stream.records.reviewed import as_reviewed, decisions_of, named_movements
from stream.review.agreement import agreement, kappa, wilson


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_folder(tmp_path / "s")


@pytest.fixture
def session(folder) -> RecordedSession:
    return read_session(folder)


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    first = rng.integers(0, 3, 60)
    second = np.where(rng.random(60) < 0.6, first, rng.integers(0, 3, 60))
    table = np.zeros((3, 3), np.int64)
    np.add.at(table, (first, second), 1)
    value, low, high = kappa(table)
    assert value == pytest.approx(cohen_kappa_score(first, second))
    assert low < value < high
    assert np.isnan(kappa(np.zeros((2, 2), np.int64))[0])


def test_wilson():
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)
    assert np.isnan(wilson(0, 0)[0])


def test_two_coders(session):
    ana = coded(
        says(session, 0, "yes", label="negative", units=(CodedUnit(4), CodedUnit(7))),
        says(session, 1, "yes", label="surprise", units=(CodedUnit(1), CodedUnit(2))),
        says(session, 2, "no"),
        says(session, 3, "unsure"),
        added(1, 15.0),
        added(2, 17.0),
    )
    first = says(session, 0, "yes", label="negative", units=(CodedUnit(4),))
    ben = coded(
        replace(first, onset=first.onset + 0.02, apex=first.apex + 0.04),
        says(session, 1, "yes", label="negative"),
        says(session, 2, "yes", label="positive"),
        says(session, 3, "yes"),
        added(1, 15.05),
    )
    found = agreement([(session, {"ana": ana, "ben": ben})])
    (pair,) = found.pairs
    assert pair.both == 5, "four movements, and the one that both have added"
    assert pair.unsure == 1
    assert pair.verdict[0] == pytest.approx(cohen_kappa_score([*"yyny"], [*"yyyy"]))
    assert pair.labels == 2
    assert pair.label[0] == pytest.approx(
        cohen_kappa_score(["negative", "surprise"], ["negative", "negative"])
    )
    assert pair.units[0] == pytest.approx(2 / 5)  # of the units 4, 7 | 4, and 1, 2 | none
    assert pair.shifts_ms["onset"][0] == pytest.approx((20 + 0 + 50) / 3, abs=1e-6)
    assert pair.alone == (1, 0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_program_against_a_coder(session):
    ana = coded(
        says(session, 0, "yes", label="negative"),
        says(session, 1, "yes", label="negative"),
        says(session, 2, "no"),
        says(session, 3, "unsure"),
        says(session, 4, "no"),
        says(session, 5, "yes", label="positive"),
        added(1, 15.0),
    )
    (one,) = agreement([(session, {"ana": ana})]).program
    assert (one.found, one.missed, one.false) == (2, 2, 1)
    assert one.precision[0] == pytest.approx(2 / 3)
    assert one.recall[0] == pytest.approx(2 / 4)
    assert one.confusion == {"negative": {"negative": 1, "surprise": 1}}


def test_consensus_is_what_most_say(session):
    three = {
        "ana": coded(
            says(session, 0, "yes", label="negative", units=(CodedUnit(4, "B", "B"),)),
            says(session, 1, "yes"),
            added(1, 15.0),
        ),
        "ben": coded(
            says(session, 0, "yes", label="negative", units=(CodedUnit(4, "L", "B"), CodedUnit(7))),
            says(session, 1, "no"),
        ),
        "cem": coded(says(session, 0, "no"), added(1, 15.04)),
    }
    found = consensus(three)
    names = [one.id for one in named_movements(session)]
    assert (found[names[0]].verdict, found[names[0]].label) == ("yes", "negative")
    assert found[names[0]].units == (CodedUnit(4, "B", "B"),), "the side is disputed, the unit is not"
    assert found[names[1]].verdict == "unsure"
    assert found["added-1"].onset == pytest.approx(15.02)
    assert aligned(three)["cem"].keys() == {names[0], "added-1"}


def test_a_reviewed_session_holds_what_was_decided(folder, session):
    moved = says(session, 0, "yes", label="positive")
    write(folder, "ana", replace(moved, onset=moved.onset + 0.1), says(session, 1, "no"), added(1, 15.0))
    reviewed = as_reviewed(session, decisions_of(session, "ana"))
    assert [(round(e.onset, 3), e.name) for e in reviewed.events] == [
        (1.1, "positive"),
        (9.0, "macro-expression"),
        (15.0, "uncertain"),
    ]
    reasons = [one.reason for one in reviewed.rejections]
    assert reasons == ["coder: no", "not reviewed", "not reviewed", "not reviewed", "not reviewed"]


def test_the_command(folder, session, tmp_path):
    complaint(atme("agreement", folder, cwd=tmp_path, expected=2), folder)
    write(folder, "ana", says(session, 0, "yes", label="negative"), says(session, 1, "no"))
    write(folder, "ben", says(session, 0, "yes", label="negative"), says(session, 1, "no"))
    words = atme("agreement", tmp_path, cwd=tmp_path).stdout
    assert "ana – ben" in words
    found = json.loads(atme("agreement", folder, "--json", cwd=tmp_path).stdout)
    assert found["coders"] == ["ana", "ben"]
    assert found["pairs"][0]["verdict"][0] == 1.0
    assert found["program"][0]["precision"][0] == 0.5


def test_the_report_shows_what_was_decided_beside_what_the_program_thought(folder, session, tmp_path):
    assert 'id="reviewed"' not in page(session)
    write(folder, "ana", says(session, 0, "yes", label="positive", note="<b>left</b>"), added(1, 15.0))
    write(folder, "ben", says(session, 0, "no"), says(session, 5, "yes", units=(CodedUnit(12, "L", "C"),)))
    text = page(session)
    section = text[text.index('id="reviewed"') :]
    section = section[: section.index("</section>")]
    assert "<b>ana</b> has decided 1 of 7 movements: 2 yes (1 of them not seen by the program)" in section
    assert "yes, positive, &lt;b&gt;left&lt;/b&gt;" in section
    assert "rejected: blink" in section
    assert "yes, L12C" in section
    assert "not seen" in section
    assert "program against ben" in section
    (folder / "review-ben.jsonl").write_text('{"schema": 9}\n', encoding="utf-8")
    assert "written by a newer atme-live" in page(session)


def page(session: RecordedSession) -> str:
    return write_report(session, pictures=False).read_text(encoding="utf-8")
