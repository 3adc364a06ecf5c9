"""Writes exports and reports, but never over a session's own files or files of any other origin."""

from __future__ import annotations

import re
from pathlib import Path

from recognizer.errors import AtmeError
from recognizer.files.write import replaceable, write_file
from stream.records.session_files import is_session_file

_HEAD = 64 * 1024
"""Bytes at the start of a file in which an earlier output of ours is recognised."""


def write_output(out: Path, data: bytes, ours: re.Pattern[bytes], *, private: bool = False) -> Path:
    """Writes ``data``; replaces only what ``ours`` recognises as an earlier output of the same kind.

    ``private``: only its owner may read it. AtmeError where it must not, or cannot, be written.
    """
    try:
        if not _may_replace(out, data, ours):
            raise AtmeError(
                "exists", f"{out}: exists, and no earlier output of this kind; name another --out file"
            )
        write_file(out, data, private=private)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be written ({error.strerror}); name another --out file"
        ) from error
    return out


def check_name(out: Path, suffixes: tuple[str, ...]) -> None:
    """AtmeError for a name with none of these endings, and for the name of a session's own file."""
    if is_session_file(out.name):
        raise AtmeError(
            "invalid", f"{out}: a session keeps its own records under this name; name another --out file"
        )
    if not out.name.lower().endswith(tuple(suffix.lower() for suffix in suffixes)):
        raise AtmeError(
            "invalid", f"{out}: not a name for this output; let it end in {' or '.join(suffixes)}"
        )


def default_name(stem: str, suffix: str) -> str:
    """``stem`` and ``suffix`` as a file name, with ``-events`` in between where a session uses that name."""
    stem = stem.replace("/", "_").replace("\0", "_") or "session"
    return f"{stem}-events{suffix}" if is_session_file(stem + suffix) else stem + suffix


def _may_replace(out: Path, data: bytes, ours: re.Pattern[bytes]) -> bool:
    if not replaceable(out):
        return False
    if not out.exists():
        return True
    with open(out, "rb") as file:
        head = file.read(_HEAD)
    return not head or head == data[:_HEAD] or ours.search(head) is not None
