"""The loaders of long videos, on small trees in the layouts of the real sets, quirks included."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from test_datasets import frames
from user_errors import raises

from training.datasets import casme_sq, samm_lv

SAMM_LV_HEADER = ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type"]
SAMM_LV_HEADER += ["Action Units", "Notes"]
SAMM_HEADER = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"]
SAMM_HEADER += ["Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]


def book(path: Path, **sheets) -> None:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        page = made.create_sheet(title)
        for row in rows:
            page.append(row)
    made.save(path)


@pytest.fixture
def casme_root(tmp_path: Path) -> Path:
    book(
        tmp_path / "CAS(ME)^2code_final.xlsx",
        Sheet1=[
            [1, "anger1_1", 30, 36, 42, "4", "negative", "micro-expression", "anger"],
            [1, "anger1_2", 60, 75, 0, "12", "happiness", "macro-expression", "happy"],
            [2, "happy2_1", 10, 14, 19, "12", "happiness", "micro-expression", "happy"],
            [2, "happy2_2", 900, 910, 920, "12", "happiness", "micro-expression", "happy"],
            [9, "happy2_1", 10, 14, 19, "12", "happiness", "micro-expression", "happy"],
            [1, "anger1_3", "/", 14, 19, "12", "surprise", "micro-expression", "?"],
            [None] * 9,
        ],
        naming2=[["s", 15, 1], ["s", 16, 2]],
        naming1=[["0401", "anger1"], ["0502", "happy2"]],
    )
    frames(tmp_path / "rawpic/s15/15_0401girl", range(1, 91), "img{:03d}.jpg")
    frames(tmp_path / "rawpic/s16/16_0502cat", range(1, 31), "img{:03d}.jpg")
    frames(tmp_path / "rawpic/s16/16_0101still", range(1, 11), "img{:03d}.jpg")
    return tmp_path


def test_casme_sq_reads_movements_into_recordings(casme_root: Path):
    loaded = casme_sq.load(casme_root)
    videos = {video.name: video for video in loaded.videos}
    assert set(videos) == {"15_0401girl", "16_0502cat", "16_0101still"}
    micro, macro = videos["15_0401girl"].movements
    assert (micro.kind, micro.label) == ("micro", "negative")
    assert (micro.onset, micro.apex, micro.offset) == (30 / 30, 36 / 30, 42 / 30)
    # An offset of 0 is the apex.
    assert (macro.kind, macro.offset) == ("macro", 75 / 30)
    assert videos["16_0502cat"].micros[0].label == "positive"
    # A recording in which nothing is annotated still shows false alarms.
    assert videos["16_0101still"].movements == ()
    numbers = [number for number, _, _ in videos["16_0101still"].pictures()]
    assert numbers == list(range(1, 11))
    said = {problem.sample: problem for problem in loaded.problems}
    assert said["casme-sq/row 2"].repaired
    assert "900 to 920" in said["casme-sq/row 4"].what
    assert "no folder" in said["casme-sq/row 5"].what
    assert "no movement" in said["casme-sq/row 6"].what
    assert len(said) == 4


def test_a_sheet_of_another_form_is_one_line(casme_root: Path):
    book(casme_root / "CAS(ME)^2code_final.xlsx", Sheet1=[[1, "anger1_1", 30, 36, 42]])
    with raises("unreadable", casme_root / "CAS(ME)^2code_final.xlsx", "1", "3"):
        casme_sq.load(casme_root)


@pytest.fixture
def samm_root(tmp_path: Path) -> Path:
    filler = [["SAMM Long Videos"]] + [["a note"]] * 9
    book(
        tmp_path / "SAMM_LongVideos_V2_Release.xlsx",
        Sheet1=[
            *filler,
            SAMM_LV_HEADER,
            [6, "006_1_2", 0, 20, 40, 60, 41, "Micro - 1/2", "4", None],
            [6, "006_1_3", 0, 0, 10, 15, 16, "Macro", "12", None],
            [6, "006_1_4", 0, 70, 99, 90, 21, "Micro - 1/2", "12", None],
            [7, "007_3_1", 0, 20, 40, 60, 41, "Micro - 1/2", "4", None],
            [6, "006_1_5", 0, 70, 80, None, 21, "Micro - 1/2", "12", None],
        ],
    )
    frames(tmp_path / "SAMM_longvideos/006_1", range(1, 101), "006_1_{:04d}.jpg")
    return tmp_path


def test_samm_lv_reads_movements_and_repairs_what_it_can(samm_root: Path):
    loaded = samm_lv.load(samm_root)
    (video,) = loaded.videos
    assert (video.name, video.fps) == ("006_1", 200.0)
    assert [movement.kind for movement in video.movements] == ["macro", "micro", "micro"]
    assert video.movements[0].onset == 1 / 200
    assert video.movements[2].apex == 80 / 200
    assert video.micros[0].label is None
    assert any("not labelled" in note for note in loaded.notes)
    said = {problem.sample: problem.repaired for problem in loaded.problems}
    assert said == {
        "samm-lv/006_1_3": True,
        "samm-lv/006_1_4": True,
        "samm-lv/007_3_1": False,
        "samm-lv/006_1_5": False,
    }


def test_samm_lv_takes_the_emotions_from_samm(samm_root: Path):
    book(
        samm_root / "SAMM_Micro_FACS_Codes_v2.xlsx",
        MICRO_ONLY=[["notes"]] * 13
        + [
            SAMM_HEADER,
            [6, "006_1_2", 0, 20, 40, 60, 41, "Micro - 1/2", "4", "Anger", "Class II", None],
            [6, "006_1_4", 0, 70, 80, 90, 21, "Micro - 1/2", "12", "Other", "Class VII", None],
        ],
    )
    (video,) = samm_lv.load(samm_root).videos
    assert [movement.label for movement in video.micros] == ["negative", None]


@pytest.mark.parametrize("load", [casme_sq.load, samm_lv.load])
def test_an_empty_folder_is_one_line(load, tmp_path: Path):
    with raises("not-found", tmp_path):
        load(tmp_path)
    with raises("not-found", tmp_path / "nowhere"):
        load(tmp_path / "nowhere")
