"""Action units from a pair of images to every output: which, on which side, how far, for which label."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from overlay_session import UNITS as SHOWN
from overlay_session import make_event, make_macro
from rich.console import Console
from user_errors import raises

from recognizer.face import locate
from recognizer.flow.unit_motion import unit_motion
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.network.model_info import ModelInfo
from recognizer.recognizer import Recognizer
from recognizer.units import HEAD, ONE_PLACE, UNITS, facs_code, side_of
from stream.cli import app
from stream.event import MicroExpression
from stream.outputs.event_log import event_line
from stream.outputs.lines import human_line
from stream.overlay.drawing.big_text import Letters
from stream.overlay.event_panel import event_panel
from stream.records.event_lines import event_from
from stream.records.export.formats import FORMATS
from stream.records.recorded_session import RecordedSession
from stream.records.report.page import page
from training.synthesis.motion_model import Activation, displacement


def test_the_side_is_where_the_threshold_is_reached() -> None:
    pairs = ((0.4, 0.4), (0.5, 0.3), (0.1, 0.9), (0.3, 0.3))
    assert [side_of(*pair, threshold=0.4) for pair in pairs] == ["both", "left", "right", ""]
    assert facs_code(SHOWN) == "AU 4+L7"
    assert facs_code(()) == ""


def test_motion_is_measured_at_the_units_own_place_on_the_persons_side(portrait) -> None:
    """The image's right is the person's left; what the head does is taken off."""
    geometry = locate(portrait.landmarks)
    height, width = portrait.image.shape[:2]
    peak = 2 / 256  # face widths
    field = displacement(geometry.landmarks, [Activation(12, 0.0, peak)], (height, width))
    field[..., 0] += 1.5
    face = geometry.face
    cut = field[round(face.top) : round(face.bottom), round(face.left) : round(face.right)]
    size = 128
    rows = np.linspace(0, cut.shape[0] - 1, size).round().astype(int)
    columns = np.linspace(0, cut.shape[1] - 1, size).round().astype(int)
    scale = np.array((size / cut.shape[1], size / cut.shape[0]))
    motion = unit_motion((cut[rows][:, columns] * scale).astype(np.float32), geometry)
    left, right = motion["AU12"]
    assert 1.2 < left < 2.1
    assert abs(right) < 0.2
    assert motion["AU4"] == pytest.approx((0, 0), abs=0.2)
    assert motion[HEAD][0] == pytest.approx(1.5 * 256 / face.width, rel=0.1)
    assert list(motion) == list(UNITS)


def test_a_line_of_the_log_gives_the_units_back() -> None:
    event = make_event()
    line = json.loads(event_line(event))
    assert line["schema"] == 3
    assert line["units"][0] == {
        "unit": "AU4",
        "side": "both",
        "left": 0.93,
        "right": 0.88,
        "px": 1.31,
        "weight": 1.2,
    }
    again = event_from(line)
    assert isinstance(again, MicroExpression)
    assert again.recognition.units == SHOWN


def test_sessions_from_before_there_were_units_are_read() -> None:
    line = json.loads(event_line(make_event()))
    del line["units"]
    older = event_from({**line, "schema": 2})
    assert isinstance(older, MicroExpression)
    assert older.recognition.units == ()
    assert older.facs == ""


def test_sessions_from_before_frames_were_named_show_onset_and_apex() -> None:
    line = json.loads(event_line(make_event()))
    again = event_from(line)
    assert isinstance(again, MicroExpression)
    assert again.compared == (369, 375) == tuple(line.pop("compared"))
    older = event_from(line)
    assert isinstance(older, MicroExpression)
    assert older.compared == (370, 375)


def test_what_speaks_for_the_label_is_at_work_and_weighs() -> None:
    found = make_event().recognition
    assert [unit.unit for unit in found.speaking] == ["AU4", "AU7"]
    assert found.why == "brow lowerer, lid tightener left"
    assert replace(found, units=(replace(SHOWN[0], weight=-1.0),)).why == ""


def test_every_output_tells_the_units() -> None:
    session = RecordedSession(Path("s"), (make_event(), make_macro(20.0), make_event(30.0, units=())))
    (row, macro, bare) = csv.DictReader(io.StringIO(FORMATS["csv"].content(session).decode()))
    assert (row["AU04_p"], row["AU04_side"]) == ("0.93", "both")
    assert (row["AU07_side"], row["AU12_side"]) == ("left", "")
    assert row["AU45_p"] == "0.1"
    assert macro["AU04_p"] == bare["AU04_p"] == ""
    tiers = ElementTree.fromstring(FORMATS["elan"].content(session)).iter("TIER")
    texts = {tier.get("TIER_ID"): [text.text for text in tier.iter("ANNOTATION_VALUE")] for tier in tiers}
    assert texts["action units"] == ["AU 4+L7"]
    for name in ("praat", "vtt", "srt", "boris"):
        assert FORMATS[name].content(session).decode().count("AU 4+L7") == 1, name
    line = human_line(make_event())
    assert line.endswith("AU 4+L7 (brow lowerer, lid tightener left)")
    assert line.isascii()
    assert "AU" not in human_line(make_macro())
    html = page(session, [None] * 3, {})
    assert "<td>lid tightener left</td>" in html
    assert "for negative" in html
    for letters in (Letters.double, Letters.plain):
        console = Console(width=110, record=True, file=io.StringIO())
        console.print(event_panel(make_event(), 13.0, 110, letters))
        assert "AU 4+L7" in console.export_text()


def test_metadata_of_units_is_checked() -> None:
    told = {"units": ("AU4",), "unit_thresholds": (0.5,), "unit_weights": ((1, 0, -1),)}
    info = ModelInfo("w", "nothing", "none", **told)
    assert ModelInfo.from_json(info.to_json(), "w") == info
    before = {k: v for k, v in asdict(info).items() if not k.startswith("unit")}
    assert ModelInfo.from_json(json.dumps(before), "w").units == ()
    for wrong in (
        {"units": ["AU99"]},
        {"units": ["AU4", "AU4"]},
        {"unit_thresholds": [2.0]},
        {"unit_thresholds": []},
        {"unit_weights": [[1, 2]]},
        {"unit_weights": [["a", 0, 0]]},
        {"units": "AU4"},
    ):
        with raises("unreadable", "w: "):
            ModelInfo.from_json(json.dumps({**asdict(info), **wrong}), "w")


def test_weights_without_units_tell_none(portrait, untrained) -> None:
    with Recognizer(untrained) as recognizer:
        assert recognizer.recognize(portrait.image, portrait.image).units == ()


def test_units_can_be_left_out(portrait, moved, tmp_path, capsys) -> None:
    import cv2

    onset, apex = (str(tmp_path / name) for name in ("onset.png", "apex.png"))
    cv2.imwrite(onset, portrait.image)
    cv2.imwrite(apex, moved((4, 0.008, 0.008)))
    app(["recognize", onset, apex, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    app(["recognize", onset, apex, "--json", "--no-units"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["units"] == []
    assert [unit["unit"] for unit in told["units"]] == list(UNITS)
    assert next(unit for unit in told["units"] if unit["unit"] == "AU4")["side"] == "both"


@pytest.mark.parametrize(("image_side", "person"), [("left", "right"), ("right", "left")])
def test_a_one_sided_smile_is_seen_on_the_persons_side(portrait, moved, image_side: str, person: str) -> None:
    """Through the whole preprocessing, with the shipped weights."""
    sides = (0.009, 0.0005) if image_side == "left" else (0.0005, 0.009)
    with Recognizer(DEFAULT_WEIGHTS) as recognizer:
        found = recognizer.recognize(portrait.image, moved((12, *sides)))
    smile = next(unit for unit in found.units if unit.unit == "AU12")
    assert getattr(smile, person) > 2 * getattr(smile, "left" if person == "right" else "right")
    assert smile.side == person
    assert smile.px > 1.0


def test_the_midline_has_no_sides() -> None:
    """Of the shipped weights: the two outputs of a unit on the midline say the same, or nearly."""
    from training.synthesis.flow import synthetic_archive
    from training.synthesis.random_motion import SynthesisConfig

    made = synthetic_archive(200, 31, SynthesisConfig())
    backend = Backend(DEFAULT_WEIGHTS)
    said = backend.predict(made.entire, made.puzzled).units
    for k, code in enumerate(backend.info.units):
        if code in ONE_PLACE:
            assert np.abs(said[:, k, 0] - said[:, k, 1]).mean() < 0.05, code


def test_the_units_say_the_label_that_the_network_says() -> None:
    """The units' weights are a summary of the shipped network: on samples that nobody has fitted them to,
    the class that they make likeliest is nearly always the network's, and what speaks for it is at work."""
    from training.synthesis.flow import synthetic_archive
    from training.synthesis.random_motion import SynthesisConfig

    made = synthetic_archive(300, 77, SynthesisConfig(non_events=0))
    backend = Backend(DEFAULT_WEIGHTS)
    judged = backend.predict(made.entire, made.puzzled)
    said = judged.units.max(axis=2)
    odds = said @ np.array(backend.info.unit_weights)
    sure = judged.probabilities.max(axis=1) > 0.7
    assert sure.sum() > 150
    alike = odds.argmax(axis=1) == judged.probabilities.argmax(axis=1)
    assert alike[sure].mean() > 0.9
