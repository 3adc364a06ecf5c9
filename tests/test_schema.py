"""The published schema and the lines that are really written agree."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from overlay_session import EVENTS, make_event, make_macro

import stream
from recognizer.recognition import Recognition
from spotting.candidate import Candidate
from spotting.classifier import KINDS
from stream.outputs.event_log import event_line

PATH = Path(stream.__file__).parent / "schema" / "event.schema.json"
SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))
ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "event-schema.md"


def validator(definition: str = "") -> Draft202012Validator:
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{definition}"} if definition else SCHEMA
    return Draft202012Validator(schema)


def test_schema_is_itself_valid():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("label", "odds"), EVENTS)
def test_events_fit(label, odds):
    validator().validate(json.loads(event_line(make_event(1.5, label, odds))))


def test_an_event_without_finite_numbers_fits():
    event = make_event()
    odd = replace(event, candidate=replace(event.candidate, peak=float("nan")), latency_ms=float("inf"))
    validator().validate(json.loads(event_line(odd)))


def test_lines_of_a_recorded_session_fit(sample_folder):
    for name, definition in (("events", ""), ("rejected", "rejection"), ("marks", "mark"), ("gaps", "gap")):
        lines = (sample_folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert lines
        for line in lines:
            validator(definition).validate(json.loads(line))


def test_a_macro_expression_fits_and_has_nothing_of_a_recognition():
    line = json.loads(event_line(make_macro()))
    assert line["kind"] == "macro"
    validator().validate(line)
    recognised = json.loads(event_line(make_event()))
    for field in fields(Recognition):
        assert field.name not in line
        with pytest.raises(ValidationError):
            validator().validate({**line, field.name: recognised[field.name]})


@pytest.mark.parametrize(
    "change",
    [
        {"onset": "1.5"},
        {"apex_frame": 1.5},
        {"apex_frame": -1},
        {"confidence": 1.2},
        {"probabilities": {"negative": 2.0, "positive": 0.0}},
        {"schema": 2},
        {"units": [{"unit": "AU4"}]},
        {"kind": "mini"},
        {"kind": "macro"},
        {"label": None},
    ],
)
def test_a_wrong_value_does_not_fit(change):
    with pytest.raises(ValidationError):
        validator().validate({**json.loads(event_line(make_event())), **change})


def test_every_field_is_required_and_documented():
    line = json.loads(event_line(make_event()))
    text = DOCUMENT.read_text(encoding="utf-8")
    added = {"compared"}
    for name in added:  # within this version of the format
        assert f"`{name}`" in text
        validator().validate({key: value for key, value in line.items() if key != name})
    names = {f.name for kind in (Candidate, Recognition) for f in fields(kind)} | {"latency_ms", "schema"}
    assert names == line.keys() - added
    for name in names:
        assert f"`{name}`" in text, f"docs/event-schema.md does not mention {name}"
        with pytest.raises(ValidationError, match=name):
            validator().validate({key: value for key, value in line.items() if key != name})


def test_every_reason_of_a_rejection_is_documented():
    """It once said ``rest of a movement`` where the program wrote ``fragment``."""
    calls = re.compile(r"""(?:Rejection\([^"]*?|_reject_open\()"([a-z ]+)"\)""")
    sources = [path for room in ("spotting", "stream") for path in (ROOT / room).rglob("*.py")]
    reasons = {reason for path in sources for reason in calls.findall(path.read_text(encoding="utf-8"))}
    assert {"cut off", "frames gone", "fragment"} <= reasons
    text = DOCUMENT.read_text(encoding="utf-8")
    for reason in (*reasons, *KINDS[1:]):
        assert f"`{reason}`" in text, f"docs/event-schema.md does not mention the reason {reason}"
