"""Datasets with one annotation sheet and a folder of frames for each subject and clip: CASME II and SAMM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.datasets.reading.disk import check_root, find_frames, find_sheet, inside
from training.datasets.reading.settle import Annotation, settle_all
from training.datasets.reading.sheet import Row, read_sheet
from training.datasets.sample import Loaded, finished


@dataclass(frozen=True)
class CodedClips:
    """Where such a dataset keeps its parts."""

    database: str
    sheet: str
    """The file of the release."""
    versions: str
    """A pattern of the names it may have."""
    frame_columns: tuple[str, str, str]
    """Onset, apex and offset in the sheet."""
    rows: int
    """How many the release has."""
    fps: float
    subjects: str
    """A pattern of the names of the subjects' folders."""
    example: str
    """A frame below them, for an error to show."""
    subject_name: Callable[[str], str]
    """A subject as the sheet has it → as the folder has it."""
    page: str | None = None
    """Of the sheet; None: the first."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return ("Subject", "Filename", *self.frame_columns, "Action Units", "Estimated Emotion")

    def load(self, root: Path) -> Loaded:
        """The three-class samples under ``root``. AtmeError: no root, no sheet or one with other columns, no
        frames."""
        return finished(self.annotated(root))

    def annotated(self, root: Path) -> Loaded:
        """The same, including the emotion class `others`, for sets that bring labels of their own."""
        check_root(root)
        path, notes = find_sheet(root, self.versions, self.sheet)
        found = read_sheet(path, self.columns, self.page)
        if len(found) != self.rows:
            notes.append(f"{path.name} has {len(found)} rows, the release has {self.rows}")
        home = find_frames(root, self.subjects, self.example)
        annotations = [self._annotation(row) for row in found]
        samples, problems = settle_all((a, inside(home, a.subject, a.clip)) for a in annotations)
        return Loaded(tuple(samples), tuple(problems), tuple(notes))

    def _annotation(self, row: Row) -> Annotation:
        onset, apex, offset = (row.cells.get(column) for column in self.frame_columns)
        return Annotation(
            self.database,
            self.subject_name(row.text("Subject")),
            row.text("Filename") or f"row {row.number}",
            onset,
            apex,
            offset,
            row.text("Estimated Emotion"),
            row.text("Action Units"),
            self.fps,
        )
