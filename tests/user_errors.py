"""Errors that users cause, as tests expect them: the code and what varies in the line, never its wording."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recognizer.errors import AtmeError, ErrorCode


@contextmanager
def raises(code: ErrorCode, *parts: object) -> Iterator[pytest.ExceptionInfo[AtmeError]]:
    """The block raises an AtmeError of this code whose line contains all ``parts``."""
    with pytest.raises(AtmeError) as caught:
        yield caught
    check(caught.value, code, *parts)


def check(error: AtmeError | None, code: ErrorCode, *parts: object) -> None:
    """The same for an error at hand, such as that of a batch's outcome."""
    assert error is not None, "no error"
    assert error.code == code, f"{error.code}: {error}"
    check_line(str(error), *parts)


def check_line(line: str, *parts: object) -> None:
    """One line that a terminal can show, not of several that were escaped into one; contains ``parts``."""
    assert line.isprintable(), repr(line)
    assert r"\n" not in line, line
    for part in parts:
        assert str(part) in line, f"{part!r} is not in: {line}"


def complaint(done: subprocess.CompletedProcess[str], *parts: object, program: str = "atme") -> str:
    """The only line of ours on stderr, and the last (native libraries write theirs); the exit code is 2."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    ours = [line for line in done.stderr.splitlines() if line.startswith(f"{program}: ")]
    assert len(ours) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == ours[0]
    check_line(ours[0], *parts)
    return ours[0]
