"""The loaders, on small trees in exactly the layouts and with the quirks of the real sets."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_errors import raises

from training.datasets import Loaded, Problem
from training.datasets.reading.sheet import whole
from training.datasets.reading.units import read_units
from training.datasets.registry import DATASETS, find

_JPEG = bytes(cv2.imencode(".jpg", np.full((8, 8), 128, np.uint8))[1])

CASME2_HEADER = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None]
CASME2_HEADER += ["Action Units", "Estimated Emotion"]
SAMM_HEADER = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"]
SAMM_HEADER += ["Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
SMIC_HEADER = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F"]
SMIC_HEADER += [None, "FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalVL", "Emotion"]
CASME3_HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]


def sheet(path: Path, rows: Iterable[Sequence[Any]], title: str = "Sheet1") -> Path:
    book = openpyxl.Workbook()
    page = book.active
    page.title = title
    for row in rows:
        page.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def frames(folder: Path, numbers: Iterable[int], name: str = "img{}.jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / name.format(number)).write_bytes(_JPEG)


def casme2_row(subject: Any, clip: str, onset: Any, apex: Any, offset: Any, emotion: str) -> list[Any]:
    return [subject, clip, None, onset, apex, offset, None, "4+L10", emotion]


def of(loaded: Loaded, sample: str) -> list[Problem]:
    return [p for p in loaded.problems if p.sample == sample]


def the_one(loaded: Loaded, sample: str) -> Problem:
    problems = of(loaded, sample)
    assert len(problems) == 1, problems
    return problems[0]


# --- CASME II ---


@pytest.fixture
def casme2_root(tmp_path: Path) -> Path:
    root = tmp_path / "CASME2"
    rows = [
        CASME2_HEADER,
        casme2_row("01", "EP02_01f", 46, 59, 86, "happiness"),
        casme2_row("01", "EP03_02", 10, "/", 30, "disgust"),
        casme2_row(1, "EP04_03", 10, 30, 30, "surprise"),
        casme2_row("02", "EP01_11f", 10, 20, 30, "others"),
        casme2_row("02", "EP02_04f", 10, 20, 30, "repression"),
        casme2_row("04", "EP12_01f", 10, 10, 30, "disgust"),
        casme2_row("04", "EP13_02f", 10, 20, 30, "sadness"),
        casme2_row("05", "EP06_10", 10, 20, 30, "puzzled"),
        casme2_row("05", "EP07_01", 10, 20, 30, "fear"),
        casme2_row("02", "EP02_04f", 10, 20, 30, "surprise"),
    ]
    sheet(root / "CASME2-coding-20140508.xlsx", rows)
    raw = root / "CASME2-RAW" / "CASME2-RAW"
    frames(raw / "sub01" / "EP02_01f", range(40, 91))
    for subject, clip in (("sub01", "EP03_02"), ("sub01", "EP04_03"), ("sub02", "EP02_04f")):
        frames(raw / subject / clip, range(1, 41))
    for subject, clip in (("sub02", "EP01_11f"), ("sub04", "EP12_01f"), ("sub05", "EP06_10")):
        frames(raw / subject / clip, range(1, 41))
    frames(raw / "sub04" / "EP13_02f", [n for n in range(1, 31) if n not in (20, 30)])
    frames(root / "Cropped" / "sub01" / "EP02_01f", range(40, 91), "reg_img{}.jpg")
    return root


def test_casme2_reads_frames_labels_and_units(casme2_root: Path) -> None:
    loaded = find("casme2").load(casme2_root)
    sample = loaded.samples[0]
    assert (sample.id, sample.label, sample.emotion) == ("casme2/sub01/EP02_01f", 1, "happiness")
    assert (sample.onset, sample.apex, sample.offset) == (46, 59, 86)
    assert sample.onset_path.name == "img46.jpg"
    assert "CASME2-RAW" in sample.onset_path.parts, "raw frames come before cropped ones"
    assert [n for n, _ in sample.frames] == list(range(46, 87))
    assert sample.units == ((4, None), (10, "L"))
    assert sample.units_written == "4+L10"
    assert sample.apex_origin == "annotated"
    assert (sample.fps, of(loaded, sample.id)) == (200.0, [])


def test_casme2_without_a_credible_apex_is_to_be_estimated(casme2_root: Path) -> None:
    loaded = find("casme2").load(casme2_root)
    samples = {s.id: s for s in loaded.samples}
    for clip, reason in (
        ("sub01/EP03_02", "'/'"),
        ("sub01/EP04_03", "= offset"),
        ("sub04/EP12_01f", "= onset"),
    ):
        sample = samples[f"casme2/{clip}"]
        assert (sample.apex, sample.apex_path, sample.apex_origin) == (None, None, "missing")
        problem = the_one(loaded, sample.id)
        assert reason in problem.what
        assert problem.repaired


def test_casme2_leaves_out_others_with_a_reason_and_never_calls_them_negative(casme2_root: Path) -> None:
    loaded = find("casme2").load(casme2_root)
    assert all(s.emotion != "others" for s in loaded.samples)
    problem = the_one(loaded, "casme2/sub02/EP01_11f")
    assert "others" in problem.what
    assert not problem.repaired


def test_casme2_every_row_is_a_sample_or_a_reason(casme2_root: Path) -> None:
    loaded = find("casme2").load(casme2_root)
    skipped = [p for p in loaded.problems if not p.repaired]
    assert len(loaded.samples) + len(skipped) == 10
    reasons = {p.sample: p.what for p in skipped}
    assert "unknown emotion 'puzzled'" in reasons["casme2/sub05/EP06_10"]
    assert "no frames in" in reasons["casme2/sub05/EP07_01"]
    assert "duplicate" in reasons["casme2/sub02/EP02_04f"]
    assert "'surprise'" in reasons["casme2/sub02/EP02_04f"], "a contrary label is told"


def test_casme2_dropped_frames_are_bridged(casme2_root: Path) -> None:
    loaded = find("casme2").load(casme2_root)
    sample = next(s for s in loaded.samples if s.id == "casme2/sub04/EP13_02f")
    assert (sample.apex, sample.offset) == (19, 29)
    assert {p.repaired for p in of(loaded, sample.id)} == {True}
    assert len(of(loaded, sample.id)) == 2


def test_subjects_with_one_class_are_noted(casme2_root: Path) -> None:
    notes = " | ".join(find("casme2").load(casme2_root).notes)
    assert "one class only: casme2/sub02 (negative), casme2/sub04 (negative)" in notes
    assert "has 10 rows, the release has 255" in notes


def test_one_subject_only_is_noted(tmp_path: Path) -> None:
    frames(tmp_path / "HS" / "s03" / "micro" / "negative" / "s3_ne_01", range(5))
    assert any("one subject only" in note for note in find("smic-hs").load(tmp_path).notes)


def test_casme2_cropped_frames_serve_where_there_are_no_others(tmp_path: Path) -> None:
    sheet(
        tmp_path / "CASME2-coding-20140508.xlsx",
        [CASME2_HEADER, casme2_row("01", "EP02_01f", 46, 59, 86, "happiness")],
    )
    frames(tmp_path / "Cropped" / "sub01" / "EP02_01f", range(40, 91), "reg_img{}.jpg")
    assert find("casme2").load(tmp_path).samples[0].apex_path == (
        tmp_path / "Cropped" / "sub01" / "EP02_01f" / "reg_img59.jpg"
    )


def test_another_version_of_the_sheet_is_read_and_noted(casme2_root: Path) -> None:
    old = casme2_root / "CASME2-coding-20140508.xlsx"
    old.rename(casme2_root / "CASME2-coding-20190701.xlsx")
    loaded = find("casme2").load(casme2_root)
    assert loaded.samples
    assert any("20190701" in note for note in loaded.notes)


def test_columns_of_another_version_are_one_clear_line(casme2_root: Path) -> None:
    header = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU"]
    sheet(casme2_root / "CASME2-coding-20140508.xlsx", [header, ["01", "EP02_01f", 1, 2, 3, "4"]])
    expected, found = "Subject, Filename, OnsetFrame, ApexFrame", "Subject, Filename, Onset, Apex, Offset, AU"
    with raises("unreadable", "CASME2-coding-20140508.xlsx", expected, found):
        find("casme2").load(casme2_root)


# --- SAMM ---


@pytest.fixture
def samm_root(tmp_path: Path) -> Path:
    root = tmp_path / "SAMM"

    def row(
        subject: Any, clip: str, onset: int, apex: int, offset: int, units: str, emotion: str
    ) -> list[Any]:
        return [subject, clip, 1, onset, apex, offset, 9, "Micro - 1/2", units, emotion, 3, None]

    rows = [["notes"]] * 12 + [[None]] + [SAMM_HEADER]
    rows += [
        row("006", "006_1_2", 5562, 5572, 5592, "L12 or L14", "Happiness"),
        row(6, "006_1_3", 100, 110, 120, "A14C", "Contempt"),
        row("028", "028_4_1", 100, 190, 120, "4", "Anger"),
        row("032", "032_3_1", 100, 95, 120, "1+2", "Surprise"),
        row("007", "007_3_1", 100, 110, 120, "4", "Other"),
        row("011", "011_1_1", 100, 110, 120, "4+x9", "Sadness"),
    ]
    sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", rows, "MICRO_ONLY")
    frames(root / "SAMM" / "006" / "006_1_2", range(5562, 5593), "006_{:05}.jpg")
    for clip in ("006_1_3", "028_4_1", "032_3_1", "007_3_1", "011_1_1"):
        frames(root / "SAMM" / clip[:3] / clip, range(100, 121), clip[:3] + "_{:05}.jpg")
    return root


def test_samm_header_on_row_14_subjects_and_units(samm_root: Path) -> None:
    loaded = find("samm").load(samm_root)
    samples = {s.clip: s for s in loaded.samples}
    assert samples["006_1_2"].onset_path.name == "006_05562.jpg"
    assert samples["006_1_2"].units == ((12, "L"), (14, "L"))
    assert samples["006_1_3"].units == ((14, "A"),)
    assert {s.subject for s in loaded.samples if s.clip.startswith("006")} == {"006"}
    assert samples["006_1_3"].label == 0
    assert "Other" in the_one(loaded, "samm/007/007_3_1").what


def test_samm_apex_outside_of_the_clip_is_to_be_estimated(samm_root: Path) -> None:
    loaded = find("samm").load(samm_root)
    for clip in ("028_4_1", "032_3_1"):
        sample = next(s for s in loaded.samples if s.clip == clip)
        assert sample.apex_origin == "missing"
        problem = the_one(loaded, sample.id)
        assert "outside the clip 100 to 120" in problem.what
        assert problem.repaired


def test_units_that_cannot_be_read_are_reported(samm_root: Path) -> None:
    problem = the_one(find("samm").load(samm_root), "samm/011/011_1_1")
    assert "x9" in problem.what
    assert problem.repaired


def test_samm_without_its_page_names_the_pages_there(samm_root: Path) -> None:
    sheet(samm_root / "SAMM_Micro_FACS_Codes_v2.xlsx", [SAMM_HEADER], "Tabelle1")
    with raises("unreadable", "'MICRO_ONLY'", "Tabelle1"):
        find("samm").load(samm_root)


# --- SMIC ---


def test_smic_cropped_needs_no_sheet(tmp_path: Path) -> None:
    home = tmp_path / "SMIC_all_cropped"
    frames(home / "HS" / "s03" / "micro" / "negative" / "s3_ne_01", range(7, 30), "reg_image{}.bmp")
    frames(home / "HS" / "s03" / "micro" / "positive" / "s3_po_02", range(7, 30), "reg_image{}.bmp")
    frames(home / "HS" / "s4" / "micro" / "surprise" / "s4_po_01", range(7, 30), "reg_image{}.bmp")
    frames(home / "HS" / "s4" / "micro" / "surprise" / "notes", range(7, 30))
    frames(home / "HS" / "s4" / "micro" / "surprise" / "s4_sur_09", [5])
    frames(home / "HS" / "s4" / "non_micro" / "s4_non_01", range(7, 30))
    frames(home / "VIS" / "s11" / "micro" / "negative" / "s11_ne_01", range(7, 30))
    loaded = find("smic-hs").load(tmp_path)
    assert [(s.id, s.label) for s in loaded.samples] == [
        ("smic/s03/s03_ne_01", 0),
        ("smic/s03/s03_po_02", 1),
        ("smic/s04/s04_po_01", 1),
    ]
    sample = loaded.samples[0]
    assert (sample.onset, sample.apex, sample.offset) == (7, None, 29)
    assert (sample.apex_origin, sample.fps) == ("missing", 100.0)
    assert of(loaded, sample.id) == [], "SMIC annotates no apex at all: that is no fault of the sample"
    assert "the name decides" in the_one(loaded, "smic/s04/s04_po_01").what
    assert "does not tell" in the_one(loaded, "smic/notes").what
    assert not the_one(loaded, "smic/s04/s04_sur_09").repaired


def test_smic_clips_of_one_name_are_not_lost(tmp_path: Path) -> None:
    for group in ("negative", "positive"):
        frames(tmp_path / "HS" / "s03" / "micro" / group / "s3_ne_01", range(5))
    loaded = find("smic-hs").load(tmp_path)
    assert len(loaded.samples) == 1
    assert any("duplicate" in p.what and not p.repaired for p in loaded.problems)


def smic_row(
    clip: str, onset: Any, offset: Any, emotion: str, third: Any = None, second: Any = None
) -> list[Any]:
    subject = int(clip.partition("_")[0][1:])
    row: list[Any] = [subject, clip, None, onset, offset, second, second and second + 5]
    return [*row, third, third, None, 17581001, 17581080, 21, None, 80, emotion]


@pytest.fixture
def smic_e_root(tmp_path: Path) -> Path:
    root = tmp_path / "HS_long"
    rows = [
        SMIC_HEADER,
        smic_row("s20_ne_01", 17581039, 17581060, "negative"),
        smic_row("s3_po_01", 17581039, 17581060, "positive", third="#VALUE!"),
        smic_row("s3_sur_02", 17581039, 17581060, "surprise", third="=H3-G3", second=17581070),
        smic_row("s3_ne_03", 17581039, 17581060, "negative"),
        [None] * len(SMIC_HEADER),
    ]
    sheet(root / "SMIC-HS-E_annotation.xlsx", rows)
    for clip in ("s20_ne_01", "s3_po_01", "s3_sur_02", "s3_ne_07"):
        subject = f"s{int(clip.partition('_')[0][1:]):02}"
        frames(root / "SMIC_HS_E" / subject / clip, range(17581001, 17581081), "image{:06}.jpg")
    return root


def test_smic_extended(smic_e_root: Path) -> None:
    loaded = find("smic-hs-e").load(smic_e_root)
    samples = {s.clip: s for s in loaded.samples}
    assert sorted(samples) == ["s03_po_01", "s03_sur_02", "s20_ne_01"]
    sample = samples["s20_ne_01"]
    assert (sample.onset, sample.apex, sample.offset) == (17581039, None, 17581060)
    assert sample.onset_path.name == "image17581039.jpg"
    assert of(loaded, sample.id) == []


def test_smic_formula_residue_second_movements_and_missing_rows_are_reported(smic_e_root: Path) -> None:
    loaded = find("smic-hs-e").load(smic_e_root)
    residue = the_one(loaded, "smic/s03/s03_po_01")
    assert "residue" in residue.what
    assert residue.repaired
    assert "17581070" in the_one(loaded, "smic/s03/s03_sur_02#2").what
    assert "no frames" in the_one(loaded, "smic/s03/s03_ne_03").what
    assert "not in SMIC-HS-E_annotation.xlsx" in the_one(loaded, "smic/s03/s03_ne_07").what


def test_smic_apexes_of_the_2019_file_are_not_used(smic_e_root: Path) -> None:
    plain = smic_e_root / "SMIC-HS-E_annotation.xlsx"
    plain.unlink()
    header = [*SMIC_HEADER, "ApexF"]
    row = [*smic_row("s20_ne_01", 17581039, 17581060, "negative"), 17581045]
    sheet(smic_e_root / "SMIC-HS-E_annotation_2019.xlsx", [header, row])
    loaded = find("smic-hs-e").load(smic_e_root)
    assert [s.apex_origin for s in loaded.samples] == ["missing"]
    assert any("unknown origin" in note for note in loaded.notes)


# --- MEGC2019 ---


@pytest.fixture
def megc_root(casme2_root: Path, samm_root: Path) -> Path:
    root = casme2_root.parent
    home = root / "SMIC" / "HS" / "s3" / "micro"
    frames(home / "negative" / "s3_ne_01", range(7, 30))
    lines = [
        "casme2,sub01,EP02_01f,1",
        "samm,6,006_1_2,1",
        "samm,006,006_1_3,0",
        "smic,s03,s03_ne_01,0",
        "casme2,sub02,EP01_11f,0",
        "samm,28,028_4_1,0",
        "casme2,sub05,EP07_01,0",
        "samm,99,099_1_1,2",
    ]
    (root / "combined_3class_gt.csv").write_text("\n".join(lines) + "\n")
    return root


def test_megc2019_lists_decide(megc_root: Path) -> None:
    loaded = find("megc2019").load(megc_root)
    assert [(s.id, s.label) for s in loaded.samples] == [
        ("casme2/sub01/EP02_01f", 1),
        ("samm/006/006_1_2", 1),
        ("samm/006/006_1_3", 0),
        ("smic/s03/s03_ne_01", 0),
        ("casme2/sub02/EP01_11f", 0),
        ("samm/028/028_4_1", 0),
    ]
    contrary = the_one(loaded, "casme2/sub02/EP01_11f")
    assert "'others' in the dataset, negative in combined_3class_gt.csv" in contrary.what
    assert contrary.repaired
    assert "outside the clip" in the_one(loaded, "samm/028/028_4_1").what
    assert "no frames in" in the_one(loaded, "casme2/sub05/EP07_01").what
    assert "not in the dataset's sheet" in the_one(loaded, "samm/099/099_1_1").what
    notes = " | ".join(loaded.notes)
    assert "casme2/sub04/EP12_01f" in notes, "what the composite leaves out is told"


def test_megc2019_blank_rows_of_the_twin(megc_root: Path) -> None:
    plain = megc_root / "combined_3class_gt.csv"
    lines = plain.read_text().splitlines()
    plain.unlink()
    twin = megc_root / "combined_3class_gt-2.csv"
    twin.write_text("\n,,,\n".join(lines) + "\n,,,\n")
    loaded = find("megc2019").load(megc_root)
    assert len(loaded.samples) == 6
    notes = " | ".join(loaded.notes)
    assert "8 blank rows" in notes
    assert "gt-2.csv" in notes


def test_megc2019_duplicate_line_and_bad_line(megc_root: Path) -> None:
    path = megc_root / "combined_3class_gt.csv"
    path.write_text(path.read_text() + "samm,006,006_1_2,1\n")
    assert "duplicate" in the_one(find("megc2019").load(megc_root), "samm/006/006_1_2").what
    path.write_text("samm,6,006_1_2,7\n")
    with raises("unreadable", path, "line 1", "samm,6,006_1_2,7"):
        find("megc2019").load(megc_root)


# --- CAS(ME)³ ---


def casme3_rows() -> list[list[Any]]:
    return [
        CASME3_HEADER,
        ["spNO.1", "b", 175, 180, 190, "4，12", "II", "disgust"],
        ["spNO.1", "b", 200, 206, 210, "R12", "I", "happy"],
        ["spNO.1", "B", 175, 180, 190, "4", "II", "Disgust"],
        ["spNO.2", "c", 10, 15, 20, "1+2", "III", "Surprise"],
        ["spNO.2", "c", 30, 30, 30, "4", "VII", "Others"],
        ["spNO.2", "c", 5000, 5005, 5010, "4", "II", "fear"],
        ["spNO.2", "c", 40, 44, 44, "4", "II", "anger"],
    ]


def test_casme3_quirks(tmp_path: Path) -> None:
    sheet(tmp_path / "annotation" / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", casme3_rows(), "label")
    frames(tmp_path / "part_A" / "spNo.1" / "b" / "color", range(170, 215), "{}.jpg")
    frames(tmp_path / "part_A" / "spNo.1" / "b" / "depth", range(170, 215), "{}.png")
    frames(
        tmp_path / "part_A" / "spNo.2" / "c" / "color",
        [n for n in range(1, 60) if n not in (10, 15)],
        "{}.jpg",
    )
    loaded = find("casme3").load(tmp_path)
    samples = {s.id: s for s in loaded.samples}
    first = samples["casme3/spNO.1/b_175"]
    assert (first.label, first.units, first.fps) == (0, ((4, None), (12, None)), 30.0)
    assert first.apex_path == tmp_path / "part_A" / "spNo.1" / "b" / "color" / "180.jpg"
    assert samples["casme3/spNO.1/b_200"].label == 1
    dropped = samples["casme3/spNO.2/c_10"]
    assert (dropped.onset, dropped.apex) == (9, 14)
    assert len(of(loaded, dropped.id)) == 2
    assert "duplicate: the same name" in the_one(loaded, first.id).what
    assert samples["casme3/spNO.2/c_40"].apex_origin == "missing"
    for name, reason in (("c_30", "no movement between"), ("c_5000", "onset frame 5000 is absent")):
        problem = the_one(loaded, f"casme3/spNO.2/{name}")
        assert reason in problem.what
        assert not problem.repaired
    assert len(loaded.samples) + sum(not p.repaired for p in loaded.problems) == 7


def test_casme3_release_of_clips_only(tmp_path: Path) -> None:
    sheet(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", casme3_rows()[:2], "label")
    for kind in ("depth", "frame"):
        frames(tmp_path / "Part_A_ME_clip" / kind / "spNO.1_b_175", range(175, 191), "{}.jpg")
    sample = find("casme3").load(tmp_path).samples[0]
    assert sample.onset_path == tmp_path / "Part_A_ME_clip" / "frame" / "spNO.1_b_175" / "175.jpg"


# --- all of them ---


@pytest.mark.parametrize("name", DATASETS)
def test_wrong_roots_are_one_clear_line(name: str, tmp_path: Path) -> None:
    with raises("not-found", tmp_path / "nowhere"):
        find(name).load(tmp_path / "nowhere")
    (tmp_path / "labels.xls").write_bytes(b"")
    with raises("not-found", tmp_path):
        find(name).load(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("casme2", "CASME2-coding-20140508.xlsx"),
        ("samm", "SAMM_Micro_FACS_Codes_v2.xlsx"),
        ("smic-hs-e", "SMIC-HS-E_annotation.xlsx"),
        ("casme3", "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"),
    ],
)
def test_damaged_sheets_are_one_clear_line(name: str, file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(b"PK\x03\x04 not a sheet")
    with raises("unreadable", tmp_path / file):
        find(name).load(tmp_path)


def test_sheet_without_frames_says_what_was_looked_for(casme2_root: Path) -> None:
    shutil.rmtree(casme2_root / "CASME2-RAW")
    shutil.rmtree(casme2_root / "Cropped")
    with raises("not-found", "sub01/EP02_01f/img46.jpg"):
        find("casme2").load(casme2_root)


def test_unknown_data_set_suggests_the_nearest() -> None:
    with raises("invalid", "casme-2", "casme2"):
        find("casme-2")


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ("4+L10", ((4, None), (10, "L"))),
        ("L12 or L14", ((12, "L"), (14, "L"))),
        ("A14C", ((14, "A"),)),
        ("4，12、R15", ((4, None), (12, None), (15, "R"))),
        ("AU6+AU12B", ((6, None), (12, None))),
        ("6+12?", ((6, None), (12, None))),
        ("/", ()),
        ("?", ()),
        ("", ()),
    ],
)
def test_units(written: str, units: tuple[Any, ...]) -> None:
    assert read_units(written) == (units, ())


@given(st.text())
def test_units_reads_or_reports_and_never_fails(written: str) -> None:
    units, _ = read_units(written)
    assert all(0 <= number <= 99 for number, _ in units)


@given(st.integers(0, 10**8))
def test_whole_takes_a_number_however_it_is_written(number: int) -> None:
    assert {whole(number), whole(float(number)), whole(f" {number} "), whole(f"00{number}")} == {number}


@pytest.mark.parametrize("value", ["/", "", None, "=A1", 1.5, "nan", "inf", float("nan"), float("inf")])
def test_whole_takes_nothing_else(value: Any) -> None:
    assert whole(value) is None
