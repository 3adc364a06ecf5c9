"""Sets whose clips one sheet codes, with the frames in a folder a subject and a clip: CASME II and SAMM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from training.datasets.reading.disk import check_root, find_frames, find_sheet, inside
from training.datasets.reading.settle import Annotation, settle_all
from training.datasets.reading.sheet import Row, read_sheet
from training.datasets.sample import Loaded


def load_clips(
    root: Path,
    annotation: Callable[[Row], Annotation],
    *,
    sheet: str,
    versions: str,
    columns: Sequence[str],
    rows: int,
    subjects: str,
    example: str,
    page: str | None = None,
) -> Loaded:
    """The samples under ``root``, others among them, for sets that bring labels of their own.

    ``sheet``: the file of the release, ``versions``: names it may have, ``rows``: how many the release has;
    ``subjects``: names of the subjects' folders, ``example``: a frame below them. AtmeError: no root, no
    sheet or one of other columns, no frames.
    """
    check_root(root)
    path, notes = find_sheet(root, versions, sheet)
    found = read_sheet(path, columns, page)
    if len(found) != rows:
        notes.append(f"{path.name} has {len(found)} rows, the release has {rows}")
    home = find_frames(root, subjects, example)
    annotations = [annotation(row) for row in found]
    samples, problems = settle_all((a, inside(home, a.subject, a.clip)) for a in annotations)
    return Loaded(tuple(samples), tuple(problems), tuple(notes))
