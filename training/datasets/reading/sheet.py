"""Annotation sheets (.xlsx): finds the header wherever it is, and reports one of another version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.npz import check_zip

HEADER_WITHIN = 40
"""Rows from the top in which the header is looked for; SAMM's is on row 14."""
MOST_ROWS, MOST_COLUMNS, MOST_BYTES = 20_000, 256, 64_000_000
"""Of a sheet, and of everything unpacked from its file; the releases have a thousand rows."""
MOST_WHOLE = 10**12
"""The largest whole number read: a frame, a subject or a clip is never larger."""


@dataclass(frozen=True)
class Row:
    """One row of a sheet."""

    number: int
    """As Excel counts, from 1."""
    cells: dict[str, Any]
    """Column name as the loader wrote it → value; further columns by the name in the sheet."""

    def text(self, column: str) -> str:
        """The cell as text without surrounding blanks; empty for an empty cell or an absent column."""
        value = self.cells.get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None else str(value).strip()

    def whole(self, column: str) -> int | None:
        """The cell as a whole number; None where it is not one."""
        return whole(self.cells.get(column))


def whole(value: Any) -> int | None:
    """46, 46.0 and ``"046"`` → 46; anything else (``/``, an empty cell, a formula's residue) → None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) < MOST_WHOLE else None


def read_sheet(path: Path, columns: Sequence[str], sheet: str | None = None) -> list[Row]:
    """Rows under the header that names all ``columns``; rows without any value in them are not rows.

    Without ``sheet`` the first sheet that has the columns. Names are compared without case and blanks.
    AtmeError: not an .xlsx file, no such sheet, no header with these columns (names those it found).
    """
    book = _open(path)
    with _closing(book, path):
        if sheet is not None and sheet not in book.sheetnames:
            raise AtmeError(
                "unreadable",
                f"{path}: no sheet '{sheet}', only {', '.join(book.sheetnames)}; take the release as it came",
            )
        best: list[str] = []
        for name in [sheet] if sheet is not None else book.sheetnames:
            table = _table(book[name])
            at, found = _header(table, columns)
            if at is not None:
                return _rows(table, at, columns)
            best = max(best, found, key=len)
    raise AtmeError(
        "unreadable",
        f"{path}: a sheet of another version; expected the columns {', '.join(columns)}; "
        f"found {', '.join(best) or 'none'}",
    )


def read_tables(path: Path, count: int) -> list[list[tuple[Any, ...]]]:
    """The rows of the first ``count`` sheets, for a file without headers. AtmeError where it has fewer."""
    book = _open(path)
    with _closing(book, path):
        if len(book.sheetnames) < count:
            raise AtmeError(
                "unreadable",
                f"{path}: {len(book.sheetnames)} sheets, the release has {count}; "
                "take the release as it came",
            )
        return [_table(book[name]) for name in book.sheetnames[:count]]


def _open(path: Path) -> Any:
    import warnings

    import openpyxl

    try:
        with warnings.catch_warnings():  # about styles and extensions that do not matter here
            warnings.simplefilter("ignore")
            # data_only: what a formula came to when last saved, not the formula.
            check_zip(path, MOST_BYTES, "an annotation sheet")
            return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except AtmeError:
        raise
    except Exception as error:  # openpyxl raises whatever it comes across in a damaged file
        raise _unreadable(path, error) from None


@contextmanager
def _closing(book: Any, path: Path) -> Iterator[None]:
    """Closes the book at the end; damage in it shows only while its rows are read."""
    try:
        yield
    except AtmeError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None
    finally:
        book.close()


def _unreadable(path: Path, error: Exception) -> AtmeError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return AtmeError(
        "unreadable", f"{path}: not a readable .xlsx sheet ({reason}); take the release as it came"
    )


def _table(sheet: Any) -> list[tuple[Any, ...]]:
    """ValueError for a sheet with more rows than any release: one row far down fills in all before it."""
    sheet.reset_dimensions()  # hand-edited files may lie about their size
    lines = sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True)
    rows = [tuple(row) for row in islice(lines, MOST_ROWS + 1)]
    if len(rows) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} rows")
    return rows


def _plain(name: Any) -> str:
    return "".join(str(name).split()).casefold()


def _header(table: list[tuple[Any, ...]], columns: Sequence[str]) -> tuple[int | None, list[str]]:
    """Index of the header row, or None and the names in the row that comes closest."""
    wanted = {_plain(column) for column in columns}
    closest: list[str] = []
    most = 0
    for index, row in enumerate(table[:HEADER_WITHIN]):
        names = [str(cell).strip() for cell in row if isinstance(cell, str) and cell.strip()]
        hits = len(wanted & {_plain(name) for name in names})
        if hits == len(wanted):
            return index, names
        if hits > most or not closest:
            closest, most = names, hits
    return None, closest


def _rows(table: list[tuple[Any, ...]], header: int, columns: Sequence[str]) -> list[Row]:
    ours = {_plain(column): column for column in columns}
    names: list[str | None] = []
    for cell in table[header]:
        name = None if cell is None or not str(cell).strip() else ours.get(_plain(cell), str(cell).strip())
        names.append(None if name in names else name)  # of two columns with one name, the first
    rows = []
    for number, values in enumerate(table[header + 1 :], header + 2):
        cells = {name: value for name, value in zip(names, values, strict=False) if name is not None}
        if any(cells.get(column) not in (None, "") for column in columns):
            rows.append(Row(number, cells))
    return rows
