"""Measuring on real recordings: clips as coded, videos without a coded movement."""

from __future__ import annotations

from pathlib import Path

import pytest
from user_errors import raises

from benchmarks import real
from recognizer.errors import ErrorCode


def test_a_coded_clip_is_found_and_labelled(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clips = shared / "real" / "clips"
    if not clips.is_dir():
        pytest.skip("needs coded clips in the shared media folder")
    header, *rows = (clips / "clips.tsv").read_text().splitlines()
    row = next(row for row in rows if row.startswith("SAMM_022"))
    (tmp_path / "clips.tsv").write_text(f"{header}\n{row}\n")
    (tmp_path / row.split("\t")[0]).symlink_to(clips / row.split("\t")[0])
    monkeypatch.setattr(real, "SERIES", 2)
    real.main(["clips", str(tmp_path)])
    said = "1 clips: 1 pairs labelled correctly; found 2 of 2 times, labelled correctly 2 times, uncertain 0"
    assert said in capsys.readouterr().out


def test_a_movement_in_a_video_without_any_is_a_false_alarm(short_clip: Path, capsys):
    real.main(["alarms", str(short_clip.parent)])
    assert capsys.readouterr().out == "0.0 minutes: 1 false alarms (25.17 a minute), and 0 uncertain\n"


@pytest.mark.parametrize(
    ("sheet", "code", "found"),
    [
        (None, "not-found", ""),
        ("folder\tlabel3\na\tpositive\n", "unreadable", ", ".join(real.COLUMNS)),
        ("\t".join(real.COLUMNS) + "\n", "unreadable", ""),
        ("\t".join(real.COLUMNS) + "\na\tpositive\tone\t2\t3\t100\n", "unreadable", "'one'"),
        ("\t".join(real.COLUMNS) + "\na\tpositive\t0\t2\t3\t100\n", "unreadable", " 0 "),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(
    tmp_path: Path, sheet: str | None, code: ErrorCode, found: str
):
    if sheet is not None:
        (tmp_path / "clips.tsv").write_text(sheet)
    with raises(code, tmp_path, found):
        real.main(["clips", str(tmp_path)])
    with raises("not-found", tmp_path):
        real.main(["alarms", str(tmp_path)])
